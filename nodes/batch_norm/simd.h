// The vector kernels of batch norm, one set for each instruction set. They are chosen by the plan's
// `isa`, never by what the processor happens to have, because the number of lanes decides in which
// order a sum is taken.
#pragma once
#include <optional>
#include <string>

#include "batch_norm/coefficients.h"
#include "ops/view.h"

namespace braid::batch_norm {

enum class Isa { sse4, avx2, avx512 };

/// "" = the best that this machine has; nothing when it is unknown.
std::optional<Isa> resolve_isa(const std::string& name);
std::string to_string(Isa isa);
/// Throws Error(device) when this machine cannot run it.
void require_isa(Isa isa);

/// What a pass over activations reads and writes: everything follows the view of `x`.
struct Pass {
  View view;
  bool relu = false;      ///< y is clipped at 0; gradients pass where y > 0
  bool masked = false;    ///< values that no gradient reaches may be NaN
  bool constant = false;  ///< the statistics do not depend on x
};

using MomentsFn = void (*)(const View&, const float* x, double* moments, void* workspace);
/// `z`: what is added before ReLU, or null.
using ApplyFn = void (*)(const Pass&, const float* x, const float* z, const Coefficients&,
                         float* y);
/// Of a ReLU that is not fused with the normalization: its result decides which gradients pass, and
/// those are written. Nulls where there is none.
struct Gate {
  const float* y = nullptr;
  float* passed = nullptr;
};
using ReduceFn = void (*)(const Pass&, const float* g, const float* x, const Gate&,
                          const Coefficients&, double* sums, void* workspace);
/// `w`: one weight for each sample and point, or null.
using GradientFn = void (*)(const Pass&, const float* g, const float* x, const float* w,
                            const Coefficients&, float* dx, void* workspace);
using WeightedMomentsFn = void (*)(const View&, const float* x, const float* w, double* moments,
                                   void* workspace);

MomentsFn moments_kernel(Isa isa);
WeightedMomentsFn weighted_moments_kernel(Isa isa);
ApplyFn apply_kernel(Isa isa);
/// Sums of g and of g·(x - k) per channel: see finish_sums.
ReduceFn reduce_kernel(Isa isa);
GradientFn gradient_kernel(Isa isa);

/// At most so many floats of a slice are looked at beside their weights at a time.
constexpr int64_t kStretch = 4096;

/// Bytes of workspace that moments and reduce need for themselves, and to lay weights beside
/// blocked values.
int64_t moments_workspace(const View& view);
inline int64_t weights_workspace(const View& view) {
  return view.group == 1 ? 0 : kStretch * int64_t(sizeof(float));
}
int64_t reduce_workspace(const View& view);

template <class F>
F pick(Isa isa, F sse4, F avx2, F avx512) {
  return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : sse4;
}

}  // namespace braid::batch_norm
