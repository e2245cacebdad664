// bfloat16 as CUDA has it: conversions round to nearest even, NaNs become 0x7fff.
#pragma once
#include <cuda_runtime.h>

struct __nv_bfloat16 {
  uint16_t bits;

  __nv_bfloat16() = default;
  __nv_bfloat16(float v) {
    const uint32_t u = __builtin_bit_cast(uint32_t, v);
    bits = v != v ? 0x7fff : uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16);
  }
  operator float() const { return __builtin_bit_cast(float, uint32_t(bits) << 16); }
};
using nv_bfloat16 = __nv_bfloat16;

inline __nv_bfloat16 __float2bfloat16_rn(float v) { return v; }
inline __nv_bfloat16 __float2bfloat16(float v) { return v; }
inline float __bfloat162float(__nv_bfloat16 v) { return v; }
