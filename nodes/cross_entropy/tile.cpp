#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cross_entropy/tile.cpp"
#include <hwy/foreach_target.h>

#include "cross_entropy/tile.h"
#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

using F32 = hn::ScalableTag<float>;
using F64 = hn::ScalableTag<double>;

/// Sums of columns in f64, class by class: to[i] = sum over c of e[c, i], times factor[c] if given.
/// No sum runs across the lanes of a vector.
void sum_columns(const Tile& t, int64_t points, const double* factor, double* to) {
  const F64 d;
  for (int64_t i = 0; i < points; i += int64_t(hn::Lanes(d))) {
    auto sum = hn::Zero(d);
    for (int64_t c = 0; c < t.classes; ++c) {
      const auto e = hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, F64>(), t.e + c * t.width + i));
      sum = hn::Add(sum, factor ? hn::Mul(hn::Set(d, factor[c]), e) : e);
    }
    hn::StoreU(sum, d, to + i);
  }
}

void find_most(Tile& t, int64_t points) {
  const F32 d;
  for (int64_t i = 0; i < points; i += int64_t(hn::Lanes(d))) {
    auto most = hn::LoadU(d, t.e + i);
    for (int64_t c = 1; c < t.classes; ++c)
      most = hn::Max(most, hn::LoadU(d, t.e + c * t.width + i));
    hn::StoreU(most, d, t.most + i);
  }
}

void columns(Tile& t, int64_t points) {
  const F32 d;
  const int64_t lanes = int64_t(hn::Lanes(d));
  find_most(t, points);
  if (t.shares) sum_columns(t, points, t.shares, t.mixed);
  for (int64_t c = 0; c < t.classes; ++c)
    for (int64_t i = 0; i < points; i += lanes) {
      float* e = t.e + c * t.width + i;
      hn::StoreU(exp(d, hn::Sub(hn::LoadU(d, e), hn::LoadU(d, t.most + i))), d, e);
    }
  sum_columns(t, points, nullptr, t.z);
  HWY_ALIGN float share[kMostPoints];
  for (int64_t i = 0; i < kMostPoints; ++i) share[i] = i < points ? float(1 / t.z[i]) : 0.0f;
  for (int64_t c = 0; c < t.classes; ++c)
    for (int64_t i = 0; i < points; i += lanes) {
      float* e = t.e + c * t.width + i;
      hn::StoreU(hn::Mul(hn::LoadU(d, e), hn::LoadU(d, share + i)), d, e);
    }
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid {

HWY_EXPORT(columns);

void softmax_columns(Tile& tile, int64_t points) { HWY_DYNAMIC_DISPATCH(columns)(tile, points); }

}  // namespace braid
#endif
