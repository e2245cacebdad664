// The weights of a mask beside the values they belong to. A mask has one weight for each position;
// in a blocked slice the channels of a group lie side by side, so each weight is repeated for them.
//
// Included once for each target by foreach_target.h.
#if defined(BRAID_BATCH_NORM_WEIGHTS) == defined(HWY_TARGET_TOGGLE)
#ifdef BRAID_BATCH_NORM_WEIGHTS
#undef BRAID_BATCH_NORM_WEIGHTS
#else
#define BRAID_BATCH_NORM_WEIGHTS
#endif

#include "batch_norm/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

/// Cuts the points of an image so that their weights, repeated, fit into the workspace:
/// f(first point, points).
template <int64_t kGroup, class F>
HWY_INLINE void for_each_stretch(const View& v, const F& f) {
  constexpr int64_t most = kStretch / kGroup;
  for (int64_t from = 0; from < v.points; from += most) f(from, std::min(most, v.points - from));
}

/// One weight for each float of a stretch of a slice; written to `room` where channels alternate.
template <int64_t kGroup>
HWY_INLINE const float* beside(const float* w, int64_t points, float* room) {
  if constexpr (kGroup == 1) return w;
  for (int64_t p = 0; p < points; ++p) std::fill_n(room + p * kGroup, kGroup, w[p]);
  return room;
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
