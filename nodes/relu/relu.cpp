#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "relu/relu.cpp"
#include <hwy/foreach_target.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void relu(const float* x, float* y, int64_t n) {
  // "Not below zero" and not Max: a NaN stays one.
  auto f = [](auto d, auto v) HWY_ATTR { return hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v); };
  map(n, f, y, x);
}

void relu_grad(const float* g, const float* y, float* dx, int64_t n) {
  auto f = [](auto d, auto gi, auto yi)
               HWY_ATTR { return hn::IfThenElseZero(hn::Gt(yi, hn::Zero(d)), gi); };
  map(n, f, dx, g, y);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <braid/core/registry.h>

#include "ops/elementwise.h"
#include "relu/relu.h"

namespace braid {

HWY_EXPORT(relu);
HWY_EXPORT(relu_grad);

void register_relu(Registry& registry) {
  registry.add(OpDef{.name = "relu", .infer = same_type});
  registry.add(OpDef{.name = "relu_grad", .infer = same_type});
  registry.add(map_kernel("relu", [](const float* x, float* y, int64_t n) {
    HWY_DYNAMIC_DISPATCH(relu)(x, y, n);
  }));
  registry.add(map_kernel("relu_grad", [](const float* g, const float* y, float* dx, int64_t n) {
    HWY_DYNAMIC_DISPATCH(relu_grad)(g, y, dx, n);
  }));
  register_relu_references(registry);

  LayerDef def = activation("ReLU", "relu");
  def.doc = "Keeps what is positive and puts 0 for the rest, elementwise.";
  def.formula = "y = max(x, 0)";
  def.source =
      "Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, 2010";
  registry.add(def);
}

}  // namespace braid
#endif
