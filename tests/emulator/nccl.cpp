// NCCL within one process. What the ranks of a communicator call in one group must fit together: a
// send has a receive of the same size, all take part in a sum and see the same order of them. A
// real NCCL would wait for what does not come; this one refuses the group and says what is missing.
#include <nccl.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "machine.h"

struct ncclComm {
  struct Clique {
    std::vector<int> devices;
  };
  std::shared_ptr<Clique> clique;
  int rank;
  std::atomic<bool> aborted = false;

  int device() const { return clique->devices[size_t(rank)]; }
};

namespace {

using Clique = ncclComm::Clique;
enum class Kind { send, receive, sum };

struct Request {
  Kind kind;
  ncclComm_t comm;
  const void* from;
  void* to;
  size_t bytes;  ///< of a sum: in all
  ncclDataType_t type;
  int peer;
  cudaStream_t stream;
};

thread_local int depth = 0;
thread_local std::vector<Request> requests;
thread_local std::string complaint;
std::atomic<int64_t> messages = 0, communicators = 0;
std::atomic<ncclResult_t> failure = ncclSuccess;
std::atomic<int> refused = 0;

std::mutex groups_mutex;
std::vector<std::string> groups;

size_t size_of(ncclDataType_t type) { return type == ncclUint8 ? 1 : type == ncclFloat32 ? 4 : 8; }

ncclResult_t refuse(std::string why, ncclResult_t result = ncclInvalidUsage) {
  complaint = std::move(why);
  return result;
}

ncclResult_t cuda(cudaError_t result) {
  return result == cudaSuccess ? ncclSuccess
                               : refuse(cudaGetErrorString(result), ncclUnhandledCudaError);
}

/// What is enqueued on `then` from now on waits for what is on `first`.
cudaError_t order(cudaStream_t first, cudaStream_t then) {
  if (first == then) return cudaSuccess;
  cudaEvent_t event = nullptr;
  auto result = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  if (result == cudaSuccess) result = cudaEventRecord(event, first);
  if (result == cudaSuccess) result = cudaStreamWaitEvent(then, event);
  cudaEventDestroy(event);
  return result;
}

class OnDevice {
 public:
  explicit OnDevice(int device) {
    cudaGetDevice(&before_);
    cudaSetDevice(device);
  }
  ~OnDevice() { cudaSetDevice(before_); }

 private:
  int before_ = 0;
};

cudaError_t put(const Request& part, unsigned devices, const char* name,
                std::function<void()> run) {
  emulator::Call call;
  return call.m.enqueue(
      *call.m.stream(part.stream),
      {.name = name, .devices = devices, .kernel = true, .run = [=](emulator::Random&) { run(); }});
}

/// The sender reads, the receiver writes what was read; the sender is done only some time after
/// that, and what it sends may not change until then.
ncclResult_t pass(const Request& s, const Request& r) {
  OnDevice here(s.comm->device());
  auto sent = std::make_shared<std::vector<char>>(s.bytes);
  const unsigned from = 1u << s.comm->device(), to = 1u << r.comm->device();
  auto read = [=] { std::memcpy(sent->data(), s.from, s.bytes); };
  auto write = [=] { std::memcpy(r.to, sent->data(), s.bytes); };
  auto look = [=] {
    if (std::memcmp(sent->data(), s.from, s.bytes) == 0) return;
    emulator::die("what ncclSend sends was overwritten before it was done");
  };
  auto result = put(s, from, "ncclSend", read);
  if (result == cudaSuccess) result = order(s.stream, r.stream);
  if (result == cudaSuccess) result = put(r, to, "ncclRecv", write);
  cudaSetDevice(r.comm->device());
  if (result == cudaSuccess) result = order(r.stream, s.stream);
  if (result == cudaSuccess) result = put(s, from, "the end of ncclSend", look);
  return cuda(result);
}

/// Begins when all ranks have come; all wait for its end. It stands on the first one's stream.
ncclResult_t enqueue_sum(const std::vector<const Request*>& parts,
                         const std::function<void()>& run) {
  unsigned devices = 0;
  auto result = cudaSuccess;
  for (auto* part : parts) {
    devices |= 1u << part->comm->device();
    OnDevice here(part->comm->device());
    if (result == cudaSuccess) result = order(part->stream, parts[0]->stream);
  }
  OnDevice here(parts[0]->comm->device());
  if (result == cudaSuccess) result = put(*parts[0], devices, "ncclAllReduce", run);
  for (auto* part : parts)
    if (result == cudaSuccess) result = order(parts[0]->stream, part->stream);
  return cuda(result);
}

/// What one rank called of a kind, in its order; of a peer alone when that is not -1.
std::vector<const Request*> calls_of(const Clique& clique, int rank, Kind kind, int peer = -1) {
  std::vector<const Request*> found;
  for (auto& r : requests)
    if (r.comm->clique.get() == &clique && r.comm->rank == rank && r.kind == kind &&
        (peer < 0 || r.peer == peer))
      found.push_back(&r);
  return found;
}

ncclResult_t pass_messages(const Clique& clique, int from, int to) {
  auto sends = calls_of(clique, from, Kind::send, to);
  auto receives = calls_of(clique, to, Kind::receive, from);
  const std::string pair = "rank " + std::to_string(from) + " to " + std::to_string(to) + ": ";
  if (sends.size() != receives.size())
    return refuse(pair + std::to_string(sends.size()) + " sends, " +
                  std::to_string(receives.size()) + " receives");
  for (size_t i = 0; i < sends.size(); ++i) {
    const Request s = *sends[i], r = *receives[i];
    if (s.bytes != r.bytes || s.type != r.type)
      return refuse(pair + "message " + std::to_string(i) + " has " + std::to_string(s.bytes) +
                    " bytes, and " + std::to_string(r.bytes) + " are received");
    if (auto result = pass(s, r); result != ncclSuccess) return result;
    ++messages;
  }
  return ncclSuccess;
}

template <class T>
void add(const std::vector<Request>& parts) {
  std::vector<T> sum(parts[0].bytes / sizeof(T));
  for (auto& p : parts)
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<const T*>(p.from)[i];
  for (auto& p : parts) std::copy(sum.begin(), sum.end(), static_cast<T*>(p.to));
}

ncclResult_t make_sums(const Clique& clique) {
  std::vector<std::vector<const Request*>> of_rank;
  for (size_t rank = 0; rank < clique.devices.size(); ++rank)
    of_rank.push_back(calls_of(clique, int(rank), Kind::sum));
  for (size_t k = 0; k < of_rank[0].size(); ++k) {
    std::vector<const Request*> parts;
    std::vector<Request> copies;
    for (size_t rank = 0; rank < of_rank.size(); ++rank) {
      auto& calls = of_rank[rank];
      if (calls.size() != of_rank[0].size())
        return refuse("rank " + std::to_string(rank) + " takes part in " +
                      std::to_string(calls.size()) + " sums, rank 0 in " +
                      std::to_string(of_rank[0].size()));
      if (calls[k]->bytes != of_rank[0][k]->bytes || calls[k]->type != of_rank[0][k]->type)
        return refuse("sum " + std::to_string(k) + ": rank " + std::to_string(rank) + " adds " +
                      std::to_string(calls[k]->bytes) + " bytes, rank 0 " +
                      std::to_string(of_rank[0][k]->bytes));
      parts.push_back(calls[k]);
      copies.push_back(*calls[k]);
    }
    auto run = [copies] {
      copies[0].type == ncclFloat32 ? add<float>(copies) : add<double>(copies);
    };
    if (auto result = enqueue_sum(parts, run); result != ncclSuccess) return result;
  }
  for (auto& calls : of_rank)
    if (calls.size() != of_rank[0].size()) return refuse("rank 0 takes part in fewer sums");
  return ncclSuccess;
}

void note_group() {
  std::map<int, std::string> of_rank;
  for (auto& r : requests) {
    const char* what = r.kind == Kind::send ? " sends " : r.kind == Kind::sum ? " adds" : " gets ";
    of_rank[r.comm->rank] +=
        what + (r.kind == Kind::sum ? "" : std::to_string(r.peer)) + " " + std::to_string(r.bytes);
  }
  std::string all;
  for (auto& [rank, calls] : of_rank) all += std::to_string(rank) + ":" + calls + "; ";
  std::lock_guard lock(groups_mutex);
  groups.push_back(std::move(all));
}

ncclResult_t run_group() {
  if (refused > 0 && --refused == 0) return refuse("this group was not taken", ncclSystemError);
  note_group();
  std::vector<std::shared_ptr<Clique>> cliques;
  for (auto& r : requests) {
    if (r.comm->aborted) return refuse("the communicator was aborted");
    {
      emulator::Call call;
      auto* stream = call.m.stream(r.stream);
      if (!stream || stream->device != r.comm->device())
        return refuse("the stream is not of the rank's device", ncclInvalidArgument);
    }
    if (r.kind != Kind::sum && (r.peer < 0 || size_t(r.peer) >= r.comm->clique->devices.size()))
      return refuse("no rank " + std::to_string(r.peer), ncclInvalidArgument);
    if (std::ranges::find(cliques, r.comm->clique) == cliques.end())
      cliques.push_back(r.comm->clique);
  }
  for (auto& clique : cliques) {
    const int ranks = int(clique->devices.size());
    for (int from = 0; from < ranks; ++from)
      for (int to = 0; to < ranks; ++to)
        if (auto result = pass_messages(*clique, from, to); result != ncclSuccess) return result;
    if (auto result = make_sums(*clique); result != ncclSuccess) return result;
  }
  return ncclSuccess;
}

ncclResult_t add(Request request) {
  ncclGroupStart();
  requests.push_back(request);
  return ncclGroupEnd();
}

}  // namespace

ncclResult_t ncclGetVersion(int* version) {
  *version = 0;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
  }
  return "unknown result code";
}
const char* ncclGetLastError(ncclComm_t) { return complaint.c_str(); }

ncclResult_t ncclCommInitAll(ncclComm_t* comms, int count, const int* devices) {
  auto clique = std::make_shared<Clique>();
  for (int i = 0; i < count; ++i) {
    const int device = devices ? devices[i] : i;
    if (std::ranges::find(clique->devices, device) != clique->devices.end())
      return refuse("duplicate GPU: device " + std::to_string(device));
    if (device < 0 || device >= emulator::Machine::get().devices)
      return refuse("no device " + std::to_string(device), ncclInvalidArgument);
    clique->devices.push_back(device);
  }
  for (int i = 0; i < count; ++i) comms[i] = new ncclComm{clique, i};
  communicators += count;
  return ncclSuccess;
}

// Not freed: handles are looked at after their end, to say so.
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (comm->aborted) return refuse("the communicator was aborted before");
  static std::vector<std::unique_ptr<ncclComm>> ended;
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  ended.emplace_back(comm);
  comm->aborted = true;
  --communicators;
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* result) {
  if (comm->aborted) return refuse("the communicator was aborted");
  *result = failure;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (depth == 0) return refuse("no group was begun");
  if (--depth) return ncclSuccess;
  complaint.clear();
  auto result = run_group();
  requests.clear();
  return result;
}

ncclResult_t ncclSend(const void* from, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  return add({Kind::send, comm, from, nullptr, count * size_of(type), type, peer, stream});
}

ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add({Kind::receive, comm, nullptr, to, count * size_of(type), type, peer, stream});
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type,
                           ncclRedOp_t, ncclComm_t comm, cudaStream_t stream) {
  return add({Kind::sum, comm, from, to, count * size_of(type), type, -1, stream});
}

namespace emulator {

void fail_nccl(ncclResult_t result) { failure = result; }
void refuse_nccl(int nth) { refused = nth; }
int64_t nccl_messages() { return messages; }
int64_t nccl_communicators() { return communicators; }
std::vector<std::string> take_nccl_groups() {
  std::lock_guard lock(groups_mutex);
  return std::exchange(groups, {});
}

}  // namespace emulator
