#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "relu6/relu6.cpp"
#include <hwy/foreach_target.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void relu6(const float* x, float* y, int64_t n) {
  // IfThenElse and not Min and Max: a NaN stays one.
  auto f = [](auto d, auto v) HWY_ATTR {
    const auto low = hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v), most = hn::Set(d, 6.0f);
    return hn::IfThenElse(hn::Gt(low, most), most, low);
  };
  map(n, f, y, x);
}

void relu6_grad(const float* g, const float* y, float* dx, int64_t n) {
  auto f = [](auto d, auto gi, auto yi) HWY_ATTR {
    const auto inside = hn::And(hn::Gt(yi, hn::Zero(d)), hn::Lt(yi, hn::Set(d, 6.0f)));
    return hn::IfThenElseZero(inside, gi);
  };
  map(n, f, dx, g, y);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "ops/elementwise.h"
#include "relu6/relu6.h"

namespace braid {

HWY_EXPORT(relu6);
HWY_EXPORT(relu6_grad);

void register_relu6(Registry& registry) {
  registry.add(OpDef{.name = "relu6", .infer = same_type});
  registry.add(OpDef{.name = "relu6_grad", .infer = same_type});
  registry.add(map_kernel("relu6", [](const float* x, float* y, int64_t n) {
    HWY_DYNAMIC_DISPATCH(relu6)(x, y, n);
  }));
  registry.add(map_kernel("relu6_grad", [](const float* g, const float* y, float* dx, int64_t n) {
    HWY_DYNAMIC_DISPATCH(relu6_grad)(g, y, dx, n);
  }));
  register_relu6_references(registry);

  LayerDef def = activation("ReLU6", "relu6");
  def.doc =
      "Keeps what lies between 0 and 6 and puts the nearer of them for the rest, elementwise.";
  def.formula = "y = min(max(x, 0), 6)";
  def.source =
      "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision "
      "Applications, 2017";
  registry.add(def);
}

}  // namespace braid
#endif
