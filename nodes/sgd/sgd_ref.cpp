#include "sgd/sgd.h"

namespace braid {
namespace {

KernelBody make_sgd(const Signature& s) {
  return [rule = SgdRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const SgdStep<double> step(rule, *a.scalars);
    double* w = a.in<double>(0);
    for (int64_t i = 0; i < n; ++i) w[i] -= step.lr * (a.in<double>(1)[i] + step.decay * w[i]);
  };
}

KernelBody make_sgd_momentum(const Signature& s) {
  return [rule = SgdRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const SgdStep<double> step(rule, *a.scalars);
    double *w = a.in<double>(0), *v = a.in<double>(1);
    for (int64_t i = 0; i < n; ++i) {
      const double d = a.in<double>(2)[i] + step.decay * w[i];
      v[i] = step.first ? d : step.momentum * v[i] + step.keep * d;
      w[i] -= step.lr * (step.nesterov ? d + step.momentum * v[i] : v[i]);
    }
  };
}

}  // namespace

void register_sgd_references(Registry& registry) {
  registry.add(plain_kernel("sgd", "reference", make_sgd));
  registry.add(plain_kernel("sgd_momentum", "reference", make_sgd_momentum));
}

}  // namespace braid
