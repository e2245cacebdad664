#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "silu/silu.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void silu(const float* x, float* y, int64_t n) {
  auto f = [](auto d, auto v) HWY_ATTR { return hn::Mul(v, sigmoid(d, v)); };
  map(n, f, y, x);
}

void silu_grad(const float* g, const float* x, float* dx, int64_t n) {
  auto f = [](auto d, auto gi, auto xi) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f), s = sigmoid(d, xi);
    return hn::Mul(gi, hn::Mul(s, hn::Add(one, hn::Mul(xi, hn::Sub(one, s)))));
  };
  map(n, f, dx, g, x);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "ops/elementwise.h"
#include "silu/silu.h"

namespace braid {

HWY_EXPORT(silu);
HWY_EXPORT(silu_grad);

void register_silu(Registry& registry) {
  registry.add(OpDef{.name = "silu", .infer = same_type});
  registry.add(OpDef{.name = "silu_grad", .infer = same_type});
  registry.add(map_kernel("silu", [](const float* x, float* y, int64_t n) {
    HWY_DYNAMIC_DISPATCH(silu)(x, y, n);
  }));
  registry.add(map_kernel("silu_grad", [](const float* g, const float* x, float* dx, int64_t n) {
    HWY_DYNAMIC_DISPATCH(silu_grad)(g, x, dx, n);
  }));
  register_silu_references(registry);

  LayerDef def = activation_of_input("SiLU", "silu");
  def.doc = "The input times its logistic function, elementwise; also known as swish.";
  def.formula = "y = x / (1 + exp(-x))";
  def.source =
      "Elfwing, Uchibe, Doya, Sigmoid-Weighted Linear Units for Neural Network Function "
      "Approximation in Reinforcement Learning, 2017";
  registry.add(def);
}

}  // namespace braid
#endif
