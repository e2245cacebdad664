// Sums over the values of each channel, for all parts of a launch: what `moments` and the
// reductions of backward have in common. An operation says
//
//   Part      what it needs of a part: pointers
//   Channel   what a thread keeps of its channel          Op::channel(part, c)
//   Values    what a thread loads at once                 Op::load<kWidth>(part, index, position)
//   Own       what a thread sums up                       Op::add(values, k, channel, own)
//   Sum            doubles that can be merged                  Op::sum(own), Op::merge(left, right)
//   finish    what becomes of a channel's sum             Op::finish(part, c, sum)
//
// index = where a value stands in memory, position = sample * points + point. Loads are apart from
// sums, so that several are on their way.
#pragma once
#include <cub/block/block_reduce.cuh>

#include "batch_norm/device.h"
#include "cuda/index.h"

namespace braid::batch_norm {

template <class Op>
struct SumPart {
  typename Op::Part own;
  Lay lay;
  Tiling tiling;
  typename Op::Sum* partial;  ///< [tiles, C]
};

template <class Op>
struct Merge {
  __device__ typename Op::Sum operator()(const typename Op::Sum& a,
                                         const typename Op::Sum& b) const {
    return Op::merge(a, b);
  }
};

template <class Op>
__device__ void give(const SumPart<Op>& p, int64_t tile, int64_t c, const typename Op::Sum& sum) {
  if (p.tiling.tiles == 1)
    Op::finish(p.own, p.lay, c, sum);
  else
    p.partial[tile * p.lay.channels + c] = sum;
}

/// `take(load())` so many times, kAhead loads on their way; load() goes on to the next values by
/// itself.
template <int kAhead, class Load, class Take>
__device__ void stream(int times, Load load, Take take) {
  for (; times >= kAhead; times -= kAhead) {
    decltype(load()) values[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) values[k] = load();
#pragma unroll
    for (int k = 0; k < kAhead; ++k) take(values[k]);
  }
#pragma unroll 1
  for (; times > 0; --times) take(load());
}

// A block has a run of one channel's values, through all samples; kWidth at a time.
template <class Op, int kWidth>
__global__ void __launch_bounds__(kThreads, kWidth == 8 ? 2 : 3)
    sum_planes(const __grid_constant__ cuda::Parts<SumPart<Op>> parts) {
  using Reduce = cub::BlockReduce<typename Op::Sum, kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const SumPart<Op>& p = parts.at[blockIdx.z];
  const Lay& lay = p.lay;
  if (blockIdx.x >= p.tiling.tiles * lay.channels) return;
  const int64_t c = cuda::quotient(blockIdx.x, p.tiling.tiles);
  const int64_t tile = blockIdx.x - c * p.tiling.tiles;
  const int64_t plane = lay.points / kWidth, first = tile * p.tiling.length / kWidth;
  const int64_t whole = first + p.tiling.length / kWidth, all = lay.count() / kWidth;
  const int64_t end = whole < all ? whole : all;
  const auto channel = Op::channel(p.own, lay, c);
  auto own = Op::start();
  int64_t i = first + threadIdx.x;
  const int64_t n = cuda::quotient(i, plane), dn = kThreads / plane, d = kThreads - dn * plane;
  int64_t at = i - n * plane, index = (n * lay.channels + c) * lay.points + at * kWidth;
  const int64_t step = dn * lay.channels * lay.points + d * kWidth;
  const int64_t wrap = (lay.channels - 1) * lay.points;  // to the next sample
  auto load = [&] {
    const auto values = Op::template load<kWidth>(p.own, index, i * kWidth);
    i += kThreads, index += step, at += d;
    if (at >= plane) at -= plane, index += wrap;
    return values;
  };
  const int times = i < end ? int((end - i + kThreads - 1) / kThreads) : 0;
  stream<kWidth == 1 ? 8 : 4>(times, load, [&](const auto& values) {
#pragma unroll
    for (int k = 0; k < kWidth; ++k) Op::add(values, k, channel, own);
  });
  const auto sum = Reduce(storage).Reduce(Op::sum(own), Merge<Op>{});
  if (threadIdx.x == 0) give(p, tile, c, sum);
}

// A block has a run of rows and a strip of columns, kWidth channels for a thread of a column. A
// column's threads are merged pairwise, halves upon halves, four channels at a time.
template <class Op, int kWidth>
__global__ void __launch_bounds__(kThreads, 2)
    sum_rows(const __grid_constant__ cuda::Parts<SumPart<Op>> parts) {
  constexpr int together = kWidth < 4 ? kWidth : 4;
  __shared__ typename Op::Sum sums[together][kThreads];
  const SumPart<Op>& p = parts.at[blockIdx.z];
  const Lay& lay = p.lay;
  if (blockIdx.x >= p.tiling.tiles * p.tiling.strips) return;
  const int64_t tile = cuda::quotient(blockIdx.x, p.tiling.strips);
  const int64_t strip = blockIdx.x - tile * p.tiling.strips;
  const int thread = int(threadIdx.x), columns = p.tiling.columns, column = thread % columns;
  const int lane = thread / columns, lanes = kThreads / columns;
  const int64_t c = (strip * columns + column) * kWidth;
  const int64_t first = tile * p.tiling.length, whole = first + p.tiling.length;
  const int64_t end = whole < lay.count() ? whole : lay.count();
  typename Op::Own own[kWidth];
  for (int k = 0; k < kWidth; ++k) own[k] = Op::start();
  if (c < lay.channels) {
    typename Op::Channel channel[kWidth];
    for (int k = 0; k < kWidth; ++k) channel[k] = Op::channel(p.own, lay, c + k);
    int64_t row = first + lane, index = row * lay.channels + c;
    const int times = row < end ? int(cuda::quotient(end - row + lanes - 1, lanes)) : 0;
    const int64_t step = lanes * lay.channels;
    auto load = [&] {
      const auto values = Op::template load_row<kWidth>(p.own, index, row);
      row += lanes, index += step;
      return values;
    };
    stream<kWidth == 1 ? 8 : 16 / kWidth>(times, load, [&](const auto& values) {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) Op::add(values, k, channel[k], own[k]);
    });
  }
#pragma unroll
  for (int first_k = 0; first_k < kWidth; first_k += together) {
#pragma unroll
    for (int k = 0; k < together; ++k) sums[k][thread] = Op::sum(own[first_k + k]);
    __syncthreads();
    for (int half = kThreads / 2; half >= columns; half /= 2) {
      for (int i = thread; i < together * half; i += kThreads) {
        auto* sum = sums[i / half] + i % half;
        *sum = Op::merge(*sum, sum[half]);
      }
      __syncthreads();
    }
    if (thread < together * columns) {
      const int k = thread % together, of = thread / together;
      const int64_t at = (strip * columns + of) * kWidth + first_k + k;
      if (at < lay.channels) give(p, tile, at, sums[k][of]);
    }
    __syncthreads();
  }
}

// The tiles of a channel, in their order.
constexpr int kMergers = 128;

template <class Op>
__global__ void merge_tiles(const __grid_constant__ cuda::Parts<SumPart<Op>> parts) {
  using Reduce = cub::BlockReduce<typename Op::Sum, kMergers>;
  __shared__ typename Reduce::TempStorage storage;
  const SumPart<Op>& p = parts.at[blockIdx.z];
  const int64_t c = blockIdx.x, tiles = p.tiling.tiles;
  if (tiles == 1) return;
  const int64_t each = (tiles + kMergers - 1) / kMergers;
  auto sum = Op::sum(Op::start());
  for (int64_t t = threadIdx.x * each; t < (threadIdx.x + 1) * each && t < tiles; ++t)
    sum = Op::merge(sum, p.partial[t * p.lay.channels + c]);
  sum = Reduce(storage).Reduce(sum, Merge<Op>{});
  if (threadIdx.x == 0) Op::finish(p.own, p.lay, c, sum);
}

/// The launches of such an operation over activations of type T. `x` is the input that says how
/// they lie.
template <class Op, class T>
class ChannelSums {
 public:
  ChannelSums(std::span<const Signature> signatures, size_t x) {
    constexpr int wide = int(16 / sizeof(T));
    bool packs = true;
    for (auto& s : signatures) {
      lays_.push_back(lay_of(s.in[x]));
      auto& lay = lays_.back();
      packs = packs && (lay.rows ? lay.channels : lay.points) % wide == 0;
    }
    width_ = packs ? wide : 1;
    for (auto& lay : lays_) {
      tilings_.push_back(tiling_of(lay, width_));
      offsets_.push_back(bytes_);
      if (tilings_.back().tiles > 1)
        bytes_ += tilings_.back().tiles * lay.channels * int64_t(sizeof(typename Op::Sum));
    }
  }

  int64_t workspace() const { return bytes_; }
  const Lay& lay(size_t part) const { return lays_[part]; }

  /// `make(args, index)` makes Op::Part.
  template <class Make>
  void enqueue(const LaunchArgs& args, void* workspace, Make make) const {
    auto part = [&](const KernelArgs& a, size_t i) {
      auto partial = static_cast<char*>(workspace) + offsets_[i];
      return SumPart<Op>{make(a, i), lays_[i], tilings_[i],
                         reinterpret_cast<typename Op::Sum*>(partial)};
    };
    cuda::for_parts(args.parts, part, [&](const cuda::Parts<SumPart<Op>>& parts) {
      int64_t blocks = 0, tiles = 0;
      for (int i = 0; i < parts.count; ++i) {
        blocks = std::max(blocks, parts.at[i].tiling.blocks(parts.at[i].lay));
        tiles = std::max(tiles, parts.at[i].tiling.tiles);
      }
      constexpr int wide = int(16 / sizeof(T));
      auto rows = width_ == 1 ? sum_rows<Op, 1> : sum_rows<Op, wide>;
      auto planes = width_ == 1 ? sum_planes<Op, 1> : sum_planes<Op, wide>;
      auto& lay = parts.at[0].lay;
      cuda::launch(args.queue, lay.rows ? rows : planes, {unsigned(blocks), 1, parts.size()},
                   kThreads, parts);
      if (tiles > 1)
        cuda::launch(args.queue, merge_tiles<Op>, {unsigned(lay.channels), 1, parts.size()},
                     kMergers, parts);
    });
  }

 private:
  std::vector<Lay> lays_;
  std::vector<Tiling> tilings_;
  std::vector<int64_t> offsets_;
  int width_ = 1;
  int64_t bytes_ = 0;
};

}  // namespace braid::batch_norm
