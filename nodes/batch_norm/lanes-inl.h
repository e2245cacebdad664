// Vectors over slices (see ops/view.h), for all kernels of this folder. The channels of a slice
// alternate with period 1, 8 or 16, so four vectors side by side hold whole periods whatever the
// instruction set: constants and sums come in fours, and vector i of a slice belongs to i mod 4.
//
// Included once for each target by foreach_target.h.
#if defined(BRAID_BATCH_NORM_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef BRAID_BATCH_NORM_LANES
#undef BRAID_BATCH_NORM_LANES
#else
#define BRAID_BATCH_NORM_LANES
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ops/view.h"

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::CappedTag<float, 16>;
using Vec = hn::Vec<F32>;
constexpr int64_t kLanes = int64_t(hn::MaxLanes(F32()));
constexpr int64_t kFour = 4 * kLanes;
constexpr int64_t kMaxGroup = 16;

/// What belongs to four vectors side by side. `kSame`: all four are alike, because the channels
/// repeat within each vector; they then take one register instead of four.
template <class T, bool kSame>
struct Four {
  T v0, v1, v2, v3;

  template <int kSlot>
  HWY_INLINE const T& at() const {
    if constexpr (kSame || kSlot == 0) return v0;
    if constexpr (kSlot == 1) return v1;
    if constexpr (kSlot == 2) return v2;
    return v3;
  }
};

/// Whether the constants of a group of channels are the same for each vector.
constexpr bool same_for_all(int64_t group) { return kLanes % group == 0; }

/// Vector `slot` of the constants of a group, repeated as the channels lie in a slice.
template <int64_t kGroup>
HWY_INLINE Vec repeated(const float* c, int64_t slot) {
  const F32 d;
  if constexpr (kGroup == 1) return hn::Set(d, c[0]);
  if constexpr (kGroup >= kLanes) return hn::LoadU(d, c + slot * kLanes % kGroup);
  HWY_ALIGN float twice[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) twice[i] = c[i % kGroup];
  return hn::Load(d, twice);
}

/// Sums of four vectors, kept apart: the additions of one do not wait for those of the next.
struct Sums {
  Vec v0, v1, v2, v3;

  template <int kSlot>
  HWY_INLINE Vec& at() {
    if constexpr (kSlot == 0) return v0;
    if constexpr (kSlot == 1) return v1;
    if constexpr (kSlot == 2) return v2;
    return v3;
  }
};

HWY_INLINE Sums no_sums() {
  const Vec zero = hn::Zero(F32());
  return {zero, zero, zero, zero};
}

/// The first n < kLanes floats at p, zeros behind them; reads nothing else.
HWY_INLINE Vec load_first(const float* p, int64_t n) {
  const F32 d;
#if HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, size_t(n)), d, p);
#else
  HWY_ALIGN float some[kLanes] = {};
  std::memcpy(some, p, size_t(n) * sizeof(float));
  return hn::Load(d, some);
#endif
}

HWY_INLINE void store_first(Vec v, float* p, int64_t n) {
  const F32 d;
#if HWY_TARGET <= HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(d, size_t(n)), d, p);
#else
  HWY_ALIGN float some[kLanes];
  hn::Store(v, d, some);
  std::memcpy(p, some, size_t(n) * sizeof(float));
#endif
}

template <bool kStream>
HWY_INLINE void store(Vec v, float* p) {
  if constexpr (kStream)
    hn::Stream(v, F32(), p);
  else
    hn::StoreU(v, F32(), p);
}

/// Sum of all lanes, taken in f64.
HWY_INLINE double sum_of(Vec v) {
  const hn::Half<F32> half;
  const hn::RepartitionToWide<F32> f64;
  const auto lower = hn::PromoteTo(f64, hn::LowerHalf(half, v));
  const auto upper = hn::PromoteTo(f64, hn::UpperHalf(half, v));
  return hn::GetLane(hn::SumOfLanes(f64, hn::Add(lower, upper)));
}

/// Adds the sums of a slice to those of each channel of its group.
template <int64_t kGroup>
HWY_INLINE void add_to_channels(const Sums& s, double* out) {
  const F32 d;
  if constexpr (kGroup == 1) {
    out[0] += sum_of(hn::Add(hn::Add(s.v0, s.v1), hn::Add(s.v2, s.v3)));
  } else {
    HWY_ALIGN float lane[kFour];
    hn::Store(s.v0, d, lane);
    hn::Store(s.v1, d, lane + kLanes);
    hn::Store(s.v2, d, lane + 2 * kLanes);
    hn::Store(s.v3, d, lane + 3 * kLanes);
    for (int64_t i = 0; i < kFour; i += kGroup)
      for (int64_t j = 0; j < kGroup; ++j) out[j] += lane[i + j];
  }
}

/// Calls f(n) for each sample, from the back in stretches of 64 KiB, and forward within each, as
/// the hardware fetches ahead.
template <class F>
HWY_INLINE void from_the_back(const View& v, const F& f) {
  const int64_t stretch = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, v.sample()));
  for (int64_t end = v.samples; end > 0; end -= stretch)
    for (int64_t n = std::max<int64_t>(0, end - stretch); n < end; ++n) f(n);
}

/// Calls f.template run<kGroup>() for the group of a view.
template <class F>
HWY_INLINE void with_group(int64_t group, const F& f) {
  if (group == 16) return f.template run<16>();
  if (group == 8) return f.template run<8>();
  f.template run<1>();
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
