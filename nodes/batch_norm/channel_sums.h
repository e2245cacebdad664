// Sums over the values of each channel, for all parts of a launch: what `moments` and the
// reductions of backward have in common. An operation says
//
//   Part      what it needs of a part: pointers
//   Channel   what a thread keeps of its channel   Op::channel(part, lay, c, first)
//   Values    what a thread loads at once          Op::load<kWidth>(part, index, position)
//             and, where Op::kWrites, settles      Op::settle(part, values)
//   Own<R>    what a thread sums up, in R          Op::add(values, k, channel, own)
//   Sum       what a block sums up                 Op::sum(own), Op::merge(left, right)
//   Tile      doubles that tiles are merged as     Op::tile(channel, sum, n), Op::merge(left,
//   right) finish    what becomes of a channel's tiles    Op::finish(part, lay, c, tile)
//
// index = where a value stands in memory (`first`: the first of a tile), position =
// sample * points + point. Loads are apart from sums, so that several are on their way.
//
// R is double, but where Op::kShort: then a few values at a time are summed in floats, and those
// sums in doubles, unless Op::holds(own) sees that floats do not suffice.
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
  typename Op::Tile* partial;  ///< [tiles, C]
};

template <class Op>
struct Merge {
  template <class Sum>
  __device__ Sum operator()(const Sum& a, const Sum& b) const {
    return Op::merge(a, b);
  }
};

template <class Op>
__device__ void give(const SumPart<Op>& p, int64_t tile, int64_t c, const typename Op::Tile& sum) {
  if (p.tiling.tiles == 1)
    Op::finish(p.own, p.lay, c, sum);
  else
    p.partial[tile * p.lay.channels + c] = sum;
}

/// `add(i, own)` for i = 0 ... n - 1; n is at most kMost.
template <class Op, int kMost, class Add>
__device__ void add_run(int n, typename Op::template Own<double>& own, Add add) {
  if constexpr (Op::kShort && kMost > 1) {
    auto run = Op::template start<float>();
#pragma unroll
    for (int i = 0; i < kMost; ++i)
      if (i < n) add(i, run);
    if (Op::holds(run)) {
      own += run;
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < kMost; ++i)
    if (i < n) add(i, own);
}

/// `take(values, n)` for so many loads, kAhead of them on their way, n at most; load() goes on to
/// the next values by itself.
template <int kAhead, class Load, class Take>
__device__ void stream(int times, Load load, Take take) {
  decltype(load()) values[kAhead];
  for (; times >= kAhead; times -= kAhead) {
#pragma unroll
    for (int k = 0; k < kAhead; ++k) values[k] = load();
    take(values, kAhead);
  }
  if (times == 0) return;
#pragma unroll
  for (int k = 0; k < kAhead; ++k)
    if (k < times) values[k] = load();
  take(values, times);
}

/// What is written of n loads; behind all of them, so that none waits for another's result.
template <class Op, int kMost, class Values>
__device__ void settle(const typename Op::Part& part, Values& values, int n) {
  if constexpr (Op::kWrites) {
#pragma unroll
    for (int i = 0; i < kMost; ++i)
      if (i < n) Op::settle(part, values[i]);
  }
}

/// How many blocks a multiprocessor should have at a time, by the registers that a thread needs.
template <class Op, int kWidth>
constexpr int blocks_of = kWidth == 8 && sizeof(typename Op::template Values<kWidth>) > 16 ? 2 : 3;

// A block has a run of one channel's values, through all samples; kWidth at a time.
template <class Op, int kWidth>
__global__ void __launch_bounds__(kThreads, blocks_of<Op, kWidth>)
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
  // In values: where the tile begins, and its count.
  const int64_t from = tile * p.tiling.length, of = cuda::quotient(from, lay.points);
  const auto channel =
      Op::channel(p.own, lay, c, (of * (lay.channels - 1) + c) * lay.points + from);
  auto own = Op::template start<double>();
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
  constexpr int ahead = kWidth == 1 ? 8 : 4;
  stream<ahead>(times, load, [&](auto& values, int n) {
    settle<Op, ahead>(p.own, values, n);
#pragma unroll
    for (int j = 0; j < ahead; ++j)
      if (j < n)
        add_run<Op, kWidth>(kWidth, own,
                            [&](int k, auto& sum) { Op::add(values[j], k, channel, sum); });
  });
  const auto sum = Reduce(storage).Reduce(Op::sum(own), Merge<Op>{});
  const int64_t count = end > first ? (end - first) * kWidth : 0;
  if (threadIdx.x == 0) give(p, tile, c, Op::tile(channel, sum, count));
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
  auto channel_of = [&](int64_t c) { return Op::channel(p.own, lay, c, first * lay.channels + c); };
  typename Op::template Own<double> own[kWidth];
  for (int k = 0; k < kWidth; ++k) own[k] = Op::template start<double>();
  if (c < lay.channels) {
    typename Op::Channel channel[kWidth];
    for (int k = 0; k < kWidth; ++k) channel[k] = channel_of(c + k);
    int64_t row = first + lane, index = row * lay.channels + c;
    const int times = row < end ? int(cuda::quotient(end - row + lanes - 1, lanes)) : 0;
    const int64_t step = lanes * lay.channels;
    auto load = [&] {
      const auto values = Op::template load_row<kWidth>(p.own, index, row);
      row += lanes, index += step;
      return values;
    };
    // As many as registers suffice for.
    constexpr int ahead = kWidth == 1 ? 8 : kWidth == 8 && sizeof(load()) > 16 ? 2 : 4;
    stream<ahead>(times, load, [&](auto& values, int n) {
      settle<Op, ahead>(p.own, values, n);
#pragma unroll
      for (int k = 0; k < kWidth; ++k)
        add_run<Op, ahead>(n, own[k],
                           [&](int j, auto& sum) { Op::add(values[j], k, channel[k], sum); });
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
      const int64_t count = end > first ? end - first : 0;
      if (at < lay.channels) give(p, tile, at, Op::tile(channel_of(at), sums[k][of], count));
    }
    __syncthreads();
  }
}

// The tiles of a channel, in their order.
constexpr int kMergers = 128;

template <class Op>
__global__ void merge_tiles(const __grid_constant__ cuda::Parts<SumPart<Op>> parts) {
  using Reduce = cub::BlockReduce<typename Op::Tile, kMergers>;
  __shared__ typename Reduce::TempStorage storage;
  const SumPart<Op>& p = parts.at[blockIdx.z];
  const int64_t c = blockIdx.x, tiles = p.tiling.tiles;
  if (tiles == 1) return;
  const int64_t each = (tiles + kMergers - 1) / kMergers;
  typename Op::Tile sum{};
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
        bytes_ += tilings_.back().tiles * lay.channels * int64_t(sizeof(typename Op::Tile));
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
                         reinterpret_cast<typename Op::Tile*>(partial)};
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
