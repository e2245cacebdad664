#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mse/mse.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void mse_loss(float, const float* x, const float* t, float* out, int64_t n) {
  auto f = [](auto, auto xi, auto ti) HWY_ATTR {
    const auto off = hn::Sub(xi, ti);
    const auto value = hn::Mul(off, off);
    return value;
  };
  map(n, f, out, x, t);
}

void mse_slope(float, float scale, const float* x, const float* t, float* out, int64_t n) {
  auto f = [scale](auto d, auto xi, auto ti) HWY_ATTR {
    const auto value = hn::Mul(hn::Set(d, 2.0f), hn::Sub(xi, ti));
    return hn::Mul(hn::Set(d, scale), value);
  };
  map(n, f, out, x, t);
}

void mse_target_slope(float, float scale, const float* x, const float* t, float* out, int64_t n) {
  auto f = [scale](auto d, auto xi, auto ti) HWY_ATTR {
    const auto value = hn::Mul(hn::Set(d, 2.0f), hn::Sub(ti, xi));
    return hn::Mul(hn::Set(d, scale), value);
  };
  map(n, f, out, x, t);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <braid/core/registry.h>
#include "ops/pointwise_loss.h"

namespace braid {

void register_mse(Registry& registry);

HWY_EXPORT(mse_loss);
HWY_EXPORT(mse_slope);
HWY_EXPORT(mse_target_slope);

static LayerDef layer() {
  LayerDef def = pointwise_layer("MSE", "mse");
  def.doc = "The squared error, averaged over all elements of the batch (on all replicas).";
  def.formula = "loss = mean((x - target)^2)";
  def.source = "torch.nn.MSELoss";
  return def;
}

void register_mse(Registry& registry) {
  const PointwiseLoss kernels{
      .op = "mse",

      .loss =
          [](float shape, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(mse_loss)
            (shape, x, t, out, n);
          },
      .slope =
          [](float shape, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(mse_slope)
            (shape, scale, x, t, out, n);
          },
      .target_slope =
          [](float shape, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(mse_target_slope)(shape, scale, x, t, out, n);
          }};
  const PointwiseJudge judge{
      .loss = [](double, double x, double t) { return (x - t) * (x - t); },
      .slope = [](double, double x, double t) { return 2 * (x - t); },
      .target_slope = [](double, double x, double t) { return 2 * (t - x); }};
  add_pointwise_loss(registry, kernels, judge);
  registry.add(layer());
}

}  // namespace braid
#endif
