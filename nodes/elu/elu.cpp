#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "elu/elu.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void elu(float alpha, const float* x, float* y, int64_t n) {
  auto f = [alpha](auto d, auto v) HWY_ATTR {
    const auto zero = hn::Zero(d);
    const auto below = hn::Mul(hn::Set(d, alpha), exp_minus_one(d, hn::Min(v, zero)));
    return hn::IfThenElse(hn::Le(v, zero), below, v);
  };
  map(n, f, y, x);
}

void elu_grad(float alpha, const float* g, const float* x, float* dx, int64_t n) {
  auto f = [alpha](auto d, auto gi, auto xi) HWY_ATTR {
    const auto slope = hn::Mul(hn::Set(d, alpha), exp(d, hn::Min(xi, hn::Zero(d))));
    return hn::IfThenElse(hn::Gt(xi, hn::Zero(d)), gi, hn::Mul(gi, slope));
  };
  map(n, f, dx, g, x);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "elu/elu.h"
#include "ops/elementwise.h"

namespace braid {
namespace {

HWY_EXPORT(elu);
HWY_EXPORT(elu_grad);

float alpha_of(const Signature& s) { return float(get_double(s.attrs, "alpha")); }

KernelBody make_forward(const Signature& s) {
  return [alpha = alpha_of(s), n = s.in[0].storage()](const KernelArgs& a) {
    HWY_DYNAMIC_DISPATCH(elu)(alpha, a.in<float>(0), a.out<float>(0), n);
  };
}

KernelBody make_gradient(const Signature& s) {
  return [alpha = alpha_of(s), n = s.in[0].storage()](const KernelArgs& a) {
    HWY_DYNAMIC_DISPATCH(elu_grad)(alpha, a.in<float>(0), a.in<float>(1), a.out<float>(0), n);
  };
}

}  // namespace

void register_elu(Registry& registry) {
  registry.add(OpDef{.name = "elu", .infer = same_type});
  registry.add(OpDef{.name = "elu_grad", .infer = same_type});
  registry.add(elementwise_kernel("elu", "cpu", make_forward, true, 0));
  registry.add(elementwise_kernel("elu_grad", "cpu", make_gradient, true, 0));
  register_elu_references(registry);

  LayerDef def = activation_of_input("ELU", "elu");
  def.doc = "Keeps what is positive and lets the rest approach -alpha, elementwise.";
  def.formula = "y = x > 0 ? x : alpha * (exp(x) - 1)";
  def.source =
      "Clevert, Unterthiner, Hochreiter, Fast and Accurate Deep Network Learning by Exponential "
      "Linear Units, 2015";
  def.params = {{.name = "alpha",
                 .kind = ParamKind::number,
                 .doc = "the size of what very negative inputs become",
                 .fallback = 1.0}};
  def.samples.push_back({.inputs = {{DType::f32, {N, 9}}}, .params = {{"alpha", 0.3}}});
  registry.add(def);
}

}  // namespace braid
#endif
