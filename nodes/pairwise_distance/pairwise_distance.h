// Two operations: "pairwise_distance" (x1, x2) and "pairwise_distance_grad" (g, x1, x2, distance),
// the gradient of x1 or, with `negative`, that of x2.
#pragma once
#include <braid/core/registry.h>

#include "ops/p_norm.h"

namespace braid {

void register_pairwise_distance(Registry&);

struct DistanceRule {
  PNorm norm;
  double eps;   ///< added to each difference
  double sign;  ///< of the gradient

  explicit DistanceRule(const Dict& attrs)
      : norm{get_double(attrs, "p")},
        eps(get_double(attrs, "eps")),
        sign(get_bool(attrs, "negative") ? -1 : 1) {}
  constexpr double off(double x1, double x2) const { return x1 - x2 + eps; }
};

}  // namespace braid
