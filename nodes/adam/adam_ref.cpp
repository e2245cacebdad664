#include <algorithm>

#include "adam/adam.h"

namespace braid {
namespace {

KernelBody make_adam(const Signature& s) {
  return [rule = AdamRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const AdamStep<double> step(rule, *a.scalars);
    double *w = a.in<double>(0), *m = a.in<double>(1), *v = a.in<double>(2);
    for (int64_t i = 0; i < n; ++i) {
      const double d = a.in<double>(3)[i] + step.decay * w[i];
      m[i] = step.beta1 * m[i] + step.keep1 * d;
      v[i] = step.beta2 * v[i] + step.keep2 * d * d;
      w[i] = step.keep * w[i] - step.rate * m[i] / (std::sqrt(v[i]) * step.root + step.eps);
    }
  };
}

KernelBody make_amsgrad(const Signature& s) {
  return [rule = AdamRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const AdamStep<double> step(rule, *a.scalars);
    double *w = a.in<double>(0), *m = a.in<double>(1), *v = a.in<double>(2);
    double* most = a.in<double>(3);
    for (int64_t i = 0; i < n; ++i) {
      const double d = a.in<double>(4)[i] + step.decay * w[i];
      m[i] = step.beta1 * m[i] + step.keep1 * d;
      v[i] = step.beta2 * v[i] + step.keep2 * d * d;
      most[i] = std::max(most[i], v[i]);
      w[i] = step.keep * w[i] - step.rate * m[i] / (std::sqrt(most[i]) * step.root + step.eps);
    }
  };
}

}  // namespace

void register_adam_references(Registry& registry) {
  registry.add(plain_kernel("adam", "reference", make_adam));
  registry.add(plain_kernel("adam_amsgrad", "reference", make_amsgrad));
}

}  // namespace braid
