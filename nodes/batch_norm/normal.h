// What forward makes of a value, and what of a gradient comes through: one formula for all kernels,
// so that backward finds the same sign as forward did.
#pragma once
#include "batch_norm/device.h"

namespace braid::batch_norm {

__device__ inline float normal(const ForwardCoefficients& k, float x) {
  return fmaf(x - k.shift, k.scale, k.offset);
}

template <bool kRelu>
__device__ float passing(const ForwardCoefficients& k, float g, float x) {
  if constexpr (kRelu) return normal(k, x) > 0 ? g : 0;
  return g;
}

}  // namespace braid::batch_norm
