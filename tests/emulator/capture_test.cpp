// Streams being recorded, and replays.
#include "testing.h"

namespace emulator {
namespace {

__global__ void add(float* x, float by) { *x += by; }
__global__ void times(float* x, float by) { *x *= by; }
__global__ void sum(const float* x, const float* y, float* z) { *z = *x + *y; }

class Capturing : public Emulator {
 protected:
  void begin(cudaStream_t stream) {
    good(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  }
  cudaGraphExec_t end(cudaStream_t stream) {
    cudaGraph_t graph = nullptr;
    good(cudaStreamEndCapture(stream, &graph));
    cudaGraphExec_t executable = nullptr;
    good(cudaGraphInstantiate(&executable, graph, 0));
    good(cudaGraphDestroy(graph));
    return executable;
  }
  cudaError_t failed_end(cudaStream_t stream) {
    cudaGraph_t graph = nullptr;
    auto result = cudaStreamEndCapture(stream, &graph);
    EXPECT_EQ(graph, nullptr);
    cudaGetLastError();
    return result;
  }
};

TEST_F(Capturing, WhatIsRecordedRunsWhenReplayedOnly) {
  float* x = on_device<float>(1);
  auto stream = make_stream();
  begin(stream);
  good(cudaMemsetAsync(x, 0, 4, stream));
  good(run(stream, add, 1, 1, x, 3.f));
  good(run(stream, times, 1, 1, x, 5.f));
  auto step = end(stream);
  const int64_t before = launches();
  good(cudaStreamSynchronize(stream));
  EXPECT_EQ(launches(), before);
  for (int i = 0; i < 3; ++i) good(cudaGraphLaunch(step, stream));
  good(run(stream, add, 1, 1, x, 1.f));
  good(cudaGraphExecDestroy(step));  // what is enqueued still runs
  good(cudaStreamSynchronize(stream));
  EXPECT_EQ(read(x, 1)[0], 16);
  EXPECT_EQ(launches(), before + 7);
}

/// Two branches, joined by events; without the second join the graph lacks an edge that matters.
float forked(bool waits) {
  float *x = on_device<float>(1), *y = on_device<float>(1), *z = on_device<float>(1);
  auto a = make_stream(), b = make_stream();
  auto fork = make_event(), join = make_event();
  good(cudaStreamBeginCapture(a, cudaStreamCaptureModeRelaxed));
  good(cudaMemsetAsync(y, 0, 4, a));
  good(cudaEventRecord(fork, a));
  good(cudaStreamWaitEvent(b, fork));
  good(cudaMemsetAsync(x, 0, 4, a));
  good(run(a, add, 1, 1, x, 1.f));
  good(run(b, add, 1, 1, y, 2.f));
  good(cudaEventRecord(join, b));
  if (waits) good(cudaStreamWaitEvent(a, join));
  good(run(a, sum, 1, 1, x, y, z));
  if (!waits) good(cudaStreamWaitEvent(a, join));
  cudaGraph_t graph = nullptr;
  good(cudaStreamEndCapture(a, &graph));
  cudaGraphExec_t executable = nullptr;
  good(cudaGraphInstantiate(&executable, graph));
  good(cudaGraphLaunch(executable, a));
  good(cudaStreamSynchronize(a));
  return read(z, 1)[0];
}

TEST_F(Capturing, BranchesJoinAndAMissingEdgeIsNoticed) {
  EXPECT_EQ(agreeing_seeds(
                30, [] { return forked(true); }, 3.f),
            30);
  EXPECT_LT(agreeing_seeds(
                30, [] { return forked(false); }, 3.f),
            25);
}

TEST_F(Capturing, ABranchThatIsNotJoinedIsAnError) {
  float* x = on_device<float>(1);
  auto a = make_stream(), b = make_stream();
  auto fork = make_event();
  begin(a);
  good(cudaEventRecord(fork, a));
  good(cudaStreamWaitEvent(b, fork));
  good(run(b, add, 1, 1, x, 1.f));
  EXPECT_EQ(failed_end(a), cudaErrorStreamCaptureUnjoined);
  good(run(b, add, 1, 1, x, 1.f));  // both are ordinary streams again
  good(cudaStreamSynchronize(b));
  good(cudaStreamSynchronize(a));
}

TEST_F(Capturing, ItEndsWhereItBegan) {
  auto a = make_stream(), b = make_stream();
  auto fork = make_event();
  begin(a);
  good(cudaEventRecord(fork, a));
  good(cudaStreamWaitEvent(b, fork));
  EXPECT_EQ(failed_end(b), cudaErrorStreamCaptureUnmatched);
  EXPECT_EQ(failed_end(a), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(failed_end(a), cudaErrorIllegalState);
}

TEST_F(Capturing, NobodyCanWaitForWhatIsOnlyRecorded) {
  float *x = on_device<float>(1), host = 0;
  auto stream = make_stream();
  auto event = make_event();
  auto spoilt_by = [&](auto what, cudaError_t expected) {
    begin(stream);
    good(run(stream, add, 1, 1, x, 1.f));
    good(cudaEventRecord(event, stream));
    EXPECT_EQ(what(), expected);
    EXPECT_EQ(run(stream, add, 1, 1, x, 1.f), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(failed_end(stream), cudaErrorStreamCaptureInvalidated);
  };
  spoilt_by([&] { return cudaEventQuery(event); }, cudaErrorCapturedEvent);
  spoilt_by([&] { return cudaEventSynchronize(event); }, cudaErrorCapturedEvent);
  spoilt_by([&] { return cudaStreamSynchronize(stream); }, cudaErrorStreamCaptureUnsupported);
  spoilt_by([&] { return cudaStreamQuery(stream); }, cudaErrorStreamCaptureUnsupported);
  spoilt_by([&] { return cudaDeviceSynchronize(); }, cudaErrorStreamCaptureUnsupported);
  spoilt_by([&] { return cudaMemcpyAsync(x, &host, 4, cudaMemcpyHostToDevice, stream); },
            cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaEventQuery(event), cudaErrorCapturedEvent) << "after the recording, too";
  EXPECT_EQ(cudaStreamWaitEvent(stream, event), cudaErrorCapturedEvent);
  good(cudaEventRecord(event, stream));
  good(cudaEventSynchronize(event));
}

TEST_F(Capturing, RecordingsDoNotMixWithAnythingElse) {
  float* x = on_device<float>(1);
  auto a = make_stream(), b = make_stream();
  auto before = make_event(), inside = make_event();
  good(run(b, add, 1, 1, x, 1.f));
  good(cudaEventRecord(before, b));
  begin(a);
  EXPECT_EQ(cudaStreamWaitEvent(a, before), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(failed_end(a), cudaErrorStreamCaptureInvalidated);
  begin(a);
  begin(b);
  good(cudaEventRecord(inside, a));
  EXPECT_EQ(cudaStreamWaitEvent(b, inside), cudaErrorStreamCaptureMerge);
  EXPECT_EQ(failed_end(a), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(failed_end(b), cudaErrorStreamCaptureInvalidated);
}

TEST_F(Capturing, RelaxedOnesAllowMemoryToBeTakenAndOtherStreamsToBeUsed) {
  auto a = make_stream(), b = make_stream();
  begin(a);
  float* x = on_device<float>(1);
  good(cudaMemsetAsync(x, 0, 4, b));
  good(cudaStreamSynchronize(b));
  EXPECT_EQ(read(x, 1)[0], 0);
  good(run(a, add, 1, 1, x, 2.f));
  good(cudaGraphLaunch(end(a), a));
  good(cudaStreamSynchronize(a));
  EXPECT_EQ(read(x, 1)[0], 2);
}

TEST_F(Capturing, FaultsAndHangsAreFoundInReplays) {
  float* x = on_device<float>(1);
  auto stream = make_stream();
  auto event = make_event();
  begin(stream);
  for (int i = 0; i < 3; ++i) good(run(stream, add, 1, 1, x, 2.f));
  auto step = end(stream);
  hang_launch(5);
  good(cudaGraphLaunch(step, stream));
  good(cudaStreamSynchronize(stream));
  good(cudaGraphLaunch(step, stream));
  good(cudaEventRecord(event, stream));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  reset();
  stream = make_stream();
  x = on_device<float>(1);
  begin(stream);
  for (int i = 0; i < 3; ++i) good(run(stream, add, 1, 1, x, 2.f));
  step = end(stream);
  fail_launch(3);
  good(cudaGraphLaunch(step, stream));
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
}

}  // namespace
}  // namespace emulator
