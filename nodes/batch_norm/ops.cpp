// The operations of batch norm. None of them communicates: `moments` and the reductions lose the
// batch dimension, which makes their results partial, and the compiler merges those.
#include "batch_norm/parts.h"

namespace braid::batch_norm {
namespace {

// One column for each channel of input `of`.
auto per_channel(size_t of, int64_t rows) {
  return [=](const Dict&, std::span<const Type> in) {
    return std::vector<Type>{{DType::f64, {rows, in[of].shape[1]}}};
  };
}

// The gradients that pass, and what `per_channel` says.
std::vector<Type> passed_and_sums(const Dict&, std::span<const Type> in) {
  return {in[0], {DType::f64, {2, in[1].shape[1]}}};
}

std::vector<Type> one_row(const Dict&, std::span<const Type> in) {
  return {{DType::f32, {in[0].shape[1]}}};
}

std::vector<Type> nothing(const Dict&, std::span<const Type>) { return {}; }

}  // namespace

void register_ops(Registry& r) {
  // x[, w] -> rows (count, mean, M2); the count is the sum of the weights where there are any
  r.add(OpDef{.name = "moments", .infer = per_channel(0, 3), .merge = "chan"});
  r.add(OpDef{.name = "merge_chan", .infer = same_type, .linear = true});
  // x, m[, weight, bias]; x, mean, var[, weight, bias]
  r.add(OpDef{.name = "normalize", .infer = same_type});
  r.add(OpDef{.name = "normalize_eval", .infer = same_type});
  // The same and, last, z of x's type: normalize(x), rounded, + z. The compiler makes it of a sum.
  r.add(OpDef{.name = "normalize_add", .infer = same_type});
  r.add(OpDef{.name = "normalize_eval_add", .infer = same_type});
  // g, x, m[, weight, bias] -> rows (sum g, sum g·x̂); g, x, m, s[, weight, bias][, w] -> dx
  r.add(OpDef{.name = "bn_reduce", .infer = per_channel(1, 2), .merge = "sum"});
  r.add(OpDef{.name = "bn_dx", .infer = same_type});
  // The same for constant statistics: g, x, mean, var[, weight, bias]
  // The attribute "masked" says that x may hold anything where no gradient arrives.
  r.add(OpDef{.name = "bn_eval_reduce", .infer = per_channel(1, 2), .merge = "sum"});
  r.add(OpDef{.name = "bn_eval_dx", .infer = same_type});
  // The same and, last, y, the result of a ReLU -> g where y > 0, else 0; and its sums. The
  // compiler makes it of relu_grad(g, y) and a reduction.
  r.add(OpDef{.name = "bn_relu_reduce", .infer = passed_and_sums, .merge = "sum"});
  r.add(OpDef{.name = "bn_eval_relu_reduce", .infer = passed_and_sums, .merge = "sum"});
  // s -> row `row` in f32. Not linear: each replica rounding its part would be another number.
  r.add(OpDef{.name = "bn_row", .infer = one_row});
  // m, running_mean, running_var, num_batches_tracked
  r.add(OpDef{.name = "bn_running", .infer = nothing, .writes = {1, 2, 3}});
}

}  // namespace braid::batch_norm
