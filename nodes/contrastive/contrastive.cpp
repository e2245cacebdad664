#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "contrastive/contrastive.cpp"
#include <hwy/foreach_target.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void contrastive_loss(float margin, const float* x, const float* t, float* out, int64_t n) {
  auto f = [margin](auto d, auto xi, auto ti) HWY_ATTR {
    const auto near = hn::Max(hn::Sub(hn::Set(d, margin), xi), hn::Zero(d));
    const auto unlike = hn::Mul(hn::Sub(hn::Set(d, 1.0f), ti), hn::Mul(near, near));
    return hn::Add(hn::Mul(ti, hn::Mul(xi, xi)), unlike);
  };
  map(n, f, out, x, t);
}

void contrastive_slope(float margin, float scale, const float* x, const float* t, float* out,
                       int64_t n) {
  auto f = [=](auto d, auto xi, auto ti) HWY_ATTR {
    const auto near = hn::Max(hn::Sub(hn::Set(d, margin), xi), hn::Zero(d));
    const auto unlike = hn::Mul(hn::Sub(hn::Set(d, 1.0f), ti), near);
    return hn::Mul(hn::Set(d, 2 * scale), hn::Sub(hn::Mul(ti, xi), unlike));
  };
  map(n, f, out, x, t);
}

void contrastive_target_slope(float margin, float scale, const float* x, const float* t, float* out,
                              int64_t n) {
  auto f = [=](auto d, auto xi, auto) HWY_ATTR {
    const auto near = hn::Max(hn::Sub(hn::Set(d, margin), xi), hn::Zero(d));
    return hn::Mul(hn::Set(d, scale), hn::Sub(hn::Mul(xi, xi), hn::Mul(near, near)));
  };
  map(n, f, out, x, t);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include <braid/core/registry.h>

#include "ops/pointwise_loss.h"

namespace braid {

void register_contrastive(Registry& registry);

namespace {

HWY_EXPORT(contrastive_loss);
HWY_EXPORT(contrastive_slope);
HWY_EXPORT(contrastive_target_slope);

double near(double margin, double x) { return std::max(margin - x, 0.0); }

LayerDef layer() {
  LayerDef def = pointwise_layer("Contrastive", "contrastive");
  def.doc =
      "Draws pairs that are the same together and pushes others apart as far as a margin, averaged "
      "over all pairs of the batch (on all replicas).";
  def.formula = "loss = mean(same * distance^2 + (1 - same) * max(margin - distance, 0)^2)";
  def.source =
      "Hadsell, Chopra, LeCun, Dimensionality Reduction by Learning an Invariant Mapping, 2006";
  def.inputs[0] = {"distance", "f32, at least 0, for example of PairwiseDistance"};
  def.inputs[1].name = def.params[0].name = "same";
  def.inputs[1].doc = "of the distances' shape: 1 where a pair is the same, else 0";
  def.params.push_back({.name = "margin",
                        .kind = ParamKind::number,
                        .doc = "how far apart others are to be",
                        .fallback = 1.0});
  def.samples = {
      {.inputs = {{DType::f32, {N}}, {DType::f32, {N}}}},
      {.inputs = {{DType::f32, {N, 37}}, {DType::f32, {N, 37}}},
       .params = {{"margin", 0.3}, {"factor", 2}}},
      {.inputs = {{DType::f32, {N, 5}}}, .params = {{"same", 0}}, .note = "all pairs are others"}};
  return def;
}

}  // namespace

void register_contrastive(Registry& registry) {
  const PointwiseLoss kernels{
      .op = "contrastive",
      .shape = "margin",
      .loss =
          [](float margin, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(contrastive_loss)
            (margin, x, t, out, n);
          },
      .slope =
          [](float margin, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(contrastive_slope)(margin, scale, x, t, out, n);
          },
      .target_slope =
          [](float margin, float scale, const float* x, const float* t, float* out, int64_t n) {
            HWY_DYNAMIC_DISPATCH(contrastive_target_slope)(margin, scale, x, t, out, n);
          }};
  const PointwiseJudge judge{
      .loss = [](double margin, double x,
                 double t) { return t * x * x + (1 - t) * near(margin, x) * near(margin, x); },
      .slope = [](double margin, double x,
                  double t) { return 2 * t * x - 2 * (1 - t) * near(margin, x); },
      .target_slope = [](double margin, double x,
                         double) { return x * x - near(margin, x) * near(margin, x); }};
  add_pointwise_loss(registry, kernels, judge);
  registry.add(layer());
}

}  // namespace braid
#endif
