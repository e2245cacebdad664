// Two operations over rows: "p_normalize" (x) and "p_normalize_grad" (g, x), which finds norms
// again.
#pragma once
#include <braid/core/registry.h>

#include "ops/p_norm.h"
#include "ops/rows.h"

namespace braid {

void register_normalize(Registry&);

struct NormalizeRule {
  PNorm norm;
  double eps;  ///< the least that is divided by

  explicit NormalizeRule(const Dict& attrs)
      : norm{get_double(attrs, "p")}, eps(get_double(attrs, "eps")) {}
};

/// dx of one element of a row, given the row's norm and its sum of g·x: with y = x / norm,
/// dx = g / norm - (g·x) / norm² · d norm / d x; where eps stands for the norm, that is constant.
constexpr double normalize_slope(const NormalizeRule& r, double norm, double dot, double g,
                                 double x) {
  if (norm <= r.eps) return g / r.eps;
  return (g - dot / norm * r.norm.slope(x, norm)) / norm;
}

}  // namespace braid
