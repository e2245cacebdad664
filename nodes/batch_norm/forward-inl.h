// The forward arithmetic, in one place: backward repeats it to find where ReLU let values through,
// and must come to the same bits.
//
// Included once for each target by foreach_target.h.
#if defined(BRAID_BATCH_NORM_FORWARD) == defined(HWY_TARGET_TOGGLE)
#ifdef BRAID_BATCH_NORM_FORWARD
#undef BRAID_BATCH_NORM_FORWARD
#else
#define BRAID_BATCH_NORM_FORWARD
#endif

#include <hwy/cache_control.h>

#include "batch_norm/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

/// g where y > 0, else 0. Not IfThenElseZero: it becomes a masked load of g, which waits for y and
/// halves the speed where both come from memory.
HWY_INLINE Vec where_positive(Vec g, Vec y) {
  return hn::And(hn::VecFromMask(F32(), hn::Gt(y, hn::Zero(F32()))), g);
}

struct Forward {
  Vec shift, scale, offset;

  HWY_INLINE Vec centered(Vec x) const { return hn::Sub(x, shift); }
  HWY_INLINE Vec before_relu(Vec centered) const { return hn::MulAdd(centered, scale, offset); }
  /// The result; `z` is added where kAdd says so, to what a store would have rounded.
  template <bool kRelu, bool kAdd>
  HWY_INLINE Vec y(Vec x, Vec z) const {
    Vec v = before_relu(centered(x));
    if constexpr (kAdd) v = hn::Add(v, z);
    return kRelu ? hn::Max(hn::Zero(F32()), v) : v;  // in this order NaN stays NaN
  }
  /// g where ReLU let the value through, else 0.
  template <bool kRelu>
  HWY_INLINE Vec passed(Vec g, Vec centered) const {
    if constexpr (!kRelu) return g;
    return where_positive(g, before_relu(centered));
  }
};

template <int64_t kGroup>
using FourForward = Four<Forward, same_for_all(kGroup)>;

/// The constants of the group that begins at `channel`, as a slice needs them.
template <int64_t kGroup>
HWY_INLINE FourForward<kGroup> forward_of(const Coefficients& k, int64_t channel) {
  auto vector = [&](int64_t slot) HWY_ATTR {
    return Forward{repeated<kGroup>(k.shift + channel, slot),
                   repeated<kGroup>(k.scale + channel, slot),
                   repeated<kGroup>(k.offset + channel, slot)};
  };
  if constexpr (same_for_all(kGroup)) {
    Forward f = vector(0);
    return {f, f, f, f};
  } else {
    return {vector(0), vector(1), vector(2), vector(3)};
  }
}

/// Channels side by side, for rows.
HWY_INLINE Forward forward_at(const Coefficients& k, int64_t c) {
  const F32 d;
  return {hn::LoadU(d, k.shift + c), hn::LoadU(d, k.scale + c), hn::LoadU(d, k.offset + c)};
}
HWY_INLINE Forward forward_first(const Coefficients& k, int64_t c, int64_t n) {
  return {load_first(k.shift + c, n), load_first(k.scale + c, n), load_first(k.offset + c, n)};
}

/// Stores past the cache pay once the result does not fit there anyway (1.6-1.8x measured); far
/// below that they cost 2-4x. It follows from the shape, and changes no bit.
constexpr int64_t kStreamFrom = (int64_t{8} << 20) / int64_t(sizeof(float));

/// Floats up to the next full vector.
HWY_INLINE int64_t floats_to_alignment(const float* p) {
  constexpr uintptr_t bytes = kLanes * sizeof(float);
  return int64_t((bytes - reinterpret_cast<uintptr_t>(p) % bytes) % bytes / sizeof(float));
}

/// Such stores need aligned vectors. A plain slice can be cut anywhere to get there, but blocked
/// slices and rows have to begin so.
HWY_INLINE bool streams(const View& v, const float* out) {
  if (v.floats() < kStreamFrom) return false;
  if (v.rows()) return floats_to_alignment(out) == 0 && v.channels % kLanes == 0;
  return v.group == 1 || floats_to_alignment(out) == 0;
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
