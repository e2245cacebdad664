// Two operations that bound a step by the norm of all gradients together: "square_sum" (g) of each,
// f64 [1], and "clip" (g, total), which scales a gradient down where the norm is above `norm`.
#pragma once
#include <cmath>

#include <braid/core/registry.h>

namespace braid {

void register_clip(Registry&);

/// As torch.nn.utils.clip_grad_norm_. A norm that is not finite goes on as NaN.
template <class T>
constexpr T clip_factor(double norm, double square_sum) {
  const double factor = norm / (std::sqrt(square_sum) + 1e-6);
  return T(factor > 1 ? 1 : factor);
}

}  // namespace braid
