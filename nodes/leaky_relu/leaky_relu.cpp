#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "leaky_relu/leaky_relu.cpp"
#include <hwy/foreach_target.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

/// y = v where x > 0, slope·v elsewhere: forward with v = x, and the gradient with v = g.
void leaky(float slope, const float* v, const float* x, float* y, int64_t n) {
  auto f = [slope](auto d, auto vi, auto xi) HWY_ATTR {
    return hn::IfThenElse(hn::Gt(xi, hn::Zero(d)), vi, hn::Mul(vi, hn::Set(d, slope)));
  };
  map(n, f, y, v, x);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "leaky_relu/leaky_relu.h"
#include "ops/checks.h"

namespace braid {
namespace {

HWY_EXPORT(leaky);

float slope_of(const Signature& s) { return float(get_double(s.attrs, "negative_slope")); }

KernelBody make_forward(const Signature& s) {
  return [slope = slope_of(s), n = s.in[0].storage()](const KernelArgs& a) {
    const float* x = a.in<float>(0);
    HWY_DYNAMIC_DISPATCH(leaky)(slope, x, x, a.out<float>(0), n);
  };
}

KernelBody make_gradient(const Signature& s) {
  return [slope = slope_of(s), n = s.in[0].storage()](const KernelArgs& a) {
    HWY_DYNAMIC_DISPATCH(leaky)(slope, a.in<float>(0), a.in<float>(1), a.out<float>(0), n);
  };
}

std::vector<int> forward(Builder& b, Call& c) {
  require_f32(b, c, 0);
  return b.add("leaky_relu", c.in, c.params);
}

// From x and not from y: the slope may be negative.
std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  return b.add("leaky_relu_grad", {g[0], c.in[0]}, c.params);
}

}  // namespace

void register_leaky_relu(Registry& registry) {
  registry.add(OpDef{.name = "leaky_relu", .infer = same_type});
  registry.add(OpDef{.name = "leaky_relu_grad", .infer = same_type});
  registry.add(elementwise_kernel("leaky_relu", "cpu", make_forward, true, 0));
  registry.add(elementwise_kernel("leaky_relu_grad", "cpu", make_gradient, true, 0));
  register_leaky_relu_references(registry);
  registry.add(LayerDef{
      .name = "LeakyReLU",
      .doc = "Keeps what is positive and scales the rest down, elementwise.",
      .formula = "y = x > 0 ? x : negative_slope * x",
      .source = "Maas, Hannun, Ng, Rectifier Nonlinearities Improve Neural Network Acoustic "
                "Models, 2013",
      .inputs = {{"input", "any shape"}},
      .params = {{.name = "negative_slope",
                  .kind = ParamKind::number,
                  .doc = "slope for negative inputs",
                  .fallback = 0.01}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}},
                  {.inputs = {{DType::f32, {N, 1}}},
                   .params = {{"negative_slope", -0.5}},
                   .note = "one channel, a negative slope"}}});
}

}  // namespace braid
#endif
