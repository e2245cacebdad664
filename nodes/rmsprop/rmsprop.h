// Four operations, by the State that they change beside the weight: "rmsprop" (w, v, g),
// "rmsprop_centered" (w, v, mean, g), "rmsprop_momentum" (w, v, buffer, g) and
// "rmsprop_centered_momentum" (w, v, mean, buffer, g). They write in place behind the commit gate,
// so their kernels cannot fail.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_rmsprop(Registry&);
void register_rmsprop_kernels(Registry&);
void register_rmsprop_references(Registry&);

/// What was typed, read once.
struct RmspropRule {
  double lr_scale, alpha, eps, decay, momentum;

  explicit RmspropRule(const Dict& attrs)
      : lr_scale(get_double(attrs, "lr_scale", 1)),
        alpha(get_double(attrs, "alpha")),
        eps(get_double(attrs, "eps")),
        decay(get_double(attrs, "weight_decay")),
        momentum(get_double(attrs, "momentum")) {}
};

/// The numbers of one step: with d = g + decay·w,
///   v <- alpha·v + keep·d²,  mean <- alpha·mean + keep·d,
///   by = d / (sqrt(v - mean²) + eps),  buffer <- momentum·buffer + by,  w <- w - lr·buffer
/// where `mean` is 0 if it is not kept, and `by` stands for the buffer.
template <class T>
struct RmspropStep {
  T lr, alpha, keep, eps, decay, momentum;

  RmspropStep() = default;
  constexpr RmspropStep(const RmspropRule& r, const Scalars& s)
      : lr(T(s.lr * r.lr_scale)),
        alpha(T(r.alpha)),
        keep(T(1 - r.alpha)),
        eps(T(r.eps)),
        decay(T(r.decay)),
        momentum(T(r.momentum)) {}
};

}  // namespace braid
