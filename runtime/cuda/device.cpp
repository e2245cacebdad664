#include "device.h"

#include <cmath>
#include <string>

namespace braid::cuda {
namespace {

cudaEvent_t event_of(Event* event) { return reinterpret_cast<cudaEvent_t>(event); }
cudaGraphExec_t graph_of(Recording* r) { return reinterpret_cast<cudaGraphExec_t>(r); }

std::string mib(int64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

}  // namespace

void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  const bool memory = result == cudaErrorMemoryAllocation;
  if (memory) cudaGetLastError();  // it is no lasting fault of the device
  throw Error(Fault::device, memory ? "E0401" : "E0520",
              std::string(what) + ": CUDA says '" + cudaGetErrorString(result) + "' (" +
                  cudaGetErrorName(result) + ")");
}

CudaDevice::CudaDevice(int ordinal, std::shared_ptr<World> world)
    : ordinal_(ordinal), world_(std::move(world)) {
  activate();
  world_->join(ordinal_);
}

// A device that has failed or hangs is left alone: nothing here waits.
CudaDevice::~CudaDevice() {
  world_->leave(ordinal_);
  if (abandoned_) return;
  for (auto& [ends, link] : links_) {
    cudaSetDevice(ends.second);
    cudaStreamDestroy(link.sender.stream);
    cudaEventDestroy(link.sent);
  }
  cudaSetDevice(ordinal_);
  for (auto& [ends, link] : links_) cudaEventDestroy(link.ready);
  for (auto& [index, queue] : queues_) {
    release_dnn(queue.get());
    cudaStreamDestroy(queue->stream);
  }
}

void CudaDevice::activate() { check(cudaSetDevice(ordinal_), "choosing the device"); }

void* CudaDevice::allocate(int64_t bytes) {
  activate();
  void* memory = nullptr;
  auto result = cudaMalloc(&memory, size_t(std::max<int64_t>(bytes, 256)));
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw Error(Fault::device, "E0401",
                "out of memory on the GPU: " + mib(bytes) + " are needed, " + mib(int64_t(free)) +
                    " of " + mib(int64_t(total)) + " are free");
  }
  check(result, "taking memory");
  return memory;
}

void CudaDevice::release(void* memory) noexcept {
  if (abandoned_) return;
  cudaSetDevice(ordinal_);
  cudaFree(memory);
}

void CudaDevice::write(void* to, const void* from, int64_t bytes) {
  activate();
  check(cudaMemcpy(to, from, size_t(bytes), cudaMemcpyHostToDevice), "a copy to the device");
  // What comes from pageable memory may still be on its way when that returns, and our queues do
  // not wait for the default stream.
  check(cudaStreamSynchronize(nullptr), "a copy to the device");
}

void CudaDevice::read(void* to, const void* from, int64_t bytes) const {
  check(cudaSetDevice(ordinal_), "choosing the device");
  check(cudaMemcpy(to, from, size_t(bytes), cudaMemcpyDeviceToHost), "a copy from the device");
}

void* CudaDevice::allocate_staging(int64_t bytes) {
  activate();
  void* memory = nullptr;
  check(cudaMallocHost(&memory, size_t(std::max<int64_t>(bytes, 256))), "taking pinned memory");
  return memory;
}

void CudaDevice::release_staging(void* memory) noexcept {
  if (!abandoned_) cudaFreeHost(memory);
}

void CudaDevice::poison(void* memory, int64_t bytes) {
  activate();
  check(cudaMemset(memory, 0xff, size_t(bytes)), "filling memory");
  check(cudaStreamSynchronize(nullptr), "filling memory");  // nor does that wait
}

Queue* CudaDevice::queue(int index) {
  auto& queue = queues_[index];
  if (!queue) {
    activate();
    queue = std::make_unique<Queue>(Queue{.ordinal = ordinal_});
    check(cudaStreamCreateWithFlags(&queue->stream, cudaStreamNonBlocking), "making a stream");
  }
  return queue.get();
}

void CudaDevice::upload(Queue* queue, const CopyPiece& p) {
  check(cudaMemcpyAsync(p.to, p.from, size_t(p.bytes), cudaMemcpyHostToDevice, queue->stream),
        "a copy to the device");
}

void CudaDevice::download(Queue* queue, const CopyPiece& p) {
  check(cudaMemcpyAsync(p.to, p.from, size_t(p.bytes), cudaMemcpyDeviceToHost, queue->stream),
        "a copy from the device");
}

void CudaDevice::fill(Queue* queue, void* to, int byte, int64_t bytes) {
  check(cudaMemsetAsync(to, byte, size_t(bytes), queue->stream), "filling memory");
}

void CudaDevice::copy(Queue* queue, Device& target, Device& source, const CopyPiece& p) {
  auto &to = dynamic_cast<CudaDevice&>(target), &from = dynamic_cast<CudaDevice&>(source);
  auto result =
      from.ordinal_ == to.ordinal_
          ? cudaMemcpyAsync(p.to, p.from, size_t(p.bytes), cudaMemcpyDeviceToDevice, queue->stream)
          : cudaMemcpyPeerAsync(p.to, to.ordinal_, p.from, from.ordinal_, size_t(p.bytes),
                                queue->stream);
  check(result, "a copy between devices");
}

void CudaDevice::receive(Queue* queue, Device& source, std::span<const CopyPiece> pieces) {
  const int from = dynamic_cast<CudaDevice&>(source).ordinal_;
  if (from != ordinal_ || transport_ == Transport::nccl) return exchange(queue, from, pieces);
  for (auto& p : pieces)
    check(cudaMemcpyAsync(p.to, p.from, size_t(p.bytes), cudaMemcpyDeviceToDevice, queue->stream),
          "a copy between placements");
}

// NCCL sends on a queue of the source's GPU. It begins when ours has come here, and so when the
// source's data are there; ours goes on when all is sent, too.
void CudaDevice::exchange(Queue* queue, int source, std::span<const CopyPiece> pieces) {
  const char* what = "a transfer between devices";
  Link& link = link_from(queue, source);
  begin(link, queue, what);
  std::vector<Message> messages;
  for (auto& p : pieces)
    messages.push_back({p.to, p.from, p.bytes, /*receiver=*/queue, /*sender=*/&link.sender});
  communicator_to(source)->exchange(messages);
  end(link, queue, what);
}

void CudaDevice::begin(Link& link, Queue* queue, const char* what) {
  check(cudaEventRecord(link.ready, queue->stream), what);
  check(cudaStreamWaitEvent(link.sender.stream, link.ready, 0), what);
}

void CudaDevice::end(Link& link, Queue* queue, const char* what) {
  check(cudaSetDevice(link.sender.ordinal), what);
  check(cudaEventRecord(link.sent, link.sender.stream), what);
  activate();
  check(cudaStreamWaitEvent(queue->stream, link.sent, 0), what);
}

// Each other GPU takes part on its end of a link.
void CudaDevice::sum(Queue* queue, std::span<Device* const> devices,
                     std::span<const SumPiece> pieces) {
  const char* what = "a sum over devices";
  std::vector<Queue*> queues;
  std::vector<Link*> links;
  std::set<int> ordinals;
  for (auto* device : devices) {
    const int ordinal = dynamic_cast<CudaDevice&>(*device).ordinal_;
    ordinals.insert(ordinal);
    if (ordinal != ordinal_) links.push_back(&link_from(queue, ordinal));
    queues.push_back(ordinal == ordinal_ ? queue : &links.back()->sender);
  }
  ensure(ordinals.size() == devices.size(), "a sum has a GPU once");
  std::vector<Sum> sums;
  for (auto& p : pieces) {
    sums.push_back({.dtype = p.dtype, .count = p.count});
    for (size_t d = 0; d < queues.size(); ++d)
      sums.back().summands.push_back({p.parts[d], p.sums[d], queues[d]});
  }
  for (auto* link : links) begin(*link, queue, what);
  communicator_between(ordinals)->all_reduce(sums);
  for (auto* link : links) end(*link, queue, what);
}

// Each of our queues has its own on the other side: queues of a step that is recorded must not meet
// those of one that runs.
CudaDevice::Link& CudaDevice::link_from(Queue* queue, int source) {
  std::lock_guard lock(links_mutex_);
  auto& link = links_[{queue, source}];
  if (link.sent) return link;
  const char* what = "making a link between devices";
  activate();
  check(cudaEventCreateWithFlags(&link.ready, cudaEventDisableTiming), what);
  check(cudaSetDevice(source), what);
  link.sender.ordinal = source;
  check(cudaStreamCreateWithFlags(&link.sender.stream, cudaStreamNonBlocking), what);
  check(cudaEventCreateWithFlags(&link.sent, cudaEventDisableTiming), what);
  activate();
  return link;
}

// Recordings hold on to the communicator that they were made with, so those stay.
std::shared_ptr<Communicator> CudaDevice::communicator_to(int source) {
  std::lock_guard lock(links_mutex_);
  for (auto& c : communicators_)
    if (c->covers(source)) return c;
  communicators_.push_back(world_->communicator());
  activate();
  return communicators_.back();
}

std::shared_ptr<Communicator> CudaDevice::communicator_between(const std::set<int>& ordinals) {
  std::lock_guard lock(links_mutex_);
  for (auto& c : communicators_)
    if (c->is_between(ordinals)) return c;
  communicators_.push_back(world_->communicator(ordinals));
  activate();
  return communicators_.back();
}

std::vector<std::shared_ptr<Communicator>> CudaDevice::communicators() const {
  std::lock_guard lock(links_mutex_);
  return communicators_;
}

void CudaDevice::abandon() noexcept {
  abandoned_ = true;
  for (auto& c : communicators()) c->abort();
}

Event* CudaDevice::make_event(unsigned flags) {
  activate();
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, flags), "making an event");
  return reinterpret_cast<Event*>(event);
}

Event* CudaDevice::make_event() { return make_event(cudaEventDisableTiming); }
Event* CudaDevice::make_timer() { return make_event(cudaEventDefault); }

int64_t CudaDevice::elapsed(Event* from, Event* to) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, event_of(from), event_of(to)), "reading a clock");
  return std::llround(double(milliseconds) * 1e6);
}

void CudaDevice::release(Event* event) noexcept {
  if (!abandoned_) cudaEventDestroy(event_of(event));
}
void CudaDevice::record(Queue* queue, Event* event) {
  check(cudaEventRecord(event_of(event), queue->stream), "recording an event");
}
void CudaDevice::wait(Queue* queue, Event* event) {
  check(cudaStreamWaitEvent(queue->stream, event_of(event), 0), "waiting for an event");
}

bool CudaDevice::done(Event* event) {
  auto result = cudaEventQuery(event_of(event));
  if (result == cudaErrorNotReady) {
    for (auto& c : communicators()) c->poll();
    return false;
  }
  check(result, "a kernel or copy of this step, or of one before it");
  return true;
}

// Relaxed: other threads, and libraries that allocate, may go on while this stream is recorded.
void CudaDevice::begin_recording(Queue* queue) {
  check(cudaStreamBeginCapture(queue->stream, cudaStreamCaptureModeRelaxed), "recording a step");
}

Recording* CudaDevice::end_recording(Queue* queue) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(queue->stream, &graph), "recording a step");
  cudaGraphExec_t exec = nullptr;
  auto result = cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphDestroy(graph);
  check(result, "making a graph of a step");
  return reinterpret_cast<Recording*>(exec);
}

void CudaDevice::abandon_recording(Queue* queue) noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(queue->stream, &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
}

void CudaDevice::replay(Queue* queue, Recording* recording) {
  check(cudaGraphLaunch(graph_of(recording), queue->stream), "replaying a step");
}
void CudaDevice::release(Recording* recording) noexcept {
  if (!abandoned_) cudaGraphExecDestroy(graph_of(recording));
}

void CudaDevice::join_status(Queue* queue, const int64_t* status, int64_t words, int* stop) {
  launch_join_status(queue, status, words, stop);
}
void CudaDevice::count_not_finite(Queue* queue, DType dtype, const void* values, int64_t count,
                                  int64_t* counts) {
  launch_count_not_finite(queue, dtype, values, count, counts);
}

}  // namespace braid::cuda
