#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_softplus(Registry&);
void register_softplus_references(Registry&);

/// What was typed.
struct SoftplusRule {
  double beta, threshold;
  explicit SoftplusRule(const Dict& attrs)
      : beta(get_double(attrs, "beta")), threshold(get_double(attrs, "threshold")) {}
};

}  // namespace braid
