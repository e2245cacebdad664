#include <cmath>

#include "group_norm/parts.h"
#include "ops/view.h"

namespace braid::group_norm {
namespace {

/// The elements of one group of one sample, which lie side by side in plain memory.
struct Span {
  int64_t first, count;
};
Span span_of(const View& v, const Groups& g, int64_t n, int64_t group) {
  return {v.at(n, group * g.members, 0), g.members * v.points};
}

KernelBody make_forward(const Signature& s) {
  const View v = view_of(s.in[0]);
  const bool affine = s.in.size() > 1, shifted = s.in.size() > 2;
  return [v, g = Groups(s.attrs, v.channels), affine, shifted](const KernelArgs& a) {
    const double* x = a.in<double>(0);
    double *y = a.out<double>(0), *statistics = a.out<double>(1);
    for (int64_t n = 0; n < v.samples; ++n)
      for (int64_t k = 0; k < g.groups; ++k) {
        const auto [first, count] = span_of(v, g, n, k);
        double mean = 0, variance = 0;
        for (int64_t i = first; i < first + count; ++i) mean += x[i] / double(count);
        for (int64_t i = first; i < first + count; ++i)
          variance += (x[i] - mean) * (x[i] - mean) / double(count);
        const double inverse = 1 / std::sqrt(variance + g.eps);
        statistics[2 * n * g.groups + k] = mean;
        statistics[(2 * n + 1) * g.groups + k] = inverse;
        for (int64_t i = first; i < first + count; ++i) {
          const int64_t c = i / v.points % v.channels;
          y[i] = (x[i] - mean) * inverse;
          if (affine) y[i] *= a.in<double>(1)[c];
          if (shifted) y[i] += a.in<double>(2)[c];
        }
      }
  };
}

KernelBody make_gradient(const Signature& s) {
  const View v = view_of(s.in[1]);
  return [v, g = Groups(s.attrs, v.channels), affine = s.in.size() > 3](const KernelArgs& a) {
    const double *dy = a.in<double>(0), *x = a.in<double>(1), *statistics = a.in<double>(2);
    double *dx = a.out<double>(0), *sums = a.out<double>(1);
    auto weight = [&](int64_t c) { return affine ? a.in<double>(3)[c] : 1; };
    for (int64_t i = 0; i < v.samples * 2 * v.channels; ++i) sums[i] = 0;
    for (int64_t n = 0; n < v.samples; ++n)
      for (int64_t k = 0; k < g.groups; ++k) {
        const auto [first, count] = span_of(v, g, n, k);
        const double mean = statistics[2 * n * g.groups + k];
        const double inverse = statistics[(2 * n + 1) * g.groups + k];
        double mean_g = 0, mean_gx = 0;  // of g·weight and of that times x̂
        for (int64_t i = first; i < first + count; ++i) {
          const int64_t c = i / v.points % v.channels;
          const double normal = (x[i] - mean) * inverse;
          sums[2 * n * v.channels + c] += dy[i];
          sums[(2 * n + 1) * v.channels + c] += dy[i] * normal;
          mean_g += dy[i] * weight(c) / double(count);
          mean_gx += dy[i] * weight(c) * normal / double(count);
        }
        for (int64_t i = first; i < first + count; ++i) {
          const int64_t c = i / v.points % v.channels;
          const double normal = (x[i] - mean) * inverse;
          dx[i] = inverse * (dy[i] * weight(c) - mean_g - normal * mean_gx);
        }
      }
  };
}

}  // namespace

void register_references(Registry& r) {
  r.add(plain_kernel("group_norm", "reference", make_forward));
  r.add(plain_kernel("group_norm_grad", "reference", make_gradient));
}

}  // namespace braid::group_norm
