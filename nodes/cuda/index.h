// Taking indices apart: divisions are the dear part of index arithmetic, and cheap in 32 bits.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace braid::cuda {

/// a / b of numbers that are not negative.
__device__ inline int64_t quotient(int64_t a, int64_t b) {
  if (uint64_t(a | b) >> 32 == 0) return int64_t(uint32_t(a) / uint32_t(b));
  return a / b;
}

/// index = (outer · count + at) · inner + in
struct Place {
  int64_t outer, at, in;

  static __device__ Place of(int64_t index, int64_t count, int64_t inner) {
    const int64_t row = quotient(index, inner), outer = quotient(row, count);
    return {outer, row - outer * count, index - row * inner};
  }
  /// The place of the next index.
  __device__ void step(int64_t count, int64_t inner) {
    if (++in < inner) return;
    in = 0;
    if (++at < count) return;
    at = 0;
    ++outer;
  }
};

}  // namespace braid::cuda
