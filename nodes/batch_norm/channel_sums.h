// Sums over the values of each channel, for all parts of a launch: what `moments` and the
// reductions of backward have in common. An operation says
//
//   Part      what it needs of a part: pointers
//   Channel   what a thread keeps of its channel   Op::channel(part, lay, c)
//   Values    what a thread loads at once          Op::load<kWidth>(part, index, position)
//             and, where Op::kWrites, settles      Op::settle(part, values)
//   Own<R>    what a thread sums up, in R          Op::add(values, k, channel, own)
//   Sum       doubles that can be merged           Op::sum(own), Op::merge(left, right)
//   finish    what becomes of a channel's sum      Op::finish(part, lay, c, sum)
//
// index = where a value stands in memory, position = sample * points + point. Loads are apart from
// sums, so that several are on their way.
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
  typename Op::Sum* partial;  ///< [C, tiles]
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
    p.partial[c * p.tiling.tiles + tile] = sum;
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

/// How a thread reads: so many loads at a time, the next ones on their way while these are summed
/// if registers suffice for it; and how many blocks a multiprocessor should have.
struct Reading {
  int ahead;
  bool overlapped;
  int blocks;
};
template <class Op, int kWidth, bool kRows>
constexpr Reading reading_of() {
  constexpr size_t bytes = sizeof(typename Op::template Values<kWidth>);
  const bool large = bytes > (Op::kShort && kWidth == 4 ? 8 : 16);
  // As many rows as where nothing is written, since that is how many are summed in floats.
  if (Op::kWrites) {
    const int rows = kWidth == 1 ? 8 : kWidth == 4 ? 4 : 2, planes = kWidth == 1 ? 4 : 2;
    return {kRows ? rows : planes, false, 2};
  }
  if (kWidth == 1) return {8, true, kRows ? 2 : 3};
  if (kWidth == 8) return {kRows && large ? 2 : 4, false, kRows || large ? 2 : 3};
  return {!kRows && large ? 2 : 4, true, kRows ? 2 : 3};
}

/// `take(values, n)` for so many loads, n of them at a time; load() goes on to the next values by
/// itself.
template <int kAhead, bool kOverlapped, class Load, class Take>
__device__ void stream(int times, Load load, Take take) {
  using Values = decltype(load());
  auto fetch = [&](Values(&values)[kAhead], int n) {
    if (n >= kAhead) {
#pragma unroll
      for (int k = 0; k < kAhead; ++k) values[k] = load();
    } else {
#pragma unroll
      for (int k = 0; k < kAhead; ++k)
        if (k < n) values[k] = load();
    }
  };
  Values now[kAhead];
  if constexpr (kOverlapped) {
    Values next[kAhead];
    fetch(now, times);
    for (; times > kAhead; times -= kAhead) {
      fetch(next, times - kAhead);
      take(now, kAhead);
#pragma unroll
      for (int k = 0; k < kAhead; ++k) now[k] = next[k];
    }
    take(now, times);
  } else {
    for (; times > 0; times -= kAhead) {
      fetch(now, times);
      take(now, times < kAhead ? times : kAhead);
    }
  }
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

// A block has a run of one channel's values, through all samples; kWidth at a time.
template <class Op, int kWidth>
__global__ void __launch_bounds__(kThreads, reading_of<Op, kWidth, false>().blocks)
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
  constexpr auto reading = reading_of<Op, kWidth, false>();
  stream<reading.ahead, reading.overlapped>(times, load, [&](auto& values, int n) {
    settle<Op, reading.ahead>(p.own, values, n);
#pragma unroll
    for (int j = 0; j < reading.ahead; ++j)
      if (j < n)
        add_run<Op, kWidth>(kWidth, own,
                            [&](int k, auto& sum) { Op::add(values[j], k, channel, sum); });
  });
  const auto sum = Reduce(storage).Reduce(Op::sum(own), Merge<Op>{});
  if (threadIdx.x == 0) give(p, tile, c, sum);
}

// A block has a run of rows and a strip of columns, kWidth channels for a thread of a column. A
// column's threads are merged four channels at a time.
template <class Op, int kWidth>
__global__ void __launch_bounds__(kThreads, reading_of<Op, kWidth, true>().blocks)
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
  typename Op::template Own<double> own[kWidth];
  for (int k = 0; k < kWidth; ++k) own[k] = Op::template start<double>();
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
    constexpr auto reading = reading_of<Op, kWidth, true>();
    stream<reading.ahead, reading.overlapped>(times, load, [&](auto& values, int n) {
      settle<Op, reading.ahead>(p.own, values, n);
#pragma unroll
      for (int k = 0; k < kWidth; ++k)
        add_run<Op, reading.ahead>(
            n, own[k], [&](int j, auto& sum) { Op::add(values[j], k, channel[k], sum); });
    });
  }
  // As many threads as there are sum `per` lanes each, then one of a channel what those have.
  constexpr int per = together;
  const int all = together * columns, of = thread % all, part = thread / all;
  const int k_of = of / columns, column_of = of % columns;
  auto at = [&](int lane) -> typename Op::Sum& { return sums[k_of][lane * columns + column_of]; };
#pragma unroll
  for (int first_k = 0; first_k < kWidth; first_k += together) {
#pragma unroll
    for (int k = 0; k < together; ++k) sums[k][thread] = Op::sum(own[first_k + k]);
    __syncthreads();
    auto sum = at(part * per);
#pragma unroll
    for (int k = 1; k < per; ++k) sum = Op::merge(sum, at(part * per + k));
    __syncthreads();
    at(part) = sum;
    __syncthreads();
    const int64_t to = (strip * columns + column_of) * kWidth + first_k + k_of;
    if (part == 0 && to < lay.channels) {
      for (int k = 1; k < kThreads / all; ++k) sum = Op::merge(sum, at(k));
      give(p, tile, to, sum);
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
  const int each = int((tiles + kMergers - 1) / kMergers);
  const int64_t first = threadIdx.x * each, left = tiles - first;
  const auto* from = p.partial + c * tiles + first;
  typename Op::Sum sum{};
  stream<4, false>(
      int(left < 0      ? 0
          : left < each ? left
                        : each),
      [&] { return *from++; },
      [&](const auto& sums, int n) {
#pragma unroll
        for (int k = 0; k < 4; ++k)
          if (k < n) sum = Op::merge(sum, sums[k]);
      });
  sum = Reduce(storage).Reduce(sum, Merge<Op>{});
  if (threadIdx.x == 0) Op::finish(p.own, p.lay, c, sum);
}

/// The launches of such an operation over activations of type T. `x` is the input that says how
/// they lie.
template <class Op, class T>
class ChannelSums {
 public:
  ChannelSums(std::span<const Signature> signatures, size_t x) {
    auto divides = [](const Lay& lay, int width) {
      return (lay.rows ? lay.channels : lay.points) % width == 0;
    };
    for (auto& s : signatures) {
      lays_.push_back(lay_of(s.in[x]));
      while (!divides(lays_.back(), width_)) width_ = width_ > 4 ? 4 : 1;
    }
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
      auto rows = width_ == 1   ? sum_rows<Op, 1>
                  : width_ == 4 ? sum_rows<Op, 4>
                                : sum_rows<Op, wide>;
      auto planes = width_ == 1   ? sum_planes<Op, 1>
                    : width_ == 4 ? sum_planes<Op, 4>
                                  : sum_planes<Op, wide>;
      auto& lay = parts.at[0].lay;
      cuda::launch(args.queue, lay.rows ? rows : planes, {unsigned(blocks), 1, parts.size()},
                   kThreads, parts);
      if (tiles > 1)
        cuda::launch(args.queue, merge_tiles<Op>, {unsigned(lay.channels), 1, parts.size()},
                     kMergers, parts);
    });
  }

 private:
  static constexpr int wide = int(16 / sizeof(T));
  std::vector<Lay> lays_;
  std::vector<Tiling> tilings_;
  std::vector<int64_t> offsets_;
  int width_ = wide;  ///< values of one load: all that 16 bytes hold, 4 or 1
  int64_t bytes_ = 0;
};

}  // namespace braid::batch_norm
