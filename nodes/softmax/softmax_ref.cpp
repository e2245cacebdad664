#include <algorithm>
#include <cmath>

#include "ops/rows.h"
#include "softmax/softmax.h"

namespace braid {
namespace {

KernelBody make_softmax(const Signature& s) {
  const Rows r = rows_of(s.in[0].dims, size_t(get_int(s.attrs, "dim")));
  return [r](const KernelArgs& a) {
    for (int64_t o = 0; o < r.outer; ++o)
      for (int64_t i = 0; i < r.inner; ++i) {
        const double* x = a.in<double>(0) + r.first(o, i);
        double* y = a.out<double>(0) + r.first(o, i);
        double most = x[0], z = 0;
        for (int64_t c = 1; c < r.count; ++c) most = std::max(most, x[c * r.inner]);
        for (int64_t c = 0; c < r.count; ++c) z += std::exp(x[c * r.inner] - most);
        for (int64_t c = 0; c < r.count; ++c) y[c * r.inner] = std::exp(x[c * r.inner] - most) / z;
      }
  };
}

KernelBody make_gradient(const Signature& s) {
  const Rows r = rows_of(s.in[0].dims, size_t(get_int(s.attrs, "dim")));
  return [r](const KernelArgs& a) {
    for (int64_t o = 0; o < r.outer; ++o)
      for (int64_t i = 0; i < r.inner; ++i) {
        const double *g = a.in<double>(0) + r.first(o, i), *y = a.in<double>(1) + r.first(o, i);
        double dot = 0;
        for (int64_t c = 0; c < r.count; ++c) dot += g[c * r.inner] * y[c * r.inner];
        for (int64_t c = 0; c < r.count; ++c)
          a.out<double>(0)[r.first(o, i) + c * r.inner] = y[c * r.inner] * (g[c * r.inner] - dot);
      }
  };
}

}  // namespace

void register_softmax_references(Registry& registry) {
  registry.add(plain_kernel("softmax", "reference", make_softmax));
  registry.add(plain_kernel("softmax_grad", "reference", make_gradient));
}

}  // namespace braid
