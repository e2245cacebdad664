#include <algorithm>

#include <braid/core/registry.h>

#include "expand/ops.h"
#include "ops/checks.h"

namespace braid {

void register_add(Registry& registry);

namespace {

[[noreturn]] void disagree(const Builder& b, const Call& c, size_t with, size_t input) {
  b.fail("E0203",
         "Add's inputs disagree: input " + std::to_string(with) + " is " +
             to_string(b.type(c.in[with]).shape) + ", " + port_name(c, input) + " is " +
             to_string(b.type(c.in[input]).shape),
         "all inputs must have the same shape, or 1 where another repeats");
}

// Dimensions are aligned at the end; N is dimension 0 of the result, and of what has it.
Shape result_shape(const Builder& b, const Call& c) {
  if (c.in.size() < 2) b.fail("E0203", "Add needs at least two inputs");
  Shape all;
  std::vector<size_t> from;  // the input that each size comes from
  for (size_t i = 0; i < c.in.size(); ++i) {
    require_f32(b, c, i);
    const Shape x = b.type(c.in[i]).shape;
    const size_t more = x.size() - std::min(x.size(), all.size());
    all.insert(all.begin(), x.begin(), x.begin() + ptrdiff_t(more));
    from.insert(from.begin(), more, i);
    for (size_t d = 0; d < x.size(); ++d) {
      const size_t at = all.size() - x.size() + d;
      if (x[d] == all[at] || x[d] == Dim(1)) continue;
      if (all[at] != Dim(1)) disagree(b, c, from[at], i);
      all[at] = x[d];
      from[at] = i;
    }
  }
  for (size_t d = 1; d < all.size(); ++d)
    if (all[d].batched) disagree(b, c, from[d], from[0]);
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
             "without N, or with dimensions of size 1, is repeated.",
      .formula = "y = x_0 + x_1 + ...",
      .source = "He et al., Deep Residual Learning for Image Recognition, 2016",
      .inputs = {{"input", "two or more values whose shapes fit each other", true}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {image, image}},
                  {.inputs = {vector, vector, vector}, .note = "three inputs"},
                  {.inputs = {{DType::f32, {N, 4, 3}}, {DType::f32, {1, 4, 3}}},
                   .note = "the second is the same for all samples"},
                  {.inputs = {{DType::f32, {3}}, {DType::f32, {N, 1, 3}}, {DType::f32, {4, 1}}},
                   .note = "no input has all sizes of the result"}}});
}

}  // namespace braid
