// dx = (p·whole - each - own where the class is the target's)·scale, in the memory format of p:
// vectors run over the points of a plane where memory is plain, over channels where those stand
// side by side.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cross_entropy/gradient_cpu.cpp"
#include <hwy/foreach_target.h>

#include "cross_entropy/gradient.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

/// Ignored targets have a scale of 0, and no NaN gets through that.
template <class D, class V, class M>
HWY_INLINE V gradient_of(D d, V p, V whole, V each, M is_target, V own, V scale) {
  const V off = hn::Sub(hn::Sub(hn::Mul(p, whole), each), hn::IfThenElseZero(is_target, own));
  return hn::IfThenElseZero(hn::Ne(scale, hn::Zero(d)), hn::Mul(off, scale));
}

template <class D>
HWY_INLINE void points_at(D d, const TargetTile& t, int64_t i, int32_t c, float each,
                          const float* p, float* dx) {
  const hn::RebindToSigned<D> di;
  const auto is_target = hn::RebindMask(d, hn::Eq(hn::LoadU(di, t.label + i), hn::Set(di, c)));
  hn::StoreU(gradient_of(d, hn::LoadU(d, p + i), hn::LoadU(d, t.whole + i), hn::Set(d, each),
                         is_target, hn::LoadU(d, t.own + i), hn::LoadU(d, t.scale + i)),
             d, dx + i);
}

/// Class c of `n` points side by side.
void gradient_of_points(const TargetTile& t, int64_t n, int64_t c, float each, const float* p,
                        float* dx) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = int64_t(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) points_at(d, t, i, int32_t(c), each, p, dx);
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) points_at(one, t, i, int32_t(c), each, p, dx);
}

template <class D>
HWY_INLINE void channels_at(D d, const TargetTile& t, int64_t i, int64_t c, const float* each,
                            const float* p, float* dx) {
  const hn::RebindToSigned<D> di;
  const auto is_target =
      hn::RebindMask(d, hn::Eq(hn::Iota(di, int32_t(c)), hn::Set(di, t.label[i])));
  hn::StoreU(gradient_of(d, hn::LoadU(d, p), hn::Set(d, t.whole[i]), hn::LoadU(d, each + c),
                         is_target, hn::Set(d, t.own[i]), hn::Set(d, t.scale[i])),
             d, dx);
}

/// `width` channels side by side, from class c on, of `n` points one behind the other.
void gradient_of_channels(const TargetTile& t, int64_t n, int64_t c, int64_t width,
                          const float* each, const float* p, float* dx) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = int64_t(hn::Lanes(d));
  for (int64_t i = 0; i < n; ++i, p += width, dx += width) {
    int64_t k = 0;
    for (; k + lanes <= width; k += lanes) channels_at(d, t, i, c + k, each, p + k, dx + k);
    for (; k < width; ++k) channels_at(one, t, i, c + k, each, p + k, dx + k);
  }
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "cross_entropy/cross_entropy.h"
#include "cross_entropy/shares.h"
#include "ops/channels.h"
#include "ops/view.h"

namespace braid {
namespace {

HWY_EXPORT(gradient_of_points);
HWY_EXPORT(gradient_of_channels);

void fill(TargetTile& t, const Shares& shares, const int64_t* labels, int64_t n, int64_t ignored,
          float scale) {
  for (int64_t i = 0; i < n; ++i) {
    const bool counts = labels[i] != ignored;
    t.label[i] = counts ? int32_t(labels[i]) : -1;
    t.whole[i] = counts ? float(shares.whole(labels[i])) : 0;
    t.own[i] = counts ? float(shares.own(labels[i])) : 0;
    t.scale[i] = counts ? scale : 0;
  }
}

KernelBody make_gradient(const Signature& s) {
  const View v = view_of(s.in[0]);
  const Shares shares(s.attrs, v.channels);
  std::vector<float> each(size_t(v.padded()));  // padding gets zeros
  std::copy(shares.each().begin(), shares.each().end(), each.begin());
  const int64_t ignored = get_int(s.attrs, "ignore_index", -100);
  const double factor = get_double(s.attrs, "factor", 1);
  return [=](const KernelArgs& a) {
    const double count = a.in<double>(2)[0];
    const float scale = count > 0 ? float(factor / count) : 0;
    const bool rows = v.rows();
    const int64_t points = rows ? v.samples : v.points, group = rows ? v.channels : v.group;
    TargetTile t;
    for (int64_t n = 0; n < (rows ? 1 : v.samples); ++n)
      for (int64_t first = 0; first < points; first += kTargets) {
        const int64_t count_here = std::min(kTargets, points - first);
        fill(t, shares, a.in<int64_t>(1) + n * points + first, count_here, ignored, scale);
        for (int64_t c = 0; c < v.padded(); c += group) {
          const int64_t at = rows ? first * group : v.at(n, c, first);
          const float* p = a.in<float>(0) + at;
          float* dx = a.out<float>(0) + at;
          if (group == 1 && !rows)
            HWY_DYNAMIC_DISPATCH(gradient_of_points)(t, count_here, c, each[size_t(c)], p, dx);
          else
            HWY_DYNAMIC_DISPATCH(gradient_of_channels)
          (t, count_here, c, group, each.data(), p, dx);
        }
      }
  };
}

}  // namespace

void register_cross_entropy_gradient(Registry& registry) {
  registry.add(ChannelKernel{.op = "xent_grad", .make = make_gradient, .alias = 0});
}

}  // namespace braid
#endif
