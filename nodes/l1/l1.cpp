#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "l1/l1.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void l1_loss(float, const float* x, const float* t, float* out, int64_t n) {
  auto f = [](auto, auto xi, auto ti) HWY_ATTR {
    const auto value = hn::Abs(hn::Sub(xi, ti));
    return value;
  };
  map(n, f, out, x, t);
}

void l1_slope(float, float scale, const float* x, const float* t, float* out, int64_t n) {
  auto f = [scale](auto d, auto xi, auto ti) HWY_ATTR {
    const auto off = hn::Sub(xi, ti);
    const auto one = hn::CopySign(hn::Set(d, 1.0f), off);
    const auto value = hn::IfThenZeroElse(hn::Eq(off, hn::Zero(d)), one);
    return hn::Mul(hn::Set(d, scale), value);
  };
  map(n, f, out, x, t);
}

void l1_target_slope(float, float scale, const float* x, const float* t, float* out, int64_t n) {
  auto f = [scale](auto d, auto xi, auto ti) HWY_ATTR {
    const auto off = hn::Sub(ti, xi);
    const auto one = hn::CopySign(hn::Set(d, 1.0f), off);
    const auto value = hn::IfThenZeroElse(hn::Eq(off, hn::Zero(d)), one);
    return hn::Mul(hn::Set(d, scale), value);
  };
  map(n, f, out, x, t);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

#include <braid/core/registry.h>
#include "ops/pointwise_loss.h"

namespace braid {

void register_l1(Registry& registry);

HWY_EXPORT(l1_loss);
HWY_EXPORT(l1_slope);
HWY_EXPORT(l1_target_slope);

static LayerDef layer() {
  LayerDef def = pointwise_layer("L1", "l1");
  def.doc =
      "The absolute error, averaged over all elements of the batch (on all replicas). Where input "
      "and target are equal the gradient is 0.";
  def.formula = "loss = mean(|x - target|)";
  def.source = "torch.nn.L1Loss";
  return def;
}

void register_l1(Registry& registry) {
  const PointwiseLoss kernels{
      .op = "l1",

      .loss =
          [](float shape, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(l1_loss)
            (shape, x, t, out, n);
          },
      .slope =
          [](float shape, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(l1_slope)
            (shape, scale, x, t, out, n);
          },
      .target_slope =
          [](float shape, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(l1_target_slope)(shape, scale, x, t, out, n);
          }};
  const PointwiseJudge judge{
      .loss = [](double, double x, double t) { return std::abs(x - t); },
      .slope = [](double, double x, double t) { return double((x > t) - (x < t)); },
      .target_slope = [](double, double x, double t) { return double((x < t) - (x > t)); }};
  add_pointwise_loss(registry, kernels, judge);
  registry.add(layer());
}

}  // namespace braid
#endif
