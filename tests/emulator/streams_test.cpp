// Streams, events, copies, faults.
#include <map>

#include "testing.h"

namespace emulator {
namespace {

__global__ void fill(float* x, int n, float by) {
  for (int i = int(threadIdx.x); i < n; i += int(blockDim.x)) x[i] = by;
}
__global__ void twice(const float* x, float* y, int n) {
  for (int i = int(threadIdx.x); i < n; i += int(blockDim.x)) y[i] = 2 * x[i];
}

/// One stream writes x, another one reads it.
std::vector<float> two_streams(bool waits) {
  float *x = on_device<float>(8), *y = on_device<float>(8);
  auto a = make_stream(), b = make_stream();
  auto written = make_event();
  good(run(a, fill, 1, 8, x, 8, 3.f));
  good(cudaEventRecord(written, a));
  if (waits) good(cudaStreamWaitEvent(b, written));
  good(run(b, twice, 1, 8, x, y, 8));
  good(cudaStreamSynchronize(b));
  return read(y, 8);
}

TEST_F(Emulator, AWaitIsKeptAndAMissingOneIsNoticed) {
  const std::vector<float> expected(8, 6.f);
  EXPECT_EQ(agreeing_seeds(
                30, [] { return two_streams(true); }, expected),
            30);
  EXPECT_LT(agreeing_seeds(
                30, [] { return two_streams(false); }, expected),
            25);
}

TEST_F(Emulator, AWaitIsForTheLastRecordBeforeIt) {
  std::map<float, int> seen;
  for (int s = 1; s <= 40; ++s) {
    reset();
    seed(uint64_t(s));
    float *x = on_device<float>(1), *y = on_device<float>(1);
    auto a = make_stream(), b = make_stream();
    auto event = make_event();
    good(run(a, fill, 1, 1, x, 1, 1.f));
    good(cudaEventRecord(event, a));
    good(cudaStreamWaitEvent(b, event));
    good(run(b, twice, 1, 1, x, y, 1));
    good(run(a, fill, 1, 1, x, 1, 2.f));
    good(cudaEventRecord(event, a));
    good(cudaStreamSynchronize(b));
    ++seen[read(y, 1)[0]];
  }
  EXPECT_EQ(seen.size(), 2u) << "the second write may come before the read, and after it";
  EXPECT_TRUE(seen.contains(2) && seen.contains(4));
}

TEST_F(Emulator, AnEventThatWasNeverRecordedIsDone) {
  auto event = make_event();
  good(cudaEventQuery(event));
  good(cudaStreamWaitEvent(make_stream(), event));
}

TEST_F(Emulator, NothingRunsBeforeSomebodyAsks) {
  float* x = on_device<float>(4);
  auto stream = make_stream();
  const int64_t before = launches();
  for (int i = 0; i < 8; ++i) good(run(stream, fill, 1, 4, x, 4, 1.f));
  EXPECT_EQ(launches(), before);
  auto done = make_event();
  good(cudaEventRecord(done, stream));
  int asked = 0;
  while (cudaEventQuery(done) == cudaErrorNotReady) ++asked;
  EXPECT_GT(asked, 0);
  EXPECT_EQ(launches(), before + 8);
  good(cudaGetLastError());  // being not ready is no error
}

TEST_F(Emulator, PinnedMemoryIsReadLateAndPageableMemoryAtOnce) {
  float *pinned = nullptr, pageable = 1, *x = on_device<float>(2);
  good(cudaMallocHost(reinterpret_cast<void**>(&pinned), 4));
  *pinned = 1;
  auto stream = make_stream();
  good(cudaMemcpyAsync(x, pinned, 4, cudaMemcpyHostToDevice, stream));
  good(cudaMemcpyAsync(x + 1, &pageable, 4, cudaMemcpyHostToDevice, stream));
  *pinned = pageable = 2;
  good(cudaStreamSynchronize(stream));
  EXPECT_EQ(read(x, 2), (std::vector<float>{2, 1}));
  good(cudaMemcpyAsync(pinned, x + 1, 4, cudaMemcpyDeviceToHost, stream));
  EXPECT_EQ(*pinned, 2);
  good(cudaMemcpyAsync(&pageable, x, 4, cudaMemcpyDeviceToHost, stream));
  EXPECT_EQ(pageable, 2);
  EXPECT_EQ(*pinned, 1) << "the stream's order";
}

// From pageable memory, a "blocking" copy may return before it has arrived.
TEST_F(Emulator, OurStreamsDoNotWaitForTheDefaultOne) {
  auto made = [](bool waits) {
    return [waits] {
      const float one = 1;
      float *x = on_device<float>(1), *y = on_device<float>(1);
      auto stream = make_stream();
      good(cudaMemcpy(x, &one, 4, cudaMemcpyHostToDevice));
      if (waits) good(cudaStreamSynchronize(nullptr));
      good(run(stream, twice, 1, 1, x, y, 1));
      good(cudaStreamSynchronize(stream));
      return read(y, 1)[0];
    };
  };
  EXPECT_EQ(agreeing_seeds(30, made(true), 2.f), 30);
  EXPECT_LT(agreeing_seeds(30, made(false), 2.f), 25);
}

TEST_F(Emulator, CopiesAreChecked) {
  float *x = on_device<float>(4), host[8] = {};
  auto stream = make_stream();
  EXPECT_EQ(cudaMemcpy(host, x, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(x, host, 32, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(host, host + 4, 16, cudaMemcpyDeviceToHost, stream),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(x, 0, 17, stream), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  good(cudaGetLastError());
}

TEST_F(Emulator, MemoryEndsAndComesBack) {
  set_memory(1000);
  void *a = nullptr, *b = nullptr;
  good(cudaMalloc(&a, 600));
  EXPECT_EQ(cudaMalloc(&b, 600), cudaErrorMemoryAllocation);
  size_t free = 0, total = 0;
  good(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(free, 400u);
  EXPECT_EQ(allocated(), 600);
  good(cudaFree(a));
  good(cudaMalloc(&b, 600));
  EXPECT_EQ(cudaFree(static_cast<char*>(b) + 1), cudaErrorInvalidValue);
  good(cudaFree(b));
  EXPECT_EQ(allocated(), 0);
}

TEST_F(Emulator, ReleasingMemoryWaitsForTheDevice) {
  float *x = on_device<float>(4), *y = on_device<float>(4);
  auto stream = make_stream();
  good(run(stream, fill, 1, 4, x, 4, 3.f));
  good(run(stream, twice, 1, 4, x, y, 4));
  good(cudaFree(x));
  EXPECT_EQ(read(y, 4)[0], 6);
}

TEST_F(Emulator, LaunchesAreChecked) {
  set_devices(2);
  float* x = on_device<float>(4);
  auto stream = make_stream();
  EXPECT_EQ(run(stream, fill, 1, 1025, x, 4, 1.f), cudaErrorInvalidConfiguration);
  EXPECT_EQ(run(stream, fill, {1, 65536}, 1, x, 4, 1.f), cudaErrorInvalidConfiguration);
  EXPECT_EQ(run(stream, fill, {0, 1, 1}, 1, x, 4, 1.f), cudaErrorInvalidConfiguration);
  good(cudaSetDevice(1));
  EXPECT_EQ(run(stream, fill, 1, 1, x, 4, 1.f), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventRecord(make_event(), stream), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
}

TEST_F(Emulator, PeersExchangeByCopiesOnly) {
  set_devices(2);
  float* x = on_device<float>(4);
  auto a = make_stream();
  auto written = make_event();
  good(run(a, fill, 1, 4, x, 4, 5.f));
  good(cudaEventRecord(written, a));
  good(cudaSetDevice(1));
  float* y = on_device<float>(4);
  auto b = make_stream();
  good(cudaStreamWaitEvent(b, written));
  good(cudaMemcpyPeerAsync(y, 1, x, 0, 16, b));
  EXPECT_EQ(cudaMemcpyPeerAsync(y, 0, x, 1, 16, b), cudaErrorInvalidValue);
  good(cudaStreamSynchronize(b));
  EXPECT_EQ(read(y, 4)[3], 5);
}

// ---- faults

TEST_F(Emulator, AFaultStaysAndIsOfOneDevice) {
  set_devices(2);
  float* x = on_device<float>(4);
  auto stream = make_stream();
  auto event = make_event();
  fail_launch(2);
  good(run(stream, fill, 1, 4, x, 4, 1.f));
  good(run(stream, fill, 1, 4, x, 4, 1.f));
  good(cudaEventRecord(event, stream));
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
  float host[4];
  EXPECT_EQ(cudaEventQuery(event), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaMemcpy(host, x, 16, cudaMemcpyDeviceToHost), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaMalloc(&x, 4), cudaErrorIllegalAddress);
  EXPECT_EQ(run(stream, fill, 1, 4, x, 4, 1.f), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  good(cudaSetDevice(1));
  float* y = on_device<float>(4);
  auto other = make_stream();
  good(run(other, fill, 1, 4, y, 4, 7.f));
  good(cudaStreamSynchronize(other));
}

TEST_F(Emulator, AFaultMayBeOfOneKernel) {
  float *x = on_device<float>(4), *y = on_device<float>(4);
  auto stream = make_stream();
  fail_launch(2, "twice(");
  for (int i = 0; i < 2; ++i) {
    good(run(stream, fill, 1, 4, x, 4, 1.f));
    good(run(stream, fill, 1, 4, x, 4, 1.f));
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    good(run(stream, twice, 1, 4, x, y, 4));
    EXPECT_EQ(cudaStreamSynchronize(stream), i == 0 ? cudaSuccess : cudaErrorIllegalAddress);
  }
}

TEST_F(Emulator, AKernelThatNeverEndsHoldsUpItsStreamOnly) {
  float *x = on_device<float>(4), *y = on_device<float>(4);
  auto a = make_stream(), b = make_stream();
  auto event = make_event();
  hang_launch();
  good(run(a, fill, 1, 4, x, 4, 1.f));
  good(cudaEventRecord(event, a));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  good(run(b, fill, 1, 4, y, 4, 2.f));
  good(cudaStreamSynchronize(b));
  EXPECT_EQ(read(y, 4)[0], 2);
  EXPECT_DEATH(cudaStreamSynchronize(a), "waits for what never ends");
  EXPECT_DEATH(cudaFree(x), "waits for what never ends");
}

TEST_F(Emulator, NoDriverAndNoDevice) {
  set_devices(0);
  int count = 1, driver = 1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  good(cudaDriverGetVersion(&driver));
  EXPECT_EQ(driver, 0);
}

}  // namespace
}  // namespace emulator
