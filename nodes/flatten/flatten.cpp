// Flatten: several dimensions become one.
#include <braid/core/registry.h>

#include "ops/shape_attr.h"

namespace braid {
namespace {

int64_t resolved(Builder& b, const Call& call, const char* name, const Shape& shape) {
  int64_t rank = int64_t(shape.size()), dim = get_int(call.params, name);
  if (dim < -rank || dim >= rank)
    b.fail("E0208", std::string(name) + " is " + std::to_string(dim) + ", and the input " +
                        to_string(shape) + " has dimensions 0 to " + std::to_string(rank - 1));
  return dim < 0 ? dim + rank : dim;
}

// N as a factor makes the product a multiple of N; it can only stand in dimension 0.
Shape flattened(const Shape& shape, int64_t start, int64_t end) {
  Shape out(shape.begin(), shape.begin() + start);
  Dim merged = 1;
  for (int64_t i = start; i <= end; ++i) {
    merged.value *= shape[size_t(i)].value;
    merged.batched |= shape[size_t(i)].batched;
  }
  out.push_back(merged);
  out.insert(out.end(), shape.begin() + end + 1, shape.end());
  return out;
}

std::vector<int> reshape(Builder& b, int value, const Shape& shape) {
  return b.add("reshape", {value}, {{"shape", to_attr(shape)}});
}

std::vector<int> forward(Builder& b, Call& call) {
  const Shape& shape = b.type(call.in[0]).shape;
  int64_t start = resolved(b, call, "start_dim", shape), end = resolved(b, call, "end_dim", shape);
  if (start > end)
    b.fail("E0208", "start_dim " + std::to_string(start) + " stands after end_dim " +
                        std::to_string(end) + " of the input " + to_string(shape));
  return reshape(b, call.in[0], flattened(shape, start, end));
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  return reshape(b, g[0], b.type(call.in[0]).shape);
}

}  // namespace

void register_flatten(Registry& registry) {
  registry.add(LayerDef{
      .name = "Flatten",
      .doc = "Makes dimensions start_dim to end_dim one: [N, C, H, W] gives [N, C*H*W]. With "
             "start_dim 0 samples become rows: [N, L, C] gives [L*N, C] for end_dim 1.",
      .formula = "y is x, read row by row",
      .source = "torch.nn.Flatten",
      .inputs = {{"input", "of any dtype"}},
      .params = {{.name = "start_dim", .doc = "the first dimension that goes in", .fallback = 1},
                 {.name = "end_dim",
                  .doc = "the last one; -1 is the input's last",
                  .fallback = -1}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}},
                  {.inputs = {{DType::f32, {N, 3, 4, 2}}},
                   .params = {{"start_dim", 2}},
                   .note = "the spatial dimensions"},
                  {.inputs = {{DType::f32, {N, 3, 5}}},
                   .params = {{"start_dim", 0}, {"end_dim", 1}},
                   .note = "a sample's rows become samples"}}});
}

}  // namespace braid
