// Softmax of rows [outer, count, inner], by one thread where rows are short or stand side by side,
// and by a block where they are long. Exponentials in f32, their sums in f64.
#pragma once
#include "cuda/block.h"
#include "ops/rows.h"

namespace braid::cuda {

constexpr int kRowThreads = 128;
/// Longer rows get a block each, when their elements are neighbours.
constexpr int64_t kShortRow = 32;
inline bool by_blocks(const Rows& rows) { return rows.inner == 1 && rows.count > kShortRow; }

/// What a loss has to know of a row beside its softmax.
struct Spread {
  float most;  ///< the largest element
  double z;    ///< sum of exp(x - most)
};

/// Keeps the exponentials in registers.
template <int kMost>
__device__ Spread softmax_kept(const float* x, float* y, int64_t count, int64_t stride) {
  float e[kMost], most = x[0];
  double z = 0;
  for (int c = 0; c < kMost; ++c) {
    e[c] = c < count ? x[c * stride] : -INFINITY;
    most = fmaxf(most, e[c]);
  }
  for (int c = 0; c < kMost; ++c) {
    e[c] = expf(e[c] - most);
    if (c < count) z += double(e[c]);
  }
  const float share = float(1 / z);
  for (int c = 0; c < kMost; ++c)
    if (c < count) y[c * stride] = e[c] * share;
  return {most, z};
}

/// By one thread: elements stand `stride` apart.
__device__ inline Spread softmax_row(const float* x, float* y, int64_t count, int64_t stride) {
  if (count <= 4) return softmax_kept<4>(x, y, count, stride);
  if (count <= 12) return softmax_kept<12>(x, y, count, stride);
  if (count <= 24) return softmax_kept<24>(x, y, count, stride);
  float most = x[0];
  for (int64_t c = 1; c < count; ++c) most = fmaxf(most, x[c * stride]);
  double z = 0;
  for (int64_t c = 0; c < count; ++c) z += double(expf(x[c * stride] - most));
  const float share = float(1 / z);
  for (int64_t c = 0; c < count; ++c) y[c * stride] = expf(x[c * stride] - most) * share;
  return {most, z};
}

struct RowScratch {
  typename BlockAll<float, kRowThreads>::Storage most;
  typename BlockAll<double, kRowThreads>::Storage sum;
};

__device__ inline double sum_of_row(double own, RowScratch& scratch) {
  return BlockAll<double, kRowThreads>::reduce(scratch.sum, own, Plus{});
}

/// By all threads of a block of kRowThreads: elements are neighbours.
__device__ inline Spread softmax_row(const float* x, float* y, int64_t count, RowScratch& scratch) {
  float most = -INFINITY;
  for (int64_t c = threadIdx.x; c < count; c += kRowThreads) most = fmaxf(most, x[c]);
  most = BlockAll<float, kRowThreads>::reduce(scratch.most, most, Larger{});
  double z = 0;
  for (int64_t c = threadIdx.x; c < count; c += kRowThreads) z += double(expf(x[c] - most));
  z = sum_of_row(z, scratch);
  const float share = float(1 / z);
  for (int64_t c = threadIdx.x; c < count; c += kRowThreads) y[c] = expf(x[c] - most) * share;
  return {most, z};
}

}  // namespace braid::cuda
