#include "softplus/softplus.h"

#include <algorithm>
#include <cmath>

namespace braid {
namespace {

KernelBody make_forward(const Signature& s) {
  return [r = SoftplusRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i) {
      const double x = a.in<double>(0)[i], z = x * r.beta;
      const double smooth = std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
      a.out<double>(0)[i] = z > r.threshold ? x : smooth / r.beta;
    }
  };
}

KernelBody make_gradient(const Signature& s) {
  return [r = SoftplusRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i) {
      const double z = a.in<double>(1)[i] * r.beta;
      const double slope = z > r.threshold ? 1 : 1 / (1 + std::exp(-z));
      a.out<double>(0)[i] = a.in<double>(0)[i] * slope;
    }
  };
}

}  // namespace

void register_softplus_references(Registry& registry) {
  registry.add(plain_kernel("softplus", "reference", make_forward));
  registry.add(plain_kernel("softplus_grad", "reference", make_gradient));
}

}  // namespace braid
