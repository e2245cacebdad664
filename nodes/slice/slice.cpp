// Slice: a range of one dimension.
#include "ops/checks.h"
#include "pad/ops.h"

namespace braid {
namespace {

struct Range {
  size_t dim;
  int64_t begin, size;
};

Range range_of(Builder& b, const Call& call) {
  const Type x = b.type(call.in[0]);
  const size_t dim = resolve_dim(b, x, get_int(call.params, "dim"));
  const int64_t cells = x.shape[dim].value;
  const Attr& given = *find(call.params, "end");
  const int64_t start = get_int(call.params, "start"),
                end = given.is_null() ? cells : given.as_int();
  const int64_t from = start < 0 ? start + cells : start, to = end < 0 ? end + cells : end;
  if (from < 0 || to > cells || from >= to)
    b.fail("E0274",
           "the range from " + std::to_string(start) + " to " + std::to_string(end) + " of dim " +
               std::to_string(dim) + " has no cells, or some that " + to_string(x.shape) + " lacks",
           "dim " + std::to_string(dim) + " has " + std::to_string(cells) +
               " cells; start counts from 0, end is the first that is left out, negative ones "
               "count from the end");
  return {dim, from, to - from};
}

std::vector<int> forward(Builder& b, Call& call) {
  const Range r = range_of(b, call);
  return b.add("slice", {call.in[0]},
               {{"dim", int64_t(r.dim)}, {"begin", r.begin}, {"size", r.size}});
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  const Range r = range_of(b, call);
  const Shape whole = b.type(call.in[0]).shape;
  std::vector<int64_t> before(whole.size());
  before[r.dim] = r.begin;
  return {pad_gradient(b, g[0], before, whole)};
}

}  // namespace

void register_slice(Registry& registry) {
  const Type image{DType::f32, {N, 20, 4, 3}};
  registry.add(LayerDef{
      .name = "Slice",
      .doc = "The cells start to end - 1 of one dimension, as x[:, start:end]. Not of the batch.",
      .formula = "y[n, i] = x[n, start + i]",
      .source = "PyTorch's indexing, and torch.narrow",
      .inputs = {{"input", "of any dtype; a gradient needs f32"}},
      .params = {{.name = "dim", .doc = "counted from 0; negative from the end", .fallback = 1},
                 {.name = "start", .doc = "the first cell; negative from the end", .fallback = 0},
                 {.name = "end",
                  .doc = "the first cell that is left out; negative from the end, all the rest "
                         "where it is not given",
                  .optional = true}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {image}, .params = {{"start", 3}, {"end", 9}}, .note = "channels"},
                  {.inputs = {image},
                   .params = {{"dim", 2}, {"start", -3}, {"end", -1}},
                   .note = "counted from the end"},
                  {.inputs = {{DType::f32, {1, 5, 2}}},
                   .params = {{"start", 2}},
                   .note = "without a batch"}}});
}

}  // namespace braid
