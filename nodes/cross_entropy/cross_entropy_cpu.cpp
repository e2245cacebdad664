// f32 on the CPU: exponentials in vectors, sums of a row and over rows in f64, in order.
#include <cmath>

#include "cross_entropy/cross_entropy.h"
#include "ops/labels.h"
#include "ops/rows.h"

namespace braid {
namespace {

/// What a row of logits costs. `e` holds exp(x - max) and becomes the softmax.
struct RowLoss {
  int64_t count, stride;
  Smoothing target;

  double sum_of(const float* v) const {
    double sum = 0;
    for (int64_t c = 0; c < count; ++c) sum += double(v[c * stride]);
    return sum;
  }

  double operator()(const float* x, float* e, int64_t label, bool counts) const {
    const double z = sum_of(e);
    const float share = float(1 / z);
    for (int64_t c = 0; c < count; ++c) e[c * stride] *= share;
    if (!counts) return 0;
    const double whole = std::log(z) + double(max_of(x, count, stride));
    double loss = target.own * (whole - double(x[label * stride]));
    if (target.each > 0) loss += target.each * (double(count) * whole - sum_of(x));
    return loss;
  }
};

KernelBody make_xent(const Signature& s) {
  const Rows rows = rows_of(s.in[0].dims, 1);
  const RowLoss row_loss{rows.count, rows.inner, Smoothing(s.attrs, rows.count)};
  const int64_t ignored = get_int(s.attrs, "ignore_index", -100);
  return [=](const KernelArgs& a) {
    const float* x = a.in<float>(0);
    const int64_t* labels = a.in<int64_t>(1);
    float* p = a.out<float>(0);
    shifted_exp(rows, x, p);
    double sum = 0;
    for (int64_t o = 0; o < rows.outer; ++o)
      for (int64_t i = 0; i < rows.inner; ++i) {
        const int64_t label = labels[o * rows.inner + i], at = rows.first(o, i);
        const bool counts = label != ignored;
        if (counts && (label < 0 || label >= rows.count))
          label_outside(label, rows.count, a.first_sample + o);
        sum += row_loss(x + at, p + at, label, counts);
      }
    a.out<double>(1)[0] = sum;
  };
}

KernelBody make_xent_grad(const Signature& s) {
  const Rows rows = rows_of(s.in[0].dims, 1);
  const Smoothing target(s.attrs, rows.count);
  const float own = float(target.own), each = float(target.each);
  const int64_t ignored = get_int(s.attrs, "ignore_index", -100);
  const double factor = get_double(s.attrs, "factor", 1);
  return [=](const KernelArgs& a) {
    const float* p = a.in<float>(0);
    const int64_t* labels = a.in<int64_t>(1);
    float* dx = a.out<float>(0);
    const double count = a.in<double>(2)[0];
    const float scale = count > 0 ? float(factor / count) : 0;
    for (int64_t o = 0; o < rows.outer; ++o)
      for (int64_t i = 0; i < rows.inner; ++i) {
        const int64_t label = labels[o * rows.inner + i];
        const float k = label == ignored ? 0 : scale;
        int64_t at = rows.first(o, i);
        for (int64_t c = 0; c < rows.count; ++c, at += rows.inner)
          dx[at] = k == 0 ? 0 : (p[at] - each - (c == label ? own : 0)) * k;
      }
  };
}

}  // namespace

void register_cross_entropy_kernels(Registry& registry) {
  registry.add(plain_kernel("xent", "cpu", make_xent));
  registry.add(plain_kernel("xent_grad", "cpu", make_xent_grad));
}

}  // namespace braid
