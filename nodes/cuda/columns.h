// Sums of the columns of a matrix [rows, columns] in f64. A block takes 32 columns and a tile of
// rows, which its 8 lines of threads share; then the tiles are added, in their order.
#pragma once
#include <vector>

#include "cuda/launch.h"
#include "cuda/totals.h"

namespace braid::cuda {

constexpr int kColumnLanes = 32, kColumnLines = 8;

template <class In>
struct ColumnPart {
  const In* x;
  double* partial;  ///< [tiles, columns]
  int64_t rows, tile;
};

template <class In>
__global__ void sum_column_tiles(const __grid_constant__ Parts<ColumnPart<In>> parts,
                                 const int64_t columns) {
  __shared__ double lines[kColumnLines][kColumnLanes];
  const auto& p = parts.at[blockIdx.z];
  const int lane = int(threadIdx.x) % kColumnLanes, line = int(threadIdx.x) / kColumnLanes;
  const int64_t column = int64_t(blockIdx.x) * kColumnLanes + lane;
  const int64_t begin = blockIdx.y * p.tile;
  const int64_t end = begin + p.tile < p.rows ? begin + p.tile : p.rows;
  if (begin >= end) return;
  double sum = 0;
  if (column < columns)
    for (int64_t row = begin + line; row < end; row += kColumnLines)
      sum += double(p.x[row * columns + column]);
  lines[line][lane] = sum;
  __syncthreads();
  if (line > 0 || column >= columns) return;
  for (int k = 1; k < kColumnLines; ++k) sum += lines[k][lane];
  p.partial[blockIdx.y * columns + column] = sum;
}

template <class Out>
__global__ void add_column_tiles(const __grid_constant__ Parts<TileSums<Out>> parts,
                                 const int64_t columns) {
  const auto& p = parts.at[blockIdx.z];
  const int64_t column = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  double sum = 0;
  for (int64_t tile = 0; tile < p.count; ++tile) sum += p.partial[tile * columns + column];
  p.out[column] = Out(sum);
}

/// Output 0 from input 0; `rows` of each part.
template <class In, class Out>
Launch column_sums(std::vector<int64_t> rows, int64_t columns) {
  auto tile = [](int64_t n) { return tile_of(n, 64, 256); };
  int64_t most = 0;
  for (int64_t n : rows) most = std::max(most, tiles_of(n, tile(n)));
  const auto bytes = int64_t(rows.size()) * most * columns * int64_t(sizeof(double));
  auto enqueue = [=](const LaunchArgs& args) {
    auto partial = [&](size_t i) {
      return static_cast<double*>(args.workspace) + int64_t(i) * most * columns;
    };
    auto part = [&](const KernelArgs& a, size_t i) {
      return ColumnPart<In>{a.in<In>(0), partial(i), rows[i], tile(rows[i])};
    };
    const auto strips = unsigned((columns + kColumnLanes - 1) / kColumnLanes);
    for_parts(args.parts, part, [&](const Parts<ColumnPart<In>>& parts) {
      launch(args.queue, sum_column_tiles<In>, {strips, unsigned(most), parts.size()},
             kColumnLanes * kColumnLines, parts, columns);
    });
    auto total = [&](const KernelArgs& a, size_t i) {
      return TileSums<Out>{partial(i), tiles_of(rows[i], tile(rows[i])), a.out<Out>(0)};
    };
    for_parts(args.parts, total, [&](const Parts<TileSums<Out>>& parts) {
      launch(args.queue, add_column_tiles<Out>, {unsigned((columns + 127) / 128), 1, parts.size()},
             128, parts, columns);
    });
  };
  return {enqueue, bytes};
}

}  // namespace braid::cuda
