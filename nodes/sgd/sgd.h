// Two operations: "sgd" (w, g) and "sgd_momentum" (w, v, g). Both write their State in place behind
// the commit gate, so their kernels cannot fail.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_sgd(Registry&);
void register_sgd_kernels(Registry&);
void register_sgd_references(Registry&);

/// The numbers of one step: w <- w - lr·d with d from g + decay·w and the momentum buffer.
template <class T>
struct SgdStep {
  T lr, decay, momentum, keep;  ///< keep = what of the new gradient enters the buffer
  bool first, nesterov;         ///< first: the buffer starts as the gradient

  SgdStep(const Dict& attrs, const Scalars& s)
      : lr(T(s.lr * get_double(attrs, "lr_scale", 1))),
        decay(T(get_double(attrs, "weight_decay"))),
        momentum(T(get_double(attrs, "momentum"))),
        keep(T(1 - get_double(attrs, "dampening"))),
        first(s.step == 0),
        nesterov(get_bool(attrs, "nesterov")) {}
};

}  // namespace braid
