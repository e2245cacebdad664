// The judge of Max and Min: every cell's index is taken apart.
#include <cmath>

#include "amax/ops.h"

namespace braid {

static KernelBody make(const Signature& s, double sign) {
  return [s, sign](const KernelArgs& a) {
    const auto &x = s.in[0].dims, &y = s.out[0].dims;
    std::vector<bool> seen(size_t(s.out[0].elements()));
    for (int64_t i = 0; i < s.in[0].elements(); ++i) {
      int64_t rest = i, to = 0, stride = 1;
      for (size_t d = x.size(); d-- > 0; rest /= x[d], stride *= y[d])
        to += y[d] == 1 ? 0 : rest % x[d] * stride;
      const double own = a.in<double>(0)[i];
      double& best = a.out<double>(0)[to];
      if (!seen[size_t(to)] || std::isnan(own) || sign * own > sign * best) best = own;
      seen[size_t(to)] = true;
    }
  };
}

void register_amax_reference(Registry& registry) {
  registry.add(plain_kernel("amax", "reference", [](const Signature& s) { return make(s, 1); }));
  registry.add(plain_kernel("amin", "reference", [](const Signature& s) { return make(s, -1); }));
}

}  // namespace braid
