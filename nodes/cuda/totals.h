// Sums over many items in f64, in an order that follows from their number alone: a block sums a
// tile, and one block the tiles.
//
//   struct Squares {   // of one part; travels in launch arguments
//     const float* x;
//     __device__ double operator()(int64_t i) const { return double(x[i]) * x[i]; }
//   };
//   Totals<Squares> totals(items);         // of each part
//   return {[=](const LaunchArgs& args) {
//     totals.enqueue(args, 0, [](const KernelArgs& a, size_t) { return Squares{a.in<float>(0)}; });
//   }, totals.workspace()};
//
// With `kRows` an item is the work of a whole block: `double block(int64_t i, Scratch&)` is called
// by all threads of it, and what thread 0 gets counts.
#pragma once
#include <algorithm>
#include <vector>

#include "cuda/block.h"
#include "cuda/launch.h"

namespace braid::cuda {

constexpr int kSumThreads = 256;

/// How many of n items a tile has.
constexpr int64_t tile_of(int64_t n, int64_t least, int64_t most_tiles) {
  const int64_t each = (n + most_tiles - 1) / most_tiles;
  return std::max(least, (each + least - 1) / least * least);
}
constexpr int64_t tiles_of(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

template <class F>
struct SumPart {
  F f;
  int64_t n, tile;
  double* partial;  ///< of each tile; where there is only one, the result
};

template <class F>
__global__ void sum_items(const __grid_constant__ Parts<SumPart<F>> parts) {
  using Reduce = cub::BlockReduce<double, kSumThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const SumPart<F>& p = parts.at[blockIdx.z];
  const int64_t begin = blockIdx.x * p.tile, end = begin + p.tile < p.n ? begin + p.tile : p.n;
  if (begin >= end) return;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kSumThreads) sum += p.f(i);
  sum = Reduce(storage).Sum(sum);
  if (threadIdx.x == 0) p.partial[blockIdx.x] = sum;
}

template <class F>
__global__ void sum_rows(const __grid_constant__ Parts<SumPart<F>> parts) {
  __shared__ typename F::Scratch scratch;
  const SumPart<F>& p = parts.at[blockIdx.z];
  const int64_t begin = blockIdx.x * p.tile, end = begin + p.tile < p.n ? begin + p.tile : p.n;
  double sum = 0;
  for (int64_t i = begin; i < end; ++i) sum += p.f.block(i, scratch);
  if (threadIdx.x == 0 && begin < end) p.partial[blockIdx.x] = sum;
}

template <class T>
struct TileSums {
  const double* partial;
  int64_t count;
  T* out;
};

template <class T>
__global__ void sum_tiles(const __grid_constant__ Parts<TileSums<T>> parts) {
  using Reduce = cub::BlockReduce<double, kSumThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const TileSums<T>& p = parts.at[blockIdx.z];
  if (p.count == 1) return;  // it is the result
  double sum = 0;
  for (int64_t i = threadIdx.x; i < p.count; i += kSumThreads) sum += p.partial[i];
  sum = Reduce(storage).Sum(sum);
  if (threadIdx.x == 0) p.out[0] = T(sum);
}

template <class F, bool kRows = false>
class Totals {
 public:
  /// The number of each part's items.
  explicit Totals(std::vector<int64_t> items) : items_(std::move(items)) {
    for (int64_t n : items_) most_tiles_ = std::max(most_tiles_, tiles_of(n, tile(n)));
  }

  int64_t workspace() const {
    return int64_t(items_.size()) * most_tiles_ * int64_t(sizeof(double));
  }

  /// `make(args, index)` is the functor of a part; the sum goes to output `out`, f64 [1].
  template <class Make>
  void enqueue(const LaunchArgs& args, int out, Make make) const {
    auto partial = [&](size_t i) {
      return static_cast<double*>(args.workspace) + int64_t(i) * most_tiles_;
    };
    auto part = [&](const KernelArgs& a, size_t i) {
      return SumPart<F>{make(a, i), items_[i], tile(items_[i]),
                        tiles(i) == 1 ? a.out<double>(out) : partial(i)};
    };
    for_parts(args.parts, part, [&](const Parts<SumPart<F>>& parts) {
      const dim3 grid(unsigned(most_tiles_), 1, parts.size());
      if constexpr (kRows)
        launch(args.queue, sum_rows<F>, grid, F::threads, parts);
      else
        launch(args.queue, sum_items<F>, grid, kSumThreads, parts);
    });
    if (most_tiles_ == 1) return;
    auto total = [&](const KernelArgs& a, size_t i) {
      return TileSums<double>{partial(i), tiles(i), a.out<double>(out)};
    };
    for_parts(args.parts, total, [&](const Parts<TileSums<double>>& parts) {
      launch(args.queue, sum_tiles<double>, {1, 1, parts.size()}, kSumThreads, parts);
    });
  }

 private:
  int64_t tiles(size_t i) const { return tiles_of(items_[i], tile(items_[i])); }
  static int64_t tile(int64_t n) { return tile_of(n, kRows ? 1 : kSumThreads, 4096); }

  std::vector<int64_t> items_;
  int64_t most_tiles_ = 0;
};

}  // namespace braid::cuda
