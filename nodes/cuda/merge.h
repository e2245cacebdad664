// Merges of partial results: out = f(left, right), unit by unit. A part of a launch may read what
// an earlier part of the same launch wrote, so a thread takes its units through all parts in their
// order: nothing crosses threads, and the order of a merge tree is kept without one launch for each
// of its levels.
//
//   return merge_launch<float>(signatures, Sum{});   // a unit is one float
#pragma once
#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid::cuda {

/// `n` units; all parts of a launch have the same.
template <class U>
struct MergePart {
  const U* left;
  const U* right;
  U* out;
  int64_t n;
};

// No __restrict__ and no read-only loads: `left` may be the `out` of an earlier part.
template <int kWidth, class U, class F>
__device__ void merge_pack(const F& f, const MergePart<U>& p, int64_t i) {
  const auto left = load<kWidth>(p.left + i * kWidth), right = load<kWidth>(p.right + i * kWidth);
  Pack<U, kWidth> out;
  for (int k = 0; k < kWidth; ++k) out.at[k] = f(left.at[k], right.at[k]);
  store(p.out + i * kWidth, out);
}

template <class U, class F>
__global__ void merge_units(const __grid_constant__ Parts<MergePart<U>> parts, const F f) {
  constexpr int width = 16 % sizeof(U) == 0 ? int(16 / sizeof(U)) : 1;
  const int64_t n = parts.at[0].n, packs = n / width;
  const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = first; i < packs; i += step)
    for (int k = 0; k < parts.count; ++k) merge_pack<width>(f, parts.at[k], i);
  for (int64_t i = packs * width + first; i < n; i += step)
    for (int k = 0; k < parts.count; ++k) merge_pack<1>(f, parts.at[k], i);
}

/// U is what f takes two of: how many there are follows from the bytes of the tensor.
template <class U, class F>
Launch merge_launch(std::span<const Signature> signatures, F f) {
  const int64_t n = signatures[0].out[0].bytes() / int64_t(sizeof(U));
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t) {
      return MergePart<U>{a.in<U>(0), a.in<U>(1), a.out<U>(0), n};
    };
    for_parts(args.parts, part, [&](const Parts<MergePart<U>>& parts) {
      launch(args.queue, merge_units<U, F>, {blocks_for(n * int64_t(sizeof(U)), 4096), 1, 1}, 256,
             parts, f);
    });
  }};
}

}  // namespace braid::cuda
