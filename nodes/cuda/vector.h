// Accesses of 16 bytes, and f32 or bf16 in memory with f32 in registers.
#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace braid::cuda {

template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T at[kCount];
};

/// `from` is a multiple of the pack's size.
template <int kCount, class T>
__device__ inline Pack<T, kCount> load(const T* from) {
  return *reinterpret_cast<const Pack<T, kCount>*>(from);
}
template <class T, int kCount>
__device__ inline void store(T* to, const Pack<T, kCount>& pack) {
  if constexpr (sizeof(pack) == sizeof(uint4) && sizeof(T) < 4) {
    // As one value: the compiler would write a pack of small ones piece by piece.
    uint4 whole;
    __builtin_memcpy(&whole, &pack, sizeof(whole));
    *reinterpret_cast<uint4*>(to) = whole;
  } else {
    *reinterpret_cast<Pack<T, kCount>*>(to) = pack;
  }
}

__device__ inline float to_float(float v) { return v; }
__device__ inline float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }
template <class T>
__device__ inline T from_float(float v);
template <>
__device__ inline float from_float<float>(float v) {
  return v;
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float v) {
  return __float2bfloat16_rn(v);
}

}  // namespace braid::cuda
