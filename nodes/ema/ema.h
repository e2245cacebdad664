// "ema" (average, weight): the exponential moving average of a weight, which stands behind the
// weight's update. It starts as the weight after the first step.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_ema(Registry&);

struct EmaRule {
  double decay;

  explicit EmaRule(const Dict& attrs) : decay(get_double(attrs, "decay")) {}
};

/// The numbers of one step: average <- keep·average + take·weight.
template <class T>
struct EmaStep {
  T keep, take;

  EmaStep() = default;
  constexpr EmaStep(const EmaRule& r, const Scalars& s)
      : keep(T(s.step == 0 ? 0 : r.decay)), take(T(s.step == 0 ? 1 : 1 - r.decay)) {}
};

}  // namespace braid
