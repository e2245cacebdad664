#include <algorithm>
#include <cmath>

#include "cross_entropy/cross_entropy.h"
#include "cross_entropy/shares.h"
#include "ops/labels.h"
#include "ops/rows.h"

namespace braid {
namespace {

/// Of class c in the loss of a target.
double share(const Shares& shares, int64_t c, int64_t label) {
  return shares.each()[size_t(c)] + (c == label ? shares.own(label) : 0);
}

KernelBody make_xent(const Signature& s) {
  const Rows r = rows_of(s.in[0].dims, 1);
  const Shares shares(s.attrs, r.count);
  const int64_t ignored = get_int(s.attrs, "ignore_index", -100);
  return [=](const KernelArgs& a) {
    double total = 0;
    for (int64_t o = 0; o < r.outer; ++o)
      for (int64_t i = 0; i < r.inner; ++i) {
        const double* x = a.in<double>(0) + r.first(o, i);
        double* p = a.out<double>(0) + r.first(o, i);
        double most = x[0], z = 0;
        for (int64_t c = 1; c < r.count; ++c) most = std::max(most, x[c * r.inner]);
        for (int64_t c = 0; c < r.count; ++c) z += std::exp(x[c * r.inner] - most);
        const int64_t label = a.in<int64_t>(1)[o * r.inner + i];
        if (label != ignored && (label < 0 || label >= r.count))
          label_outside(label, r.count, a.first_sample + o);
        for (int64_t c = 0; c < r.count; ++c) {
          double log_p = x[c * r.inner] - most - std::log(z);
          p[c * r.inner] = std::exp(log_p);
          if (label != ignored) total -= share(shares, c, label) * log_p;
        }
      }
    a.out<double>(1)[0] = total;
  };
}

KernelBody make_xent_grad(const Signature& s) {
  const Rows r = rows_of(s.in[0].dims, 1);
  const Shares shares(s.attrs, r.count);
  const int64_t ignored = get_int(s.attrs, "ignore_index", -100);
  const double factor = get_double(s.attrs, "factor", 1);
  return [=](const KernelArgs& a) {
    const double count = a.in<double>(2)[0], scale = count > 0 ? factor / count : 0;
    for (int64_t o = 0; o < r.outer; ++o)
      for (int64_t i = 0; i < r.inner; ++i) {
        const int64_t label = a.in<int64_t>(1)[o * r.inner + i];
        double whole = 0;
        for (int64_t k = 0; k < r.count; ++k) whole += share(shares, k, label);
        for (int64_t c = 0; c < r.count; ++c) {
          const int64_t at = (o * r.count + c) * r.inner + i;
          const double off = a.in<double>(0)[at] * whole - share(shares, c, label);
          a.out<double>(0)[at] = label == ignored ? 0 : off * scale;
        }
      }
  };
}

}  // namespace

void register_cross_entropy_references(Registry& registry) {
  registry.add(plain_kernel("xent", "reference", make_xent));
  registry.add(plain_kernel("xent_grad", "reference", make_xent_grad));
}

}  // namespace braid
