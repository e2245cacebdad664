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

// Calls f(index, weight) for each value of channel c that counts; without weights all do, once.
template <class F>
void each_counted(const View& v, int64_t c, const double* w, F f) {
  for (int64_t n = 0; n < v.samples; ++n)
    for (int64_t p = 0; p < v.points; ++p)
      if (const double weight = w ? w[n * v.points + p] : 1; weight > 0) f(v.at(n, c, p), weight);
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
  bool relu, masked, eval, has_affine;
  int statistics, affine;

  Form(const Signature& s, int x, bool eval, int affine)
      : view(view_of(s.in[x])),
        rule(eps_rule(s.attrs)),
        relu(get_bool(s.attrs, "relu")),
        masked(get_bool(s.attrs, "masked")),
        eval(eval),
        has_affine(s.in.size() > size_t(affine) + 1),
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
  return [v = view_of(s.in[0]), weighted = s.in.size() > 1](const KernelArgs& a) {
    const double *x = a.in<double>(0), *w = weighted ? a.in<double>(1) : nullptr;
    double *count = a.out<double>(0), *mean = count + v.channels, *m2 = mean + v.channels;
    for (int64_t c = 0; c < v.channels; ++c) {
      count[c] = mean[c] = m2[c] = 0;
      double first = 0, sum = 0;
      each_counted(v, c, w, [&](int64_t i, double weight) {
        if (count[c] == 0) first = x[i];
        count[c] += weight;
        sum += weight * (x[i] - first);
      });
      if (count[c] == 0) continue;
      mean[c] = first + sum / count[c];
      each_counted(v, c, w, [&](int64_t i, double weight) {
        m2[c] += weight * (x[i] - mean[c]) * (x[i] - mean[c]);
      });
    }
  };
}

template <bool kEval, bool kAdd>
KernelBody normalize(const Signature& s) {
  return
      [form = Form(s, 0, kEval, kEval ? 3 : 2), last = int(s.in.size()) - 1](const KernelArgs& a) {
        if (!kEval) require_spread(a.in<double>(1));
        const double *x = a.in<double>(0), *z = a.in<double>(last);
        double* y = a.out<double>(0);
        for (int64_t c = 0; c < form.view.channels; ++c) {
          const Channel k = form.channel(a, c);
          each_of(form.view, c, [&](int64_t i) {
            double v = kAdd ? k.y(x[i]) + z[i] : k.y(x[i]);
            y[i] = form.relu && v < 0 ? 0 : v;
          });
        }
      };
}

template <bool kEval, bool kApart>
KernelBody reduce(const Signature& s) {
  return
      [form = Form(s, 1, kEval, kEval ? 4 : 3), last = int(s.in.size()) - 1](const KernelArgs& a) {
        const double *g = a.in<double>(0), *x = a.in<double>(1), *y = a.in<double>(last);
        double *sum = a.out<double>(kApart), *with_x = sum + form.view.channels;
        for (int64_t c = 0; c < form.view.channels; ++c) {
          const Channel k = form.channel(a, c);
          sum[c] = with_x[c] = 0;
          each_of(form.view, c, [&](int64_t i) {
            double e = form.passed(k, g[i], x[i]);
            if (kApart) a.out<double>(0)[i] = e = y[i] > 0 ? e : 0;
            sum[c] += e;
            if (!form.masked || e != 0) with_x[c] += e * k.xhat(x[i]);
          });
        }
      };
}

KernelBody dx_constant(const Signature& s) {
  return [form = Form(s, 1, true, 4)](const KernelArgs& a) {
    const double *g = a.in<double>(0), *x = a.in<double>(1);
    for (int64_t c = 0; c < form.view.channels; ++c) {
      const Channel k = form.channel(a, c);
      each_of(form.view, c, [&](int64_t i) {
        a.out<double>(0)[i] = k.weight * k.inverse * form.passed(k, g[i], x[i]);
      });
    }
  };
}

KernelBody dx(const Signature& s) {
  return [form = Form(s, 1, false, 4), last = int(s.in.size()) - 1](const KernelArgs& a) {
    const double *g = a.in<double>(0), *x = a.in<double>(1), *sums = a.in<double>(3);
    const double* w = form.masked ? a.in<double>(last) : nullptr;
    const int64_t channels = form.view.channels;
    double* out = a.out<double>(0);
    for (int64_t c = 0; c < channels; ++c) {
      const Channel k = form.channel(a, c);
      const bool flat = form.rule.clamp && k.variance <= form.rule.eps;
      const double mean_g = sums[c] / k.count;
      const double mean_gx = flat ? 0 : sums[channels + c] / k.count;
      each_of(form.view, c,
              [&](int64_t i) { out[i] = k.weight * k.inverse * form.passed(k, g[i], x[i]); });
      each_counted(form.view, c, w, [&](int64_t i, double weight) {
        out[i] -= k.weight * k.inverse * weight * (mean_g + k.xhat(x[i]) * mean_gx);
      });
    }
  };
}

}  // namespace

void register_reference(Registry& r) {
  r.add(plain_kernel("moments", "reference", moments));
  r.add(plain_kernel("normalize", "reference", normalize<false, false>));
  r.add(plain_kernel("normalize_eval", "reference", normalize<true, false>));
  r.add(plain_kernel("normalize_add", "reference", normalize<false, true>));
  r.add(plain_kernel("normalize_eval_add", "reference", normalize<true, true>));
  r.add(plain_kernel("bn_reduce", "reference", reduce<false, false>));
  r.add(plain_kernel("bn_eval_reduce", "reference", reduce<true, false>));
  r.add(plain_kernel("bn_relu_reduce", "reference", reduce<false, true>));
  r.add(plain_kernel("bn_eval_relu_reduce", "reference", reduce<true, true>));
  r.add(plain_kernel("bn_dx", "reference", dx));
  r.add(plain_kernel("bn_eval_dx", "reference", dx_constant));
}

}  // namespace braid::batch_norm
