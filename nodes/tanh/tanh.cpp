#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tanh/tanh.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void tanh_floats(const float* x, float* y, int64_t n) {
  map(
      n, [](auto d, auto v) HWY_ATTR { return tanh(d, v); }, y, x);
}

void tanh_grad(const float* g, const float* y, float* dx, int64_t n) {
  auto f = [](auto d, auto gi, auto yi)
               HWY_ATTR { return hn::Mul(gi, hn::Sub(hn::Set(d, 1.0f), hn::Mul(yi, yi))); };
  map(n, f, dx, g, y);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "ops/elementwise.h"
#include "tanh/tanh.h"

namespace braid {

HWY_EXPORT(tanh_floats);
HWY_EXPORT(tanh_grad);

void register_tanh(Registry& registry) {
  registry.add(OpDef{.name = "tanh", .infer = same_type});
  registry.add(OpDef{.name = "tanh_grad", .infer = same_type});
  registry.add(map_kernel("tanh", [](const float* x, float* y, int64_t n) {
    HWY_DYNAMIC_DISPATCH(tanh_floats)(x, y, n);
  }));
  registry.add(map_kernel("tanh_grad", [](const float* g, const float* y, float* dx, int64_t n) {
    HWY_DYNAMIC_DISPATCH(tanh_grad)(g, y, dx, n);
  }));
  register_tanh_references(registry);

  LayerDef def = activation("Tanh", "tanh");
  def.doc = "The hyperbolic tangent, elementwise: a smooth step from -1 to 1.";
  def.formula = "y = tanh(x)";
  def.source = "LeCun et al., Efficient BackProp, 1998";
  registry.add(def);
}

}  // namespace braid
#endif
