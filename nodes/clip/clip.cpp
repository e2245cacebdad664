#include "clip/clip.h"

#include <braid/core/error.h>

namespace braid {
namespace {

std::vector<Type> one_number(const Dict&, std::span<const Type>) { return {{DType::f64, {1}}}; }

/// Partial sums of every 16th element, so that the order is the same for any instruction set.
template <class T>
double sum_of_squares(const T* x, int64_t n) {
  constexpr int lanes = 16;
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int k = 0; k < lanes; ++k) sums[k] += double(x[i + k]) * double(x[i + k]);
  for (int k = 0; i + k < n; ++k) sums[k] += double(x[i + k]) * double(x[i + k]);
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

KernelBody make_square_sum(const Signature& s) {
  ensure(s.in[0].dtype == DType::f32, "gradients are f32");
  return [n = s.in[0].elements()](const KernelArgs& a) {
    a.out<double>(0)[0] = sum_of_squares(a.in<float>(0), n);
  };
}

KernelBody make_square_sum_reference(const Signature& s) {
  return [n = s.in[0].elements()](const KernelArgs& a) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += a.in<double>(0)[i] * a.in<double>(0)[i];
    a.out<double>(0)[0] = sum;
  };
}

template <class T>
KernelBody make_clip(const Signature& s) {
  return [norm = get_double(s.attrs, "norm"), n = s.in[0].elements()](const KernelArgs& a) {
    const T factor = clip_factor<T>(norm, a.in<double>(1)[0]);
    const T* g = a.in<T>(0);
    T* y = a.out<T>(0);
    for (int64_t i = 0; i < n; ++i) y[i] = factor * g[i];
  };
}

}  // namespace

void register_clip(Registry& registry) {
  registry.add(OpDef{.name = "square_sum", .infer = one_number});
  registry.add(OpDef{.name = "clip", .infer = same_type});
  registry.add(plain_kernel("square_sum", "cpu", make_square_sum));
  registry.add(plain_kernel("square_sum", "reference", make_square_sum_reference));
  registry.add(plain_kernel("clip", "cpu", make_clip<float>));
  registry.add(plain_kernel("clip", "reference", make_clip<double>));
}

}  // namespace braid
