#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "smooth_l1/smooth_l1.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

/// off / beta, within ±1; a beta of 0 leaves the sign.
template <class D, class V>
HWY_INLINE V bend(D d, V off, V beta) {
  const V one = hn::CopySign(hn::Set(d, 1.0f), off);
  const V straight = hn::IfThenZeroElse(hn::Eq(off, hn::Zero(d)), one);
  return hn::IfThenElse(hn::Lt(hn::Abs(off), beta), hn::Div(off, beta), straight);
}

void smooth_l1_loss(float shape, const float* x, const float* t, float* out, int64_t n) {
  auto f = [shape](auto d, auto xi, auto ti) HWY_ATTR {
    const auto off = hn::Abs(hn::Sub(xi, ti)), half = hn::Set(d, 0.5f), beta = hn::Set(d, shape);
    const auto round = hn::Div(hn::Mul(half, hn::Mul(off, off)), beta);
    const auto straight = hn::Sub(off, hn::Mul(half, beta));
    const auto value = hn::IfThenElse(hn::Lt(off, beta), round, straight);
    return value;
  };
  map(n, f, out, x, t);
}

void smooth_l1_slope(float shape, float scale, const float* x, const float* t, float* out,
                     int64_t n) {
  auto f = [shape, scale](auto d, auto xi, auto ti) HWY_ATTR {
    const auto value = bend(d, hn::Sub(xi, ti), hn::Set(d, shape));
    return hn::Mul(hn::Set(d, scale), value);
  };
  map(n, f, out, x, t);
}

void smooth_l1_target_slope(float shape, float scale, const float* x, const float* t, float* out,
                            int64_t n) {
  auto f = [shape, scale](auto d, auto xi, auto ti) HWY_ATTR {
    const auto value = bend(d, hn::Sub(ti, xi), hn::Set(d, shape));
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

void register_smooth_l1(Registry& registry);

HWY_EXPORT(smooth_l1_loss);
HWY_EXPORT(smooth_l1_slope);
HWY_EXPORT(smooth_l1_target_slope);

static double bend(double beta, double off) {
  return std::abs(off) < beta ? off / beta : double((off > 0) - (off < 0));
}

static LayerDef layer() {
  LayerDef def = pointwise_layer("SmoothL1", "smooth_l1");
  def.doc =
      "The absolute error with a round bottom, averaged over all elements of the batch (on all "
      "replicas).";
  def.formula = "loss = mean(|d| < beta ? d^2 / (2 * beta) : |d| - beta / 2), d = x - target";
  def.source = "Girshick, Fast R-CNN, 2015";
  def.params.push_back({.name = "beta",
                        .kind = ParamKind::number,
                        .doc = "the error up to which the loss is a square; 0 makes it L1",
                        .fallback = 1.0,
                        .min = 0});
  for (double beta : {0.3, 0.0}) {
    Sample sample = def.samples[0];
    sample.params = {{"beta", beta}};
    def.samples.push_back(sample);
  }
  return def;
}

void register_smooth_l1(Registry& registry) {
  const PointwiseLoss kernels{
      .op = "smooth_l1",
      .shape = "beta",
      .loss =
          [](float shape, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(smooth_l1_loss)
            (shape, x, t, out, n);
          },
      .slope =
          [](float shape, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(smooth_l1_slope)
            (shape, scale, x, t, out, n);
          },
      .target_slope =
          [](float shape, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(smooth_l1_target_slope)(shape, scale, x, t, out, n);
          }};
  const PointwiseJudge judge{
      .loss =
          [](double beta, double x, double t) {
            const double off = std::abs(x - t);
            return off < beta ? off * off / (2 * beta) : off - beta / 2;
          },
      .slope = [](double beta, double x, double t) { return bend(beta, x - t); },
      .target_slope = [](double beta, double x, double t) { return bend(beta, t - x); }};
  add_pointwise_loss(registry, kernels, judge);
  registry.add(layer());
}

}  // namespace braid
#endif
