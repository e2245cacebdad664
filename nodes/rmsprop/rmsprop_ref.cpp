#include <algorithm>
#include <cmath>

#include "rmsprop/rmsprop.h"

namespace braid {

static KernelBody make(const Signature& s, bool centered, bool momentum) {
  return [=, rule = RmspropRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const RmspropStep<double> step(rule, *a.scalars);
    double *w = a.in<double>(0), *v = a.in<double>(1);
    const double* g = a.in<double>(2 + centered + momentum);
    for (int64_t i = 0; i < n; ++i) {
      const double d = g[i] + step.decay * w[i];
      v[i] = step.alpha * v[i] + step.keep * d * d;
      double spread = v[i];
      if (centered) {
        double& mean = a.in<double>(2)[i];
        mean = step.alpha * mean + step.keep * d;
        spread = std::max(v[i] - mean * mean, 0.0);
      }
      double by = d / (std::sqrt(spread) + step.eps);
      if (momentum) {
        double& buffer = a.in<double>(2 + centered)[i];
        by = buffer = step.momentum * buffer + by;
      }
      w[i] -= step.lr * by;
    }
  };
}

void register_rmsprop_references(Registry& registry) {
  auto add = [&](const char* op, bool centered, bool momentum) {
    registry.add(plain_kernel(op, "reference",
                              [=](const Signature& s) { return make(s, centered, momentum); }));
  };
  add("rmsprop", false, false);
  add("rmsprop_centered", true, false);
  add("rmsprop_momentum", false, true);
  add("rmsprop_centered_momentum", true, true);
}

}  // namespace braid
