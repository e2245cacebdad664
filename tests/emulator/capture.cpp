// Streams being recorded, and what was recorded.
#include <algorithm>

#include "machine.h"

using namespace emulator;

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  Call call;
  Stream* stream = call.m.stream(handle);
  if (!stream || !handle) return call(cudaErrorInvalidResourceHandle);
  if (auto failed = call.m.status(stream->device); failed != cudaSuccess) return call(failed);
  if (mode != cudaStreamCaptureModeRelaxed) return call(cudaErrorNotSupported);
  if (stream->capture) return call(cudaErrorIllegalState);
  stream->capture = std::make_shared<Capture>(Capture{.origin = stream});
  stream->tails.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  Call call;
  Stream* stream = call.m.stream(handle);
  if (!stream) return call(cudaErrorInvalidResourceHandle);
  *status = !stream->capture           ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

namespace {

/// Whether all that other streams recorded is waited for by the end of this one.
bool joined(const Machine& m, const Stream& origin) {
  auto& nodes = origin.capture->graph->nodes;
  std::vector<char> reached(nodes.size());
  for (int end : origin.tails) reached[size_t(end)] = true;
  for (size_t i = nodes.size(); i-- > 0;)
    if (reached[i])
      for (int before : nodes[i].after) reached[size_t(before)] = true;
  for (auto& [handle, stream] : m.streams)
    if (stream->capture == origin.capture)
      for (int end : stream->tails)
        if (!reached[size_t(end)]) return false;
  return true;
}

}  // namespace

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  Call call;
  *graph = nullptr;
  Stream* stream = call.m.stream(handle);
  if (!stream) return call(cudaErrorInvalidResourceHandle);
  auto capture = stream->capture;
  if (!capture) return call(cudaErrorIllegalState);
  if (capture->origin != stream) {
    capture->invalid = true;
    return call(cudaErrorStreamCaptureUnmatched);
  }
  const bool complete = joined(call.m, *stream);
  capture->ended = true;
  for (auto& [other, s] : call.m.streams)
    if (s->capture == capture) {
      s->capture.reset();
      s->tails.clear();
    }
  if (auto failed = call.m.status(stream->device); failed != cudaSuccess) return call(failed);
  if (capture->invalid) return call(cudaErrorStreamCaptureInvalidated);
  if (!complete) return call(cudaErrorStreamCaptureUnjoined);
  *graph = reinterpret_cast<cudaGraph_t>(capture->graph.get());
  call.m.graphs[*graph] = capture->graph;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  Call call;
  auto found = call.m.graphs.find(graph);
  if (found == call.m.graphs.end()) return call(cudaErrorInvalidValue);
  auto made = std::make_shared<Executable>(Executable{found->second});
  *executable = reinterpret_cast<cudaGraphExec_t>(made.get());
  call.m.executables[*executable] = made;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  Call call;
  return call(call.m.graphs.erase(graph) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  Call call;
  return call(call.m.executables.erase(executable) ? cudaSuccess : cudaErrorInvalidValue);
}

// Two replays of one recording do not overlap, on whatever streams.
cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t on) {
  Call call;
  Stream* stream = call.m.stream(on);
  auto found = call.m.executables.find(handle);
  if (!stream || found == call.m.executables.end()) return call(cudaErrorInvalidResourceHandle);
  if (auto failed = call.m.status(stream->device); failed != cudaSuccess) return call(failed);
  if (stream->capture) {
    stream->capture->invalid = true;
    return call(cudaErrorNotSupported);  // real ones may be nested
  }
  auto& executable = *found->second;
  auto op = std::make_shared<Op>(Op{.graph = executable.graph});
  if (executable.last && !executable.last->done) op->after.push_back(executable.last);
  executable.last = call.m.push(*stream, op);
  return cudaSuccess;
}
