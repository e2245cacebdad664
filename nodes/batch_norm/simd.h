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

/// What a pass over activations reads and writes. `g` and `out` follow the view of `x`.
struct Pass {
  View view;
  bool relu = false;  ///< y is clipped at 0; gradients pass where y > 0
};

using MomentsFn = void (*)(const View&, const float* x, double* moments, void* workspace);
using ApplyFn = void (*)(const Pass&, const float* x, const Coefficients&, float* y);
using ReduceFn = void (*)(const Pass&, const float* g, const float* x, const Coefficients&,
                          double* sums, void* workspace);
using GradientFn = void (*)(const Pass&, const float* g, const float* x, const Coefficients&,
                            float* dx);

MomentsFn moments_kernel(Isa isa);
ApplyFn apply_kernel(Isa isa);
/// Sums of g and of g·(x - k) per channel: see finish_sums.
ReduceFn reduce_kernel(Isa isa);
GradientFn gradient_kernel(Isa isa);

/// Bytes of workspace that moments and reduce need for themselves.
int64_t moments_workspace(const View& view);
int64_t reduce_workspace(const View& view);

template <class F>
F pick(Isa isa, F sse4, F avx2, F avx512) {
  return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : sse4;
}

}  // namespace braid::batch_norm
