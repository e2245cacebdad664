#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "softplus/softplus.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void softplus_floats(float beta, float threshold, const float* x, float* y, int64_t n) {
  auto f = [=](auto d, auto v) HWY_ATTR {
    const auto z = hn::Mul(v, hn::Set(d, beta));
    const auto smooth = hn::Div(softplus(d, z), hn::Set(d, beta));
    return hn::IfThenElse(hn::Gt(z, hn::Set(d, threshold)), v, smooth);
  };
  map(n, f, y, x);
}

void softplus_grad(float beta, float threshold, const float* g, const float* x, float* dx,
                   int64_t n) {
  auto f = [=](auto d, auto gi, auto xi) HWY_ATTR {
    const auto z = hn::Mul(xi, hn::Set(d, beta));
    const auto smooth = hn::Mul(gi, sigmoid(d, z));
    return hn::IfThenElse(hn::Gt(z, hn::Set(d, threshold)), gi, smooth);
  };
  map(n, f, dx, g, x);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "ops/elementwise.h"
#include "softplus/softplus.h"

namespace braid {
namespace {

HWY_EXPORT(softplus_floats);
HWY_EXPORT(softplus_grad);

KernelBody make_forward(const Signature& s) {
  const SoftplusRule r(s.attrs);
  return [r, n = s.in[0].storage()](const KernelArgs& a) {
    HWY_DYNAMIC_DISPATCH(softplus_floats)
    (float(r.beta), float(r.threshold), a.in<float>(0), a.out<float>(0), n);
  };
}

KernelBody make_gradient(const Signature& s) {
  const SoftplusRule r(s.attrs);
  return [r, n = s.in[0].storage()](const KernelArgs& a) {
    HWY_DYNAMIC_DISPATCH(softplus_grad)
    (float(r.beta), float(r.threshold), a.in<float>(0), a.in<float>(1), a.out<float>(0), n);
  };
}

}  // namespace

void register_softplus(Registry& registry) {
  registry.add(OpDef{.name = "softplus", .infer = same_type});
  registry.add(OpDef{.name = "softplus_grad", .infer = same_type});
  // softplus(0) is log(2): padding would not stay zero.
  registry.add(elementwise_kernel("softplus", "cpu", make_forward, false, 0));
  registry.add(elementwise_kernel("softplus_grad", "cpu", make_gradient, true, 0));
  register_softplus_references(registry);

  LayerDef def = activation_of_input("Softplus", "softplus");
  def.doc = "A smooth ReLU, elementwise: what is positive stays about what it is.";
  def.formula = "y = log(1 + exp(beta * x)) / beta, x where beta * x > threshold";
  def.source =
      "Dugas et al., Incorporating Second-Order Functional Knowledge for Better Option Pricing, "
      "2001";
  def.params = {{.name = "beta",
                 .kind = ParamKind::number,
                 .doc = "how sharp the bend at 0 is",
                 .fallback = 1.0,
                 .min = 0,
                 .min_exclusive = true},
                {.name = "threshold",
                 .kind = ParamKind::number,
                 .doc = "from which beta * x on the input is passed on",
                 .fallback = 20.0}};
  def.samples.push_back({.inputs = {{DType::f32, {N, 9}}},
                         .params = {{"beta", 2.0}, {"threshold", 1.0}},
                         .note = "passed on early"});
  registry.add(def);
}

}  // namespace braid
#endif
