#include <cmath>

#include "elu/elu.h"

namespace braid {
namespace {

KernelBody make_forward(const Signature& s) {
  return [alpha = get_double(s.attrs, "alpha"), n = s.in[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i) {
      const double x = a.in<double>(0)[i];
      a.out<double>(0)[i] = x > 0 ? x : alpha * std::expm1(x);
    }
  };
}

KernelBody make_gradient(const Signature& s) {
  return [alpha = get_double(s.attrs, "alpha"), n = s.in[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i) {
      const double x = a.in<double>(1)[i];
      a.out<double>(0)[i] = a.in<double>(0)[i] * (x > 0 ? 1 : alpha * std::exp(x));
    }
  };
}

}  // namespace

void register_elu_references(Registry& registry) {
  registry.add(plain_kernel("elu", "reference", make_forward));
  registry.add(plain_kernel("elu_grad", "reference", make_gradient));
}

}  // namespace braid
