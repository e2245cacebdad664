#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sigmoid/sigmoid.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void sigmoid_floats(const float* x, float* y, int64_t n) {
  map(
      n, [](auto d, auto v) HWY_ATTR { return sigmoid(d, v); }, y, x);
}

void sigmoid_grad(const float* g, const float* y, float* dx, int64_t n) {
  auto f = [](auto d, auto gi, auto yi)
               HWY_ATTR { return hn::Mul(gi, hn::Mul(yi, hn::Sub(hn::Set(d, 1.0f), yi))); };
  map(n, f, dx, g, y);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "ops/elementwise.h"
#include "sigmoid/sigmoid.h"

namespace braid {

HWY_EXPORT(sigmoid_floats);
HWY_EXPORT(sigmoid_grad);

void register_sigmoid(Registry& registry) {
  registry.add(OpDef{.name = "sigmoid", .infer = same_type});
  registry.add(OpDef{.name = "sigmoid_grad", .infer = same_type});
  // sigmoid(0) is 1/2: padding would not stay zero.
  auto forward = [](const float* x, float* y, int64_t n) {
    HWY_DYNAMIC_DISPATCH(sigmoid_floats)(x, y, n);
  };
  registry.add(map_kernel("sigmoid", forward, false));
  registry.add(map_kernel("sigmoid_grad", [](const float* g, const float* y, float* dx, int64_t n) {
    HWY_DYNAMIC_DISPATCH(sigmoid_grad)(g, y, dx, n);
  }));
  register_sigmoid_references(registry);

  LayerDef def = activation("Sigmoid", "sigmoid");
  def.doc = "The logistic function, elementwise: a smooth step from 0 to 1.";
  def.formula = "y = 1 / (1 + exp(-x))";
  def.source =
      "Verhulst, Recherches mathematiques sur la loi d'accroissement de la population, 1845";
  registry.add(def);
}

}  // namespace braid
#endif
