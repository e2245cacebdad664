// Means of rows [rows, count] of neighbours, summed in f64: short rows are brought into shared
// memory together and summed one a thread, long ones get a block each.
#pragma once
#include "cuda/block.h"
#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid::cuda {

struct MeanPart {
  const float* x;
  float* y;
  int64_t rows;
};

constexpr int kMeanThreads = 128;
constexpr int kStaged = 4096;     ///< floats in shared memory
constexpr int kShortMean = 1024;  ///< elements of the longest row that is staged

/// Rows of one block; what stands before them is a whole number of 16-byte packs.
constexpr int64_t staged_rows(int64_t count) {
  return std::max<int64_t>(kStaged / count / 4 * 4, 4);
}

template <class Part>
__global__ void mean_short_rows(const __grid_constant__ Parts<Part> parts, const int count) {
  __shared__ Pack<float, 4> packs[kStaged / 4];
  auto* stage = reinterpret_cast<float*>(packs);
  const Part& p = parts.at[blockIdx.z];
  const int64_t most = staged_rows(count), first = blockIdx.x * most;
  if (first >= p.rows) return;
  const int rows = int(most < p.rows - first ? most : p.rows - first), floats = rows * count;
  const float* x = p.x + first * count;
  for (int i = int(threadIdx.x); i < floats / 4; i += kMeanThreads) packs[i] = load<4>(x + i * 4);
  for (int i = floats / 4 * 4 + int(threadIdx.x); i < floats; i += kMeanThreads) stage[i] = x[i];
  __syncthreads();
  for (int row = int(threadIdx.x); row < rows; row += kMeanThreads) {
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += double(stage[row * count + i]);
    p.y[first + row] = float(sum / double(count));
  }
}

template <class Part>
__global__ void mean_long_rows(const __grid_constant__ Parts<Part> parts, const int64_t count) {
  using Reduce = cub::BlockReduce<double, kMeanThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const Part& p = parts.at[blockIdx.z];
  for (int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    const float* x = p.x + row * count;
    double sum = 0;
    for (int64_t i = threadIdx.x; i < count; i += kMeanThreads) sum += double(x[i]);
    sum = Reduce(storage).Sum(sum);
    if (threadIdx.x == 0) p.y[row] = float(sum / double(count));
    __syncthreads();
  }
}

/// `rows`: of each part.
inline void enqueue_means(const LaunchArgs& args, const std::vector<int64_t>& rows, int64_t count) {
  auto part = [&](const KernelArgs& a, size_t i) {
    return MeanPart{a.in<float>(0), a.out<float>(0), rows[i]};
  };
  for_parts(args.parts, part, [&](const Parts<MeanPart>& parts) {
    const int64_t most = *std::max_element(rows.begin(), rows.end());
    if (count <= kShortMean) {
      const dim3 grid(unsigned((most + staged_rows(count) - 1) / staged_rows(count)), 1,
                      parts.size());
      launch(args.queue, mean_short_rows<MeanPart>, grid, kMeanThreads, parts, int(count));
    } else {
      const dim3 grid(blocks_for(most, 1, 1 << 20), 1, parts.size());
      launch(args.queue, mean_long_rows<MeanPart>, grid, kMeanThreads, parts, count);
    }
  });
}

}  // namespace braid::cuda
