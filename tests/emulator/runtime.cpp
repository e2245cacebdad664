// Devices, memory, streams and events.
#include <cstdio>
#include <cstring>

#include "emulator.h"
#include "machine.h"
#include "symbols.h"

using namespace emulator;

namespace {

/// The stream and whether its device still works.
cudaError_t look_up(Call& call, cudaStream_t handle, Stream*& stream) {
  stream = call.m.stream(handle);
  return stream ? call.m.status(stream->device) : cudaErrorInvalidResourceHandle;
}

cudaError_t look_up(Call& call, cudaEvent_t handle, Event*& event) {
  auto found = call.m.events.find(handle);
  if (found == call.m.events.end()) return cudaErrorInvalidResourceHandle;
  event = found->second.get();
  return call.m.status(event->device);
}

/// A stream that is captured cannot be waited for: the capture ends in an error, too.
bool spoils_capture(Stream& stream) {
  if (stream.capture) stream.capture->invalid = true;
  return bool(stream.capture);
}

struct Transfer {
  Work work;
  bool from_pageable = false, to_pageable = false;

  /// Reads the host's side at once.
  void stage(void* to, const void* from, size_t bytes) {
    auto* first = static_cast<const char*>(from);
    auto staged = std::make_shared<std::vector<char>>(first, first + bytes);
    work.run = [=](Random&) { std::memcpy(to, staged->data(), bytes); };
  }
};

/// Checks both sides of a copy; what is not device memory is the host's.
cudaError_t transfer(Call& call, void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                     Transfer& made) {
  auto *target = call.m.memory.near(to), *source = call.m.memory.near(from);
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && (to_device != bool(target) || from_device != bool(source)))
    return cudaErrorInvalidValue;
  if ((target && !call.m.memory.find(to, bytes)) || (source && !call.m.memory.find(from, bytes)))
    return cudaErrorInvalidValue;
  made.from_pageable = !source && !call.m.pinned.holds(from, bytes);
  made.to_pageable = !target && !call.m.pinned.holds(to, bytes);
  made.work.name = "a copy";
  made.work.to = to;
  made.work.from = from;
  made.work.run = [=](Random&) { std::memmove(to, from, bytes); };
  return cudaSuccess;
}

}  // namespace

// ---- devices

cudaError_t cudaGetDeviceCount(int* count) {
  Call call;
  *count = call.m.devices;
  return call(call.m.devices ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  Call call;
  if (device < 0 || device >= call.m.devices) return call(cudaErrorInvalidDevice);
  *p = {};
  std::snprintf(p->name, sizeof p->name, "Emulated GPU");
  p->totalGlobalMem = call.m.memory.limit;
  p->major = 9;
  p->multiProcessorCount = 4;
  p->l2CacheSize = 1 << 20;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  Call call;
  if (device < 0 || device >= call.m.devices) return call(cudaErrorInvalidDevice);
  *value = attribute == cudaDevAttrMultiProcessorCount      ? 4
           : attribute == cudaDevAttrComputeCapabilityMajor ? 9
                                                            : 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  Call call;
  if (device < 0 || device >= call.m.devices) return call(cudaErrorInvalidDevice);
  this_thread().device = device;
  return call(call.m.status(device));
}

cudaError_t cudaGetDevice(int* device) {
  *device = this_thread().device;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  Call call;
  const int device = this_thread().device;
  for (auto& [handle, stream] : call.m.streams)
    if (stream->device == device && spoils_capture(*stream))
      return call(cudaErrorStreamCaptureUnsupported);
  if (auto failed = call.m.status(device); failed != cudaSuccess) return call(failed);
  return call(call.m.finish_device(device));
}

cudaError_t cudaDriverGetVersion(int* version) {
  Call call;
  *version = call.m.devices ? 13000 : 0;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return cudaErrorNotSupported; }

// ---- memory

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  Call call;
  const int device = this_thread().device;
  if (auto failed = call.m.status(device); failed != cudaSuccess) return call(failed);
  *memory = call.m.memory.allocate(device, bytes);
  return call(*memory ? cudaSuccess : cudaErrorMemoryAllocation);
}

// Waits for all that its device does, as the real one does.
cudaError_t cudaFree(void* memory) {
  Call call;
  if (!memory) return cudaSuccess;
  auto* a = call.m.memory.near(memory);
  if (!a || a->memory != memory) return call(cudaErrorInvalidValue);
  auto result = call.m.status(a->device);
  if (result == cudaSuccess) result = call.m.finish_device(a->device);
  if (result == cudaSuccess) {
    call.m.memory.open(1u << a->device);
    call.m.memory.look_after("something");
    call.m.memory.release(memory);
  }
  return call(result);
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  Call call;
  if (auto failed = call.m.status(this_thread().device); failed != cudaSuccess) return call(failed);
  *memory = call.m.pinned.allocate(bytes);
  return call(*memory ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void* memory) {
  Call call;
  if (!memory) return cudaSuccess;
  for (int device = 0; device < call.m.devices; ++device)
    if (auto result = call.m.status(device); result != cudaSuccess) return call(result);
  for (int device = 0; device < call.m.devices; ++device) call.m.finish_device(device);
  return call(call.m.pinned.release(memory) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  Call call;
  *total = call.m.memory.limit;
  *free = *total - call.m.memory.used(this_thread().device);
  return call(call.m.status(this_thread().device));
}

// It waits for the default stream only, which ours do not take part in; and what comes from
// pageable memory may still be on its way to the device when this returns.
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  Call call;
  if (auto failed = call.m.status(this_thread().device); failed != cudaSuccess) return call(failed);
  Transfer t;
  if (auto bad = transfer(call, to, from, bytes, kind, t); bad != cudaSuccess) return call(bad);
  Stream* stream = call.m.stream(nullptr);
  if (t.from_pageable) t.stage(to, from, bytes);
  call.m.push(*stream, std::make_shared<Op>(Op{.work = std::move(t.work)}));
  return call(t.from_pageable ? cudaSuccess : call.m.finish(stream->last));
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t handle) {
  Call call;
  Stream* stream = nullptr;
  if (auto bad = look_up(call, handle, stream); bad != cudaSuccess) return call(bad);
  Transfer t;
  if (auto bad = transfer(call, to, from, bytes, kind, t); bad != cudaSuccess) return call(bad);
  if ((t.from_pageable || t.to_pageable) && spoils_capture(*stream))
    return call(cudaErrorStreamCaptureUnsupported);
  if (t.from_pageable) t.stage(to, from, bytes);
  auto result = call.m.enqueue(*stream, std::move(t.work));
  if (t.to_pageable && result == cudaSuccess) result = call.m.finish(stream->last);
  return call(result);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device,
                                size_t bytes, cudaStream_t handle) {
  Call call;
  auto *target = call.m.memory.find(to, bytes), *source = call.m.memory.find(from, bytes);
  if (!target || !source || target->device != to_device || source->device != from_device)
    return call(cudaErrorInvalidValue);
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, handle);
}

cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t handle) {
  Call call;
  Stream* stream = nullptr;
  if (auto bad = look_up(call, handle, stream); bad != cudaSuccess) return call(bad);
  if (!call.m.memory.find(to, bytes)) return call(cudaErrorInvalidValue);
  return call(call.m.enqueue(*stream, {.name = "a memset", .to = to, .run = [=](Random&) {
                                         std::memset(to, byte, bytes);
                                       }}));
}

// It does not wait either.
cudaError_t cudaMemset(void* to, int byte, size_t bytes) {
  return cudaMemsetAsync(to, byte, bytes, nullptr);
}

// ---- streams

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) {
  Call call;
  if (flags != cudaStreamNonBlocking) return call(cudaErrorNotSupported);
  const int device = this_thread().device;
  if (auto failed = call.m.status(device); failed != cudaSuccess) return call(failed);
  auto made = call.m.make_stream(device);
  *handle = reinterpret_cast<cudaStream_t>(made.get());
  call.m.streams[*handle] = made;
  return cudaSuccess;
}

// What is enqueued goes on without it.
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  Call call;
  if (!handle || !call.m.streams.contains(handle)) return call(cudaErrorInvalidResourceHandle);
  const auto status = call.m.status(call.m.streams[handle]->device);
  call.m.streams.erase(handle);
  return call(status);
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  Call call;
  Stream* stream = nullptr;
  if (auto bad = look_up(call, handle, stream); bad != cudaSuccess) return call(bad);
  if (spoils_capture(*stream)) return call(cudaErrorStreamCaptureUnsupported);
  return call(call.m.finish(stream->last));
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  Call call;
  Stream* stream = nullptr;
  if (auto bad = look_up(call, handle, stream); bad != cudaSuccess) return call(bad);
  if (spoils_capture(*stream)) return call(cudaErrorStreamCaptureUnsupported);
  return call(call.m.poll(stream->last, stream->device));
}

// ---- events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  Call call;
  const int device = this_thread().device;
  if (auto failed = call.m.status(device); failed != cudaSuccess) return call(failed);
  auto made = std::make_shared<Event>(
      Event{.device = device, .timed = (flags & cudaEventDisableTiming) == 0});
  *handle = reinterpret_cast<cudaEvent_t>(made.get());
  call.m.events[*handle] = made;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  Call call;
  return call(call.m.events.erase(handle) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t on) {
  Call call;
  Stream* stream = nullptr;
  Event* event = nullptr;
  if (auto bad = look_up(call, on, stream); bad != cudaSuccess) return call(bad);
  if (auto bad = look_up(call, handle, event); bad != cudaSuccess) return call(bad);
  if (event->device != stream->device) return call(cudaErrorInvalidResourceHandle);
  if (stream->capture && stream->capture->invalid) return call(cudaErrorStreamCaptureInvalidated);
  event->capture = stream->capture;
  event->nodes = stream->tails;
  event->op.reset();
  if (stream->capture) return cudaSuccess;
  call.m.mark(*stream);
  event->op = stream->last;
  return cudaSuccess;
}

// What it waits for is the last record at this time; later ones do not matter.
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t on, unsigned) {
  Call call;
  Stream* stream = nullptr;
  Event* event = nullptr;
  if (auto bad = look_up(call, handle, stream); bad != cudaSuccess) return call(bad);
  if (auto bad = look_up(call, on, event); bad != cudaSuccess) return call(bad);
  if (!event->capture) {
    if (stream->capture) {
      stream->capture->invalid = true;
      return call(cudaErrorStreamCaptureIsolation);
    }
    if (event->op && !event->op->done) call.m.mark(*stream, event->op);
    return cudaSuccess;
  }
  if (event->capture->ended) return call(cudaErrorCapturedEvent);
  if (stream->capture && stream->capture != event->capture) {
    stream->capture->invalid = event->capture->invalid = true;
    return call(cudaErrorStreamCaptureMerge);
  }
  if (event->capture->invalid) return call(cudaErrorStreamCaptureInvalidated);
  stream->capture = event->capture;
  for (int node : event->nodes)
    if (std::find(stream->tails.begin(), stream->tails.end(), node) == stream->tails.end())
      stream->tails.push_back(node);
  return cudaSuccess;
}

namespace {

cudaError_t look_up_to_wait(Call& call, cudaEvent_t handle, Event*& event) {
  if (auto bad = look_up(call, handle, event); bad != cudaSuccess) return bad;
  if (!event->capture) return cudaSuccess;
  event->capture->invalid = true;
  return cudaErrorCapturedEvent;
}

}  // namespace

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  Call call;
  Event *first = nullptr, *last = nullptr;
  if (auto bad = look_up(call, from, first); bad != cudaSuccess) return call(bad);
  if (auto bad = look_up(call, to, last); bad != cudaSuccess) return call(bad);
  if (!first->timed || !last->timed || !first->op || !last->op || first->device != last->device)
    return call(cudaErrorInvalidResourceHandle);
  if (!first->op->done || !last->op->done) return call(cudaErrorNotReady);
  *milliseconds = float(double(last->op->done_at - first->op->done_at) * 1e-6);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  Call call;
  Event* event = nullptr;
  if (auto bad = look_up_to_wait(call, handle, event); bad != cudaSuccess) return call(bad);
  return call(call.m.poll(event->op, event->device));
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  Call call;
  Event* event = nullptr;
  if (auto bad = look_up_to_wait(call, handle, event); bad != cudaSuccess) return call(bad);
  return call(call.m.finish(event->op));
}

// ---- kernels

namespace emulator {
namespace {

cudaError_t enqueue_kernel(cudaStream_t handle, const char* name,
                           std::function<void(Random&)> run) {
  Call call;
  Stream* stream = nullptr;
  if (auto bad = look_up(call, handle, stream); bad != cudaSuccess) return call(bad);
  if (stream->device != this_thread().device) return call(cudaErrorInvalidResourceHandle);
  return call(call.m.enqueue(
      *stream,
      {.name = name, .devices = 1u << stream->device, .kernel = true, .run = std::move(run)}));
}

}  // namespace

cudaError_t launch(const void* kernel, dim3 grid, dim3 block, size_t argument_bytes,
                   std::function<void()> thread, cudaStream_t stream) {
  const auto threads = uint64_t(block.x) * block.y * block.z;
  const bool legal = grid.x && grid.x < 1u << 31 && grid.y && grid.y < 1u << 16 && grid.z &&
                     grid.z < 1u << 16 && threads && threads <= 1024 && block.z <= 64;
  // Since CUDA 12.1 as many for sm_70 and later.
  if (!legal || argument_bytes > 32764)
    return Call()(legal ? cudaErrorInvalidValue : cudaErrorInvalidConfiguration);
  Call call;  // the names are found under its lock
  const char* name = name_of(kernel).c_str();
  return enqueue_kernel(stream, name, [=, thread = std::move(thread)](Random& random) {
    run_grid(grid, block, thread, random);
  });
}

cudaError_t enqueue(cudaStream_t stream, const char* name, std::function<void()> work) {
  return enqueue_kernel(stream, name, [work = std::move(work)](Random&) { work(); });
}

}  // namespace emulator
