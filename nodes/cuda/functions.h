// Functions of one float that several layers use.
#pragma once
#include <cuda_runtime.h>

#include <cmath>

namespace braid::cuda {

/// 1 / (1 + e^-x), from e^-|x|, so that both tails keep their precision.
__device__ inline float logistic(float x) {
  const float e = expf(-fabsf(x));
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}

/// log(1 + e^x), from e^-|x|.
__device__ inline float softplus(float x) { return (x < 0 ? 0.0f : x) + log1pf(expf(-fabsf(x))); }

}  // namespace braid::cuda
