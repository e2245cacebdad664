#include "leaky_relu/leaky_relu.h"

namespace braid {
namespace {

// The gradient has a second input, whose sign counts.
KernelBody make(const Signature& s) {
  const double slope = get_double(s.attrs, "negative_slope");
  const int sign = int(s.in.size()) - 1;
  return [=, n = s.in[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i)
      a.out<double>(0)[i] = (a.in<double>(sign)[i] > 0 ? 1 : slope) * a.in<double>(0)[i];
  };
}

}  // namespace

void register_leaky_relu_references(Registry& registry) {
  registry.add(plain_kernel("leaky_relu", "reference", make));
  registry.add(plain_kernel("leaky_relu_grad", "reference", make));
}

}  // namespace braid
