#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bce_with_logits/bce_with_logits.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void bce_with_logits_loss(float shape, const float* x, const float* t, float* out, int64_t n) {
  auto f = [shape](auto d, auto xi, auto ti) HWY_ATTR {
    const auto rest = log_one_plus(d, exp(d, hn::Neg(hn::Abs(xi)))), zero = hn::Zero(d);
    const auto off = hn::Add(hn::Max(xi, zero), rest),
               on = hn::Add(hn::Max(hn::Neg(xi), zero), rest);
    const auto weight = hn::Mul(hn::Set(d, shape), ti);
    const auto value = hn::Add(hn::Mul(hn::Sub(hn::Set(d, 1.0f), ti), off), hn::Mul(weight, on));
    return value;
  };
  map(n, f, out, x, t);
}

void bce_with_logits_slope(float shape, float scale, const float* x, const float* t, float* out,
                           int64_t n) {
  auto f = [shape, scale](auto d, auto xi, auto ti) HWY_ATTR {
    const auto off = hn::Mul(hn::Sub(hn::Set(d, 1.0f), ti), sigmoid(d, xi));
    const auto on = hn::Mul(hn::Mul(hn::Set(d, shape), ti), sigmoid(d, hn::Neg(xi)));
    const auto value = hn::Sub(off, on);
    return hn::Mul(hn::Set(d, scale), value);
  };
  map(n, f, out, x, t);
}

void bce_with_logits_target_slope(float shape, float scale, const float* x, const float* t,
                                  float* out, int64_t n) {
  auto f = [shape, scale](auto d, auto xi, auto) HWY_ATTR {
    const auto on = hn::Mul(hn::Set(d, shape), softplus(d, hn::Neg(xi)));
    const auto value = hn::Sub(on, softplus(d, xi));
    return hn::Mul(hn::Set(d, scale), value);
  };
  map(n, f, out, x, t);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>

#include <braid/core/registry.h>
#include "ops/pointwise_loss.h"

namespace braid {

void register_bce_with_logits(Registry& registry);

HWY_EXPORT(bce_with_logits_loss);
HWY_EXPORT(bce_with_logits_slope);
HWY_EXPORT(bce_with_logits_target_slope);

static double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
static double logistic(double x) { return 1 / (1 + std::exp(-x)); }

static LayerDef layer() {
  LayerDef def = pointwise_layer("BCEWithLogits", "bce_with_logits");
  def.doc =
      "Binary cross entropy between the logistic function of the input and a target from 0 to 1, "
      "averaged over all elements of the batch (on all replicas). Taken from logits, it neither "
      "overflows nor loses digits.";
  def.formula =
      "loss = -mean(pos_weight * target * log(s) + (1 - target) * log(1 - s)), s = 1 / (1 + "
      "exp(-x))";
  def.source = "torch.nn.BCEWithLogitsLoss";
  def.inputs[0].doc = "logits: f32 of any shape";
  def.params.push_back({.name = "pos_weight",
                        .kind = ParamKind::number,
                        .doc = "how much the part of the target that is 1 counts",
                        .fallback = 1.0,
                        .min = 0});
  Sample weighted = def.samples[1];
  weighted.params = {{"pos_weight", 3.0}};
  def.samples.push_back(weighted);
  return def;
}

void register_bce_with_logits(Registry& registry) {
  const PointwiseLoss kernels{
      .op = "bce_with_logits",
      .shape = "pos_weight",
      .loss =
          [](float shape, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(bce_with_logits_loss)
            (shape, x, t, out, n);
          },
      .slope =
          [](float shape, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(bce_with_logits_slope)(shape, scale, x, t, out, n);
          },
      .target_slope =
          [](float shape, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(bce_with_logits_target_slope)(shape, scale, x, t, out, n);
          }};
  const PointwiseJudge judge{
      .loss = [](double weight, double x,
                 double t) { return (1 - t) * softplus(x) + weight * t * softplus(-x); },
      .slope = [](double weight, double x,
                  double t) { return (1 - t) * logistic(x) - weight * t * logistic(-x); },
      .target_slope = [](double weight, double x,
                         double) { return weight * softplus(-x) - softplus(x); }};
  add_pointwise_loss(registry, kernels, judge);
  registry.add(layer());
}

}  // namespace braid
#endif
