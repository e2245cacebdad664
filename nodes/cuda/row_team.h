// The threads that work on one row together: one alone where rows are short or their elements stand
// apart, all of a block where rows are long.
//
//   Team<kBlocks> team(scratch);
//   double sum = 0;
//   for (int64_t c = team.first(); c < count; c += team.step()) sum += x[c];
//   sum = team.sum(sum);   // the same for all of them
#pragma once
#include "cuda/block.h"
#include "cuda/launch.h"
#include "cuda/softmax.h"

namespace braid::cuda {

template <bool kBlocks>
struct Team {
  using Scratch = typename BlockAll<double, kRowThreads>::Storage;
  Scratch& scratch;

  __device__ int64_t first() const { return kBlocks ? threadIdx.x : 0; }
  __device__ int64_t step() const { return kBlocks ? kRowThreads : 1; }
  __device__ double sum(double own) {
    if constexpr (kBlocks)
      return BlockAll<double, kRowThreads>::reduce(scratch, own, Plus{});
    else
      return own;
  }
  /// Row `first_row()`, and on by `row_step()`.
  __device__ int64_t first_row() const {
    return kBlocks ? blockIdx.x : int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  }
  __device__ int64_t row_step() const {
    return kBlocks ? gridDim.x : int64_t(gridDim.x) * blockDim.x;
  }
};

/// The grid for so many rows.
inline dim3 row_grid(int64_t rows, bool blocks, unsigned parts) {
  return {blocks ? blocks_for(rows, 1, 1 << 20) : blocks_for(rows, kRowThreads), 1, parts};
}

}  // namespace braid::cuda
