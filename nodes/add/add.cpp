#include <algorithm>

#include <braid/core/registry.h>

#include "expand/ops.h"
#include "ops/checks.h"

namespace braid {

void register_add(Registry& registry);

namespace {

// All inputs have one shape. Only what is the same for all samples, [1, ...] beside [N, ...], is
// repeated: sizes that do not fit are a mistake more often than a wish.
Shape result_shape(const Builder& b, const Call& c) {
  if (c.in.size() < 2) b.fail("E0203", "Add needs at least two inputs");
  auto shape = [&](size_t i) { return b.type(c.in[i]).shape; };
  auto batched = [&](size_t i) { return b.type(c.in[i]).batched(); };
  size_t whole = 0;
  for (size_t i = 0; i < c.in.size(); ++i) {
    require_f32(b, c, i);
    if (batched(i) && !batched(whole)) whole = i;
  }
  const Shape all = shape(whole);
  for (size_t i = 0; i < c.in.size(); ++i) {
    const Shape x = shape(i);
    const bool common = batched(whole) && !batched(i) && x.size() == all.size() && x[0] == Dim(1);
    if (common ? std::equal(x.begin() + 1, x.end(), all.begin() + 1) : x == all) continue;
    b.fail("E0203",
           "Add's inputs disagree: input " + std::to_string(whole) + " is " + to_string(all) +
               ", " + port_name(c, i) + " is " + to_string(x),
           how_to_match(all, x));
  }
  return all;
}

// Left to right, in the order of the inputs.
std::vector<int> forward(Builder& b, Call& c) {
  const Shape shape = result_shape(b, c);
  auto batched = std::ranges::find_if(c.in, [&](int value) { return b.type(value).batched(); });
  auto repeated = [&](int value) {
    const bool gains = batched != c.in.end() && !b.type(value).batched();
    return expand(b, value, shape, gains ? *batched : -1);
  };
  int sum = repeated(c.in[0]);
  for (size_t i = 1; i < c.in.size(); ++i) sum = b.one("add", {sum, repeated(c.in[i])});
  return {sum};
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  std::vector<int> gradients;
  for (int value : c.in)
    gradients.push_back(b.needs_gradient(value) ? expand_gradient(b, value, g[0]) : -1);
  return gradients;
}

}  // namespace

void register_add(Registry& registry) {
  const Type image{DType::f32, {N, 3, 7, 5}}, vector{DType::f32, {N, 1}};
  registry.add(LayerDef{
      .name = "Add",
      .doc = "The sum of its inputs, elementwise: joins the branches of a residual block. An input "
             "[1, ...] beside [N, ...] is repeated for all samples.",
      .formula = "y = x_0 + x_1 + ...",
      .source = "He et al., Deep Residual Learning for Image Recognition, 2016",
      .inputs = {{"input", "two or more values of one shape", true}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {image, image}},
                  {.inputs = {vector, vector, vector}, .note = "three inputs"},
                  {.inputs = {{DType::f32, {N, 4, 3}}, {DType::f32, {1, 4, 3}}},
                   .note = "the second is the same for all samples"}}});
}

}  // namespace braid
