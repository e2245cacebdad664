#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "gelu/gelu.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

/// x times the probability that a normal value lies below it.
void gelu(const float* x, float* y, int64_t n) {
  auto f = [](auto d, auto v) HWY_ATTR { return hn::Mul(v, normal_below(d, v)); };
  map(n, f, y, x);
}

void gelu_grad(const float* g, const float* x, float* dx, int64_t n) {
  auto f = [](auto d, auto gi, auto xi) HWY_ATTR {
    const auto half_square = hn::Mul(hn::Set(d, -0.5f), hn::Mul(xi, xi));
    const auto density = hn::Mul(exp(d, half_square), hn::Set(d, 0.398942280f));
    return hn::Mul(gi, hn::Add(normal_below(d, xi), hn::Mul(xi, density)));
  };
  map(n, f, dx, g, x);
}

/// sqrt(2 / pi) · (x + 0.044715·x³)
template <class D, class V>
HWY_INLINE V bent(D d, V x) {
  const V cube = hn::Mul(hn::Mul(x, x), hn::Mul(x, hn::Set(d, 0.044715f)));
  return hn::Mul(hn::Set(d, 0.797884561f), hn::Add(x, cube));
}

void gelu_tanh(const float* x, float* y, int64_t n) {
  auto f = [](auto d, auto v) HWY_ATTR {
    const auto step = hn::Add(hn::Set(d, 1.0f), tanh(d, bent(d, v)));
    return hn::Mul(hn::Mul(v, hn::Set(d, 0.5f)), step);
  };
  map(n, f, y, x);
}

void gelu_tanh_grad(const float* g, const float* x, float* dx, int64_t n) {
  auto f = [](auto d, auto gi, auto xi) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f), half = hn::Set(d, 0.5f), t = tanh(d, bent(d, xi));
    const auto square = hn::Mul(hn::Mul(xi, xi), hn::Set(d, 3 * 0.044715f));
    const auto inner = hn::Mul(hn::Set(d, 0.797884561f), hn::Add(one, square));
    const auto rise = hn::Mul(hn::Mul(hn::Mul(half, xi), inner), hn::Sub(one, hn::Mul(t, t)));
    return hn::Mul(gi, hn::Add(hn::Mul(half, hn::Add(one, t)), rise));
  };
  map(n, f, dx, g, x);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "gelu/gelu.h"
#include "ops/elementwise.h"

namespace braid {
namespace {

HWY_EXPORT(gelu);
HWY_EXPORT(gelu_grad);
HWY_EXPORT(gelu_tanh);
HWY_EXPORT(gelu_tanh_grad);

KernelBody make_forward(const Signature& s) {
  return [fast = by_tanh(s.attrs), n = s.in[0].storage()](const KernelArgs& a) {
    const float* x = a.in<float>(0);
    if (fast)
      HWY_DYNAMIC_DISPATCH(gelu_tanh)(x, a.out<float>(0), n);
    else
      HWY_DYNAMIC_DISPATCH(gelu)(x, a.out<float>(0), n);
  };
}

KernelBody make_gradient(const Signature& s) {
  return [fast = by_tanh(s.attrs), n = s.in[0].storage()](const KernelArgs& a) {
    const float *g = a.in<float>(0), *x = a.in<float>(1);
    if (fast)
      HWY_DYNAMIC_DISPATCH(gelu_tanh_grad)(g, x, a.out<float>(0), n);
    else
      HWY_DYNAMIC_DISPATCH(gelu_grad)(g, x, a.out<float>(0), n);
  };
}

}  // namespace

void register_gelu(Registry& registry) {
  registry.add(OpDef{.name = "gelu", .infer = same_type});
  registry.add(OpDef{.name = "gelu_grad", .infer = same_type});
  registry.add(elementwise_kernel("gelu", "cpu", make_forward, true, 0));
  registry.add(elementwise_kernel("gelu_grad", "cpu", make_gradient, true, 0));
  register_gelu_references(registry);

  LayerDef def = activation_of_input("GELU", "gelu");
  def.doc = "The input times the standard normal law's probability of a smaller one, elementwise.";
  def.formula =
      "y = x * (1 + erf(x / sqrt(2))) / 2\n"
      "tanh: y = x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2";
  def.source = "Hendrycks and Gimpel, Gaussian Error Linear Units, 2016";
  def.params = {{.name = "approximate",
                 .kind = ParamKind::choice,
                 .doc = "the exact law, or a tanh that comes near it",
                 .fallback = "none",
                 .choices = {"none", "tanh"}}};
  def.samples.push_back({.inputs = {{DType::f32, {N, 3, 7, 5}}},
                         .params = {{"approximate", "tanh"}},
                         .note = "near it by tanh"});
  registry.add(def);
}

}  // namespace braid
#endif
