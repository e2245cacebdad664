// Two operations: "adam" (w, m, v, g) and "adam_amsgrad" (w, m, v, most, g). Both write their State
// in place behind the commit gate, so their kernels cannot fail. AdamW is the same with
// `decoupled`.
#pragma once
#include <cmath>

#include <braid/core/registry.h>

namespace braid {

void register_adam(Registry&);
void register_adam_kernels(Registry&);
void register_adam_references(Registry&);

/// base^n by squaring: the same bits on every machine, which std::pow does not promise.
constexpr double whole_power(double base, int64_t n) {
  double result = 1;
  for (; n > 0; n /= 2, base *= base)
    if (n % 2 == 1) result *= base;
  return result;
}

/// What was typed, read once.
struct AdamRule {
  double beta1, beta2, eps, decay, lr_scale;
  bool decoupled;  ///< AdamW: the decay shrinks the weight and leaves the gradient alone

  explicit AdamRule(const Dict& attrs)
      : eps(get_double(attrs, "eps")),
        decay(get_double(attrs, "weight_decay")),
        lr_scale(get_double(attrs, "lr_scale", 1)),
        decoupled(get_bool(attrs, "decoupled")) {
    const auto betas = get_doubles(attrs, "betas");
    beta1 = betas.at(0), beta2 = betas.at(1);
  }
};

/// The numbers of one step: with d = g + decay·w,
///   m <- beta1·m + keep1·d,  v <- beta2·v + keep2·d²,
///   w <- keep·w - rate · m / (sqrt(v)·root + eps)
template <class T>
struct AdamStep {
  T beta1, keep1, beta2, keep2, decay, keep, eps;
  T rate;  ///< lr, corrected for an m that began at 0
  T root;  ///< corrects sqrt(v) in the same way

  AdamStep() = default;
  constexpr AdamStep(const AdamRule& r, const Scalars& s)
      : beta1(T(r.beta1)),
        keep1(T(1 - r.beta1)),
        beta2(T(r.beta2)),
        keep2(T(1 - r.beta2)),
        decay(T(r.decoupled ? 0 : r.decay)),
        keep(T(r.decoupled ? 1 - s.lr * r.lr_scale * r.decay : 1)),
        eps(T(r.eps)),
        rate(T(s.lr * r.lr_scale / (1 - whole_power(r.beta1, s.updates() + 1)))),
        root(T(1 / std::sqrt(1 - whole_power(r.beta2, s.updates() + 1)))) {}
};

}  // namespace braid
