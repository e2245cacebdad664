#include <braid/core/registry.h>

#include "ops/checks.h"

namespace braid {

void register_add(Registry& registry);

static void require_alike(const Builder& b, const Call& c) {
  if (c.in.size() < 2) b.fail("E0203", "Add needs at least two inputs");
  for (size_t i = 0; i < c.in.size(); ++i) {
    require_f32(b, c, i);
    const Type &first = b.type(c.in[0]), &type = b.type(c.in[i]);
    if (type.shape != first.shape)
      b.fail("E0203",
             "Add's inputs disagree: input 0 is " + to_string(first.shape) + ", " +
                 port_name(c, i) + " is " + to_string(type.shape),
             how_to_match(first.shape, type.shape));
  }
}

// Left to right, in the order of the inputs.
static std::vector<int> forward(Builder& b, Call& c) {
  require_alike(b, c);
  int sum = c.in[0];
  for (size_t i = 1; i < c.in.size(); ++i) sum = b.one("add", {sum, c.in[i]});
  return {sum};
}

void register_add(Registry& registry) {
  const Type image{DType::f32, {N, 3, 7, 5}}, vector{DType::f32, {N, 1}};
  registry.add(LayerDef{
      .name = "Add",
      .doc = "The sum of its inputs, elementwise: joins the branches of a residual block.",
      .formula = "y = x_0 + x_1 + ...",
      .source = "He et al., Deep Residual Learning for Image Recognition, 2016",
      .inputs = {{"input", "two or more values of one shape", true}},
      .forward = forward,
      .gradient = [](Builder&, const Call& c,
                     const std::vector<int>& g) { return std::vector<int>(c.in.size(), g[0]); },
      .samples = {{.inputs = {image, image}},
                  {.inputs = {vector, vector, vector}, .note = "three inputs"}}});
}

}  // namespace braid
