#include "cuda/channel_sums.h"

#include <cub/block/block_reduce.cuh>

#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kLanes = 32, kRows = kThreads / kLanes;  // of a block that sums columns

// Values of one channel, or rows of a matrix, that one block sums: at least so many.
constexpr int64_t kTile = 8192, kTileRows = 256;
constexpr int64_t kMostTiles = 64;  // of a channel: one thread adds them up

struct Part {
  const float* x;
  float* sums;
  double* tiles;  // [channels][count]
  int64_t samples, channels, points;
  int64_t tile, count;
};

// A multiple of 4 values.
int64_t tile_of(const Channels& c) {
  const int64_t values = c.samples * c.points, each = (values + kMostTiles - 1) / kMostTiles;
  return std::max(c.points == 1 ? kTileRows : kTile, (each + 3) / 4 * 4);
}
int64_t tiles_of(const Channels& c) {
  return std::max<int64_t>((c.samples * c.points + tile_of(c) - 1) / tile_of(c), 1);
}

// This thread's share of the packs [first, end) of a channel, of which there are less than 2^32.
template <int kWidth>
__device__ double sum_packs(const Part& p, int64_t channel, int64_t first, int64_t end) {
  const unsigned plane = unsigned(p.points / kWidth);
  double sum[4] = {};
  auto add = [&](int64_t i, double& to) {
    const unsigned sample = unsigned(i) / plane, at = unsigned(i) % plane;
    const auto pack =
        load<kWidth>(p.x + (sample * p.channels + channel) * p.points + int64_t(at) * kWidth);
    for (int k = 0; k < kWidth; ++k) to += pack.at[k];
  };
  int64_t i = first + threadIdx.x;
  for (; i + 3 * kThreads < end; i += 4 * kThreads)
    for (int k = 0; k < 4; ++k) add(i + k * kThreads, sum[k]);
  for (; i < end; i += kThreads) add(i, sum[0]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// x is a tile, y a channel.
__global__ void sum_channel_tiles(const __grid_constant__ Parts<Part> parts) {
  using Reduce = cub::BlockReduce<double, kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const Part& p = parts.at[blockIdx.z];
  for (int64_t channel = blockIdx.y; channel < p.channels; channel += gridDim.y)
    for (int64_t tile = blockIdx.x; tile < p.count; tile += gridDim.x) {
      const int64_t first = tile * p.tile, end = min(first + p.tile, p.samples * p.points);
      const double sum = p.points % 4 == 0 ? sum_packs<4>(p, channel, first / 4, end / 4)
                                           : sum_packs<1>(p, channel, first, end);
      const double all = Reduce(storage).Sum(sum);
      if (threadIdx.x == 0) p.tiles[channel * p.count + tile] = all;
      __syncthreads();
    }
}

// x is a strip of columns, y a tile of rows.
__global__ void sum_channel_rows(const __grid_constant__ Parts<Part> parts) {
  __shared__ double rows[kRows][kLanes];
  const Part& p = parts.at[blockIdx.z];
  const int lane = int(threadIdx.x) % kLanes, row = int(threadIdx.x) / kLanes;
  const int64_t strips = (p.channels + kLanes - 1) / kLanes;
  for (int64_t strip = blockIdx.x; strip < strips; strip += gridDim.x)
    for (int64_t tile = blockIdx.y; tile < p.count; tile += gridDim.y) {
      const int64_t column = strip * kLanes + lane;
      const int64_t end = min((tile + 1) * p.tile, p.samples);
      double sum = 0;
      if (column < p.channels)
        for (int64_t i = tile * p.tile + row; i < end; i += kRows)
          sum += p.x[i * p.channels + column];
      rows[row][lane] = sum;
      __syncthreads();
      if (row == 0 && column < p.channels) {
        for (int k = 1; k < kRows; ++k) sum += rows[k][lane];
        p.tiles[column * p.count + tile] = sum;
      }
      __syncthreads();
    }
}

// One thread a channel.
__global__ void add_tiles(const __grid_constant__ Parts<Part> parts) {
  const Part& p = parts.at[blockIdx.z];
  for (int64_t c = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; c < p.channels;
       c += int64_t(gridDim.x) * blockDim.x) {
    double sum = 0;
    for (int64_t tile = 0; tile < p.count; ++tile) sum += p.tiles[c * p.count + tile];
    p.sums[c] = float(sum);
  }
}

template <int kWidth>
__global__ void add(const Channels size, const float* bias, float* y) {
  const int64_t plane = size.points / kWidth, packs = size.samples * size.channels * plane;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < packs;
       i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t slice = packs >> 31 ? i / plane : unsigned(i) / unsigned(plane);
    const int64_t c =
        packs >> 31 ? slice % size.channels : unsigned(slice) % unsigned(size.channels);
    auto pack = load<kWidth>(y + i * kWidth);
    for (int k = 0; k < kWidth; ++k) pack.at[k] += bias[c];
    store(y + i * kWidth, pack);
  }
}

}  // namespace

int64_t sum_workspace(const Channels& c) {
  return (c.channels * tiles_of(c) * int64_t(sizeof(double)) + 255) / 256 * 256;
}

void sum_channels(Queue* queue, std::span<const ChannelSum> all, void* workspace) {
  auto at = static_cast<char*>(workspace);
  for (size_t i = 0; i < all.size();) {
    Parts<Part> parts;
    unsigned tiles = 0, channels = 0;
    const bool columns = all[i].size.points == 1;
    for (; i < all.size() && parts.count < Parts<Part>::most; ++i) {
      const Channels& c = all[i].size;
      parts.at[parts.count++] = {all[i].x,   all[i].sums, reinterpret_cast<double*>(at),
                                 c.samples,  c.channels,  c.points,
                                 tile_of(c), tiles_of(c)};
      at += sum_workspace(c);
      tiles = std::max(tiles, blocks_for(tiles_of(c), 1));
      channels = std::max(channels, blocks_for(c.channels, columns ? kLanes : 1));
    }
    if (columns)
      launch(queue, sum_channel_rows, {channels, tiles, parts.size()}, kThreads, parts);
    else
      launch(queue, sum_channel_tiles, {tiles, channels, parts.size()}, kThreads, parts);
    const unsigned blocks = blocks_for(columns ? channels * kLanes : channels, kThreads);
    launch(queue, add_tiles, {blocks, 1, parts.size()}, kThreads, parts);
  }
}

Launch sum_launch(std::span<const Signature> parts, Channels (*of)(const Operand&)) {
  std::vector<Channels> sizes;
  int64_t workspace = 0;
  for (auto& s : parts) {
    sizes.push_back(of(s.in[0]));
    workspace += sum_workspace(sizes.back());
  }
  auto enqueue = [sizes](const LaunchArgs& args) {
    std::vector<ChannelSum> sums;
    for (size_t i = 0; i < sizes.size(); ++i)
      sums.push_back({sizes[i], args.parts[i].in<float>(0), args.parts[i].out<float>(0)});
    sum_channels(args.queue, sums, args.workspace);
  };
  return {enqueue, workspace};
}

void add_bias(Queue* queue, const Channels& size, const float* bias, float* y) {
  const int64_t count = size.samples * size.channels * size.points;
  if (size.points % 4 == 0)
    launch(queue, add<4>, {blocks_for(count / 4, kThreads), 1, 1}, kThreads, size, bias, y);
  else
    launch(queue, add<1>, {blocks_for(count, kThreads), 1, 1}, kThreads, size, bias, y);
}

}  // namespace braid::cuda
