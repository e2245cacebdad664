// The judge of every faster kernel: batch norm in f64, in plain formats, by the book.
//   Ioffe and Szegedy 2015, algorithm 1 and the gradients below it.
#include <algorithm>
#include <cmath>

#include "batch_norm/coefficients.h"
#include "batch_norm/parts.h"
#include "ops/view.h"

namespace braid::batch_norm {
namespace {

// Calls f(index) for each value of channel c.
template <class F>
void each_of(const View& v, int64_t c, F f) {
  for (int64_t n = 0; n < v.samples; ++n)
    for (int64_t p = 0; p < v.points; ++p) f(v.at(n, c, p));
}

struct Channel {
  double count, mean, variance, inverse, weight = 1, bias = 0;
  double xhat(double x) const { return (x - mean) * inverse; }
  double y(double x) const { return xhat(x) * weight + bias; }
};

// How an operation's operands lie: the statistics begin at `statistics`, weight and bias, if any,
// at `affine`.
struct Form {
  View view;
  EpsRule rule;
  bool relu, eval, has_affine;
  int statistics, affine;

  Form(const Signature& s, int x, bool eval, int affine)
      : view(view_of(s.in[x])),
        rule(eps_rule(s.attrs)),
        relu(get_bool(s.attrs, "relu")),
        eval(eval),
        has_affine(s.in.size() > size_t(affine)),
        statistics(x + 1),
        affine(affine) {}

  Channel channel(const KernelArgs& a, int64_t c) const {
    Channel k{};
    const double* s = a.in<double>(statistics);
    if (eval) {
      k.mean = s[c], k.variance = a.in<double>(statistics + 1)[c];
    } else {
      k.count = s[c], k.mean = s[view.channels + c];
      k.variance = k.count > 0 ? s[2 * view.channels + c] / k.count : 0;
    }
    k.inverse = inverse_deviation(rule, k.variance);
    k.weight = has_affine ? a.in<double>(affine)[c] : 1;
    k.bias = has_affine ? a.in<double>(affine + 1)[c] : 0;
    return k;
  }
  double passed(const Channel& k, double g, double x) const {
    return relu && !(k.y(x) > 0) ? 0 : g;
  }
};

KernelBody moments(const Signature& s) {
  return [v = view_of(s.in[0])](const KernelArgs& a) {
    const double* x = a.in<double>(0);
    double *count = a.out<double>(0), *mean = count + v.channels, *m2 = mean + v.channels;
    for (int64_t c = 0; c < v.channels; ++c) {
      count[c] = double(v.count()), mean[c] = m2[c] = 0;
      if (v.count() == 0) continue;
      double first = x[v.at(0, c, 0)], sum = 0;
      each_of(v, c, [&](int64_t i) { sum += x[i] - first; });
      mean[c] = first + sum / count[c];
      each_of(v, c, [&](int64_t i) { m2[c] += (x[i] - mean[c]) * (x[i] - mean[c]); });
    }
  };
}

template <bool kEval>
KernelBody normalize(const Signature& s) {
  return [form = Form(s, 0, kEval, kEval ? 3 : 2)](const KernelArgs& a) {
    if (!kEval) require_spread(a.in<double>(1));
    const double* x = a.in<double>(0);
    double* y = a.out<double>(0);
    for (int64_t c = 0; c < form.view.channels; ++c) {
      const Channel k = form.channel(a, c);
      each_of(form.view, c, [&](int64_t i) {
        double v = k.y(x[i]);
        y[i] = form.relu && v < 0 ? 0 : v;
      });
    }
  };
}

template <bool kEval>
KernelBody reduce(const Signature& s) {
  return [form = Form(s, 1, kEval, kEval ? 4 : 3)](const KernelArgs& a) {
    const double *g = a.in<double>(0), *x = a.in<double>(1);
    double *sum = a.out<double>(0), *with_x = sum + form.view.channels;
    for (int64_t c = 0; c < form.view.channels; ++c) {
      const Channel k = form.channel(a, c);
      sum[c] = with_x[c] = 0;
      each_of(form.view, c, [&](int64_t i) {
        double e = form.passed(k, g[i], x[i]);
        sum[c] += e;
        with_x[c] += e * k.xhat(x[i]);
      });
    }
  };
}

template <bool kEval>
KernelBody dx(const Signature& s) {
  return [form = Form(s, 1, kEval, 4)](const KernelArgs& a) {
    const double *g = a.in<double>(0), *x = a.in<double>(1);
    const double* sums = kEval ? nullptr : a.in<double>(3);
    const int64_t channels = form.view.channels;
    double* out = a.out<double>(0);
    for (int64_t c = 0; c < channels; ++c) {
      const Channel k = form.channel(a, c);
      const bool flat = form.rule.clamp && k.variance <= form.rule.eps;
      const double mean_g = kEval ? 0 : sums[c] / k.count;
      const double mean_gx = kEval || flat ? 0 : sums[channels + c] / k.count;
      each_of(form.view, c, [&](int64_t i) {
        double e = form.passed(k, g[i], x[i]) - mean_g - k.xhat(x[i]) * mean_gx;
        out[i] = k.weight * k.inverse * e;
      });
    }
  };
}

}  // namespace

void register_reference(Registry& r) {
  r.add(plain_kernel("moments", "reference", moments));
  r.add(plain_kernel("normalize", "reference", normalize<false>));
  r.add(plain_kernel("normalize_eval", "reference", normalize<true>));
  r.add(plain_kernel("bn_reduce", "reference", reduce<false>));
  r.add(plain_kernel("bn_eval_reduce", "reference", reduce<true>));
  r.add(plain_kernel("bn_dx", "reference", dx<false>));
  r.add(plain_kernel("bn_eval_dx", "reference", dx<true>));
}

}  // namespace braid::batch_norm
