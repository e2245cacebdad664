// Two operations: "sgd" (w, g) and "sgd_momentum" (w, v, g). Both write their State in place behind
// the commit gate, so their kernels cannot fail.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_sgd(Registry&);
void register_sgd_kernels(Registry&);
void register_sgd_references(Registry&);

/// What was typed, read once.
struct SgdRule {
  double lr_scale, decay, momentum, keep;  ///< keep = what of the new gradient enters the buffer
  bool nesterov;

  explicit SgdRule(const Dict& attrs)
      : lr_scale(get_double(attrs, "lr_scale", 1)),
        decay(get_double(attrs, "weight_decay")),
        momentum(get_double(attrs, "momentum")),
        keep(1 - get_double(attrs, "dampening")),
        nesterov(get_bool(attrs, "nesterov")) {}
};

/// The numbers of one step: w <- w - lr·d with d from g + decay·w and the momentum buffer.
template <class T>
struct SgdStep {
  T lr, decay, momentum, keep;
  bool first, nesterov;  ///< first: the buffer starts as the gradient

  SgdStep() = default;
  constexpr SgdStep(const SgdRule& r, const Scalars& s)
      : lr(T(s.lr * r.lr_scale)),
        decay(T(r.decay)),
        momentum(T(r.momentum)),
        keep(T(r.keep)),
        first(s.step == 0),
        nesterov(r.nesterov) {}
};

}  // namespace braid
