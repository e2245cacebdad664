// Vectors over slices (see view.h), for all kernels of this folder. The channels of a slice
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

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::CappedTag<float, 16>;
using Vec = hn::Vec<F32>;
constexpr int64_t kLanes = int64_t(hn::MaxLanes(F32()));
constexpr int64_t kFour = 4 * kLanes;
constexpr int64_t kMaxGroup = 16;

struct Four {
  Vec v0, v1, v2, v3;
};

HWY_INLINE Four four_zeros() {
  Vec z = hn::Zero(F32());
  return {z, z, z, z};
}

/// The constants of a group's channels, repeated as they lie in a slice.
HWY_INLINE Four load_four(const float* c, int64_t group) {
  const F32 d;
  if (group == 1) {
    Vec v = hn::Set(d, c[0]);
    return {v, v, v, v};
  }
  HWY_ALIGN float repeated[kFour];
  for (int64_t i = 0; i < kFour; ++i) repeated[i] = c[i % group];
  return {hn::Load(d, repeated), hn::Load(d, repeated + kLanes), hn::Load(d, repeated + 2 * kLanes),
          hn::Load(d, repeated + 3 * kLanes)};
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
  HWY_ALIGN float lane[kLanes];
  hn::Store(v, F32(), lane);
  double sum[4] = {};
  for (int64_t i = 0; i < kLanes; ++i) sum[i % 4] += lane[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/// Adds the sums that a slice's vectors have gathered to each channel of its group.
HWY_INLINE void add_to_channels(const Four& s, int64_t group, double* out) {
  const F32 d;
  if (group == 1) {
    out[0] += sum_of(hn::Add(hn::Add(s.v0, s.v1), hn::Add(s.v2, s.v3)));
    return;
  }
  HWY_ALIGN float lane[kFour];
  hn::Store(s.v0, d, lane);
  hn::Store(s.v1, d, lane + kLanes);
  hn::Store(s.v2, d, lane + 2 * kLanes);
  hn::Store(s.v3, d, lane + 3 * kLanes);
  for (int64_t i = 0; i < kFour; ++i) out[i % group] += lane[i];
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
