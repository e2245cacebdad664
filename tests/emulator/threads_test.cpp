// Kernels: indices, barriers, collectives, number formats, and what they may touch.
#include <cuda_bf16.h>

#include <cmath>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <numeric>

#include "testing.h"

namespace emulator {
namespace {

__global__ void number(int* out) {
  const int block = int(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z));
  const int thread = int(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
  const int threads = int(blockDim.x * blockDim.y * blockDim.z);
  out[block * threads + thread] = block * threads + thread;
}

TEST_F(Emulator, RunsEveryThreadOfEveryBlock) {
  std::vector<int> expected(2 * 3 * 4 * 8 * 2 * 3);
  std::iota(expected.begin(), expected.end(), 0);
  auto made = [&] {
    int* out = on_device<int>(expected.size());
    auto stream = make_stream();
    good(run(stream, number, {2, 3, 4}, {8, 2, 3}, out));
    good(cudaStreamSynchronize(stream));
    return read(out, expected.size());
  };
  EXPECT_EQ(agreeing_seeds(20, made, expected), 20);
}

__global__ void add_to_all(int* x, int by) { x[threadIdx.x] += by; }

__global__ void reverse(int* x, bool waits) {
  __shared__ int shared[64];
  shared[threadIdx.x] = x[threadIdx.x];
  if (waits) __syncthreads();
  x[threadIdx.x] = shared[63 - threadIdx.x];
}

TEST_F(Emulator, ABarrierIsKeptAndALostOneIsNoticed) {
  std::vector<int> expected(64);
  std::iota(expected.rbegin(), expected.rend(), 0);
  int key = 0;  // shared memory must not hold the right numbers of the time before
  auto made = [&](bool waits) {
    return [&, waits] {
      int* x = on_device<int>(64);
      auto stream = make_stream();
      good(run(stream, number, 1, 64, x));
      good(run(stream, add_to_all, 1, 64, x, ++key));
      good(run(stream, reverse, 1, 64, x, waits));
      good(run(stream, add_to_all, 1, 64, x, -key));
      good(cudaStreamSynchronize(stream));
      return read(x, 64);
    };
  };
  EXPECT_EQ(agreeing_seeds(20, made(true), expected), 20);
  EXPECT_LT(agreeing_seeds(20, made(false), expected), 15);
}

__global__ void leave_early(int* out) {
  __shared__ int sum[8];
  if (threadIdx.x >= 8) return;
  sum[threadIdx.x] = int(threadIdx.x);
  for (int width = 4; width > 0; width /= 2) {
    __syncthreads();
    if (int(threadIdx.x) < width) sum[threadIdx.x] += sum[int(threadIdx.x) + width];
  }
  if (threadIdx.x == 0) *out = sum[0];
}

TEST_F(Emulator, ABarrierDoesNotWaitForThreadsThatHaveReturned) {
  auto made = [] {
    int* out = on_device<int>(1);
    auto stream = make_stream();
    good(run(stream, leave_early, 1, 32, out));
    good(cudaStreamSynchronize(stream));
    return read(out, 1)[0];
  };
  EXPECT_EQ(agreeing_seeds(20, made, 28), 20);
}

__global__ void collect(int* sums, int* running, int* greatest, int threads) {
  using Reduce = cub::BlockReduce<int, 64>;
  using Scan = cub::BlockScan<int, 64>;
  __shared__ Reduce::TempStorage reduce;
  __shared__ Scan::TempStorage scan;
  if (int(threadIdx.x) >= threads) return;
  const int mine = int(threadIdx.x) + 1;
  sums[threadIdx.x] = Reduce(reduce).Sum(mine);
  Scan(scan).ExclusiveSum(mine, running[threadIdx.x]);
  __syncthreads();
  auto larger = [](int a, int b) { return a < b ? b : a; };
  const int most = Reduce(reduce).Reduce(mine, larger);
  if (threadIdx.x == 0) *greatest = most;
}

TEST_F(Emulator, CollectivesReduceAndScan) {
  int *sums = on_device<int>(64), *running = on_device<int>(64), *most = on_device<int>(1);
  auto stream = make_stream();
  good(run(stream, collect, 1, 64, sums, running, most, 64));
  good(cudaStreamSynchronize(stream));
  EXPECT_EQ(read(sums, 64)[0], 64 * 65 / 2);
  EXPECT_NE(read(sums, 64)[1], 64 * 65 / 2) << "only thread 0 may know";
  for (int i = 0; i < 64; ++i) EXPECT_EQ(read(running, 64)[size_t(i)], i * (i + 1) / 2);
  EXPECT_EQ(read(most, 1)[0], 64);
}

TEST_F(Emulator, CollectivesAreForWholeBlocks) {
  int *sums = on_device<int>(64), *running = on_device<int>(64), *most = on_device<int>(1);
  auto stream = make_stream();
  EXPECT_DEATH(
      {
        run(stream, collect, 1, 64, sums, running, most, 63);
        cudaStreamSynchronize(stream);
      },
      "only some of a block");
  EXPECT_DEATH(
      {
        run(stream, collect, 1, 32, sums, running, most, 64);
        cudaStreamSynchronize(stream);
      },
      "block of 32 x 1 x 1");
}

TEST(EmulatedNumbers, BFloat16RoundsToNearestEven) {
  auto round = [](uint32_t bits) { return __float2bfloat16_rn(__uint_as_float(bits)).bits; };
  EXPECT_EQ(round(0x3f800000), 0x3f80);
  EXPECT_EQ(round(0x3f808000), 0x3f80);  // half way, to even
  EXPECT_EQ(round(0x3f818000), 0x3f82);
  EXPECT_EQ(round(0x3f808001), 0x3f81);
  EXPECT_EQ(round(0xbf818000), 0xbf82);
  EXPECT_EQ(round(0x7f7fffff), 0x7f80);  // to infinity
  EXPECT_EQ(round(0x7f800001), 0x7fff);  // a NaN
  EXPECT_EQ(round(0x00000001), 0x0000);
  EXPECT_EQ(__bfloat162float(__float2bfloat16_rn(-2.5f)), -2.5f);
}

// ---- what a kernel may touch

__global__ void write_at(float* x, int64_t i) { x[i] = 1; }
__global__ void read_at(const float* x, int64_t i, float* y) { *y = x[i]; }

using EmulatorDeath = Emulator;

TEST_F(EmulatorDeath, AKernelThatWritesOutsideIsFound) {
  float* x = on_device<float>(100);  // 400 bytes of 512
  auto stream = make_stream();
  auto write = [&](int64_t i) {
    run(stream, write_at, 1, 1, x, i);
    cudaStreamSynchronize(stream);
  };
  EXPECT_DEATH(write(100), "write_at.*\n.*wrote 0 bytes behind an allocation of 400 bytes");
  EXPECT_DEATH(write(127), "wrote 108 bytes behind an allocation of 400 bytes");
  EXPECT_DEATH(write(-1), "before an allocation");
  EXPECT_DEATH(write(128), "touched memory outside of an allocation of 400 bytes");
  EXPECT_DEATH(write(-1000), "touched memory outside of an allocation of 400 bytes");
  EXPECT_DEATH(write(int64_t(1) << 50), "nobody's");
  write(99);
}

TEST_F(EmulatorDeath, AKernelThatReadsFarOutsideIsFound) {
  float *x = on_device<float>(128), *y = on_device<float>(1);
  auto stream = make_stream();
  EXPECT_DEATH(
      {
        run(stream, read_at, 1, 1, x, 128, y);
        cudaStreamSynchronize(stream);
      },
      "touched memory outside");
}

TEST_F(EmulatorDeath, AKernelHasNoAccessToAnotherDevice) {
  set_devices(2);
  float* x = on_device<float>(4);
  good(cudaSetDevice(1));
  auto stream = make_stream();
  EXPECT_DEATH(
      {
        run(stream, write_at, 1, 1, x, 0);
        cudaStreamSynchronize(stream);
      },
      "memory of device 0, which is not its own");
}

TEST_F(EmulatorDeath, HostCodeHasNoAccessToDeviceMemory) {
  float* x = on_device<float>(4);
  EXPECT_DEATH(*static_cast<volatile float*>(x) = 1, "host code");
  protect(false);
  *x = 3;
  protect(true);
  EXPECT_EQ(read(x, 1)[0], 3);
  EXPECT_DEATH(*static_cast<volatile float*>(x) = 1, "host code");
}

TEST_F(Emulator, FreshMemoryIsNoNumber) {
  float* x = on_device<float>(10);
  for (float v : read(x, 10)) EXPECT_TRUE(std::isnan(v));
}

}  // namespace
}  // namespace emulator
