#include "gelu/gelu.h"

#include <cmath>
#include <numbers>

namespace braid {
namespace {

using std::numbers::pi;

struct Point {
  double y, slope;
};

Point exact(double x) {
  const double below = std::erfc(-x / std::sqrt(2.0)) / 2;
  return {x * below, below + x * std::exp(-x * x / 2) / std::sqrt(2 * pi)};
}

Point near(double x) {
  const double t = std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * x * x * x));
  const double inner = std::sqrt(2 / pi) * (1 + 3 * 0.044715 * x * x);
  return {x * (1 + t) / 2, (1 + t) / 2 + x * inner * (1 - t * t) / 2};
}

KernelBody make_forward(const Signature& s) {
  return [at = by_tanh(s.attrs) ? near : exact, n = s.in[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i) a.out<double>(0)[i] = at(a.in<double>(0)[i]).y;
  };
}

KernelBody make_gradient(const Signature& s) {
  return [at = by_tanh(s.attrs) ? near : exact, n = s.in[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i)
      a.out<double>(0)[i] = a.in<double>(0)[i] * at(a.in<double>(1)[i]).slope;
  };
}

}  // namespace

void register_gelu_references(Registry& registry) {
  registry.add(plain_kernel("gelu", "reference", make_forward));
  registry.add(plain_kernel("gelu_grad", "reference", make_gradient));
}

}  // namespace braid
