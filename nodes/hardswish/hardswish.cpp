#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hardswish/hardswish.cpp"
#include <hwy/foreach_target.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void hardswish(const float* x, float* y, int64_t n) {
  auto f = [](auto d, auto v) HWY_ATTR {
    const auto three = hn::Set(d, 3.0f);
    const auto gate = hn::Min(hn::Max(hn::Add(v, three), hn::Zero(d)), hn::Set(d, 6.0f));
    return hn::Mul(v, hn::Div(gate, hn::Set(d, 6.0f)));
  };
  map(n, f, y, x);
}

void hardswish_grad(const float* g, const float* x, float* dx, int64_t n) {
  auto f = [](auto d, auto gi, auto xi) HWY_ATTR {
    const auto three = hn::Set(d, 3.0f);
    const auto slope = hn::Add(hn::Div(xi, three), hn::Set(d, 0.5f));
    const auto above = hn::IfThenElse(hn::Ge(xi, three), gi, hn::Mul(gi, slope));
    return hn::IfThenZeroElse(hn::Le(xi, hn::Neg(three)), above);
  };
  map(n, f, dx, g, x);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "hardswish/hardswish.h"
#include "ops/elementwise.h"

namespace braid {

HWY_EXPORT(hardswish);
HWY_EXPORT(hardswish_grad);

void register_hardswish(Registry& registry) {
  registry.add(OpDef{.name = "hardswish", .infer = same_type});
  registry.add(OpDef{.name = "hardswish_grad", .infer = same_type});
  registry.add(map_kernel("hardswish", [](const float* x, float* y, int64_t n) {
    HWY_DYNAMIC_DISPATCH(hardswish)(x, y, n);
  }));
  registry.add(
      map_kernel("hardswish_grad", [](const float* g, const float* x, float* dx, int64_t n) {
        HWY_DYNAMIC_DISPATCH(hardswish_grad)(g, x, dx, n);
      }));
  register_hardswish_references(registry);

  LayerDef def = activation_of_input("Hardswish", "hardswish");
  def.doc =
      "SiLU made of straight lines, elementwise: the input times a step that rises from 0 at -3 to "
      "1 at 3.";
  def.formula = "y = x * min(max(x + 3, 0), 6) / 6";
  def.source = "Howard et al., Searching for MobileNetV3, 2019";
  registry.add(def);
}

}  // namespace braid
#endif
