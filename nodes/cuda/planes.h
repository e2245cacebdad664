// Kernels over images, a thread a row's run of cells: kWidth cells that lie side by side in a row,
// which are one access of 16 bytes where rows are long enough.
//
//   template <int kWidth>
//   __global__ void fill(const __grid_constant__ Parts<Part> parts, PlaneSize size) {
//     for_each_run<kWidth>(parts.at[blockIdx.z].planes, size, [&](const Run& run) {...});
//   }
#pragma once
#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid::cuda {

struct PlaneSize {
  int height, width;
};

struct Run {
  int64_t plane;
  int row, column;  ///< of the first cell
  int64_t at;       ///< its index in the tensor
};

template <int kWidth, class F>
__device__ void for_each_run(int64_t planes, PlaneSize size, F f) {
  const unsigned across = unsigned(size.width / kWidth), each = across * unsigned(size.height);
  const int64_t runs = planes * each, step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < runs; i += step) {
    const int64_t plane = runs >> 32 ? i / each : int64_t(unsigned(i) / each);
    const unsigned in_plane = unsigned(i - plane * each);
    const unsigned row = in_plane / across;
    f(Run{plane, int(row), int((in_plane - row * across) * kWidth), i * kWidth});
  }
}

/// Cells of a run of f32 for rows of this width.
inline int run_width(int64_t width) { return width % 4 == 0 ? 4 : 1; }

}  // namespace braid::cuda
