// What goes from one GPU to another, by NCCL: one communicator over the GPUs of this process. All
// ranks are driven from here, and a call is one group with everything that it needs of all of them,
// so that all ranks see one order. Which one is the plan's (Strand::turn): whichever thread has the
// turn calls.
//
//   Communicator c({0, 1});
//   c.exchange({{.to = y, .from = x, .bytes = 4096, .receiver = q1, .sender = q0}});
//   c.poll();     // throws what NCCL has reported since
#pragma once
#include <nccl.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <vector>

#include <braid/core/type.h>

#include "cuda/queue.h"

namespace braid::cuda {

/// From a GPU to another or to itself. The queues tell which; both wait for it.
struct Message {
  void* to;
  const void* from;
  int64_t bytes;
  Queue *receiver, *sender;
};

/// One GPU's part of a sum over all.
struct Summand {
  const void* from;
  void* to;
  Queue* queue;
};

/// to = sum of all from, of f32 or f64: one summand for each GPU.
struct Sum {
  DType dtype;
  int64_t count;
  std::vector<Summand> summands;
};

class Communicator {
 public:
  /// Of different GPUs. Throws Error(device, "E0522"), as all here do.
  explicit Communicator(std::vector<int> ordinals);
  ~Communicator();
  Communicator(const Communicator&) = delete;

  /// Messages between the same two GPUs keep their order.
  void exchange(std::span<const Message> messages);
  /// The order of the sums is NCCL's.
  void all_reduce(std::span<const Sum> sums);

  /// Throws what NCCL has found since, on any of the GPUs. For any thread, at any time.
  void poll();
  /// After a fault or where something hangs. Nothing is enqueued any more; what is, ends.
  void abort() noexcept;

  bool covers(int ordinal) const { return rank_of_.contains(ordinal); }
  bool is_between(const std::set<int>& ordinals) const;

 private:
  void check(ncclResult_t result, const char* what) const;
  template <class Calls>
  void group(const char* what, Calls calls);
  int rank(const Queue* queue) const;

  std::map<int, int> rank_of_;  ///< by the GPU's ordinal
  std::vector<ncclComm_t> ranks_;
  std::timed_mutex mutex_;  ///< of calls to NCCL
  int64_t groups_ = 0;
  std::atomic<bool> aborted_ = false;
};

/// The GPUs on which a backend's placements lie, and what is between them.
class World {
 public:
  void join(int ordinal);
  void leave(int ordinal);
  /// Between all that are here, made when it is first asked for. One that was handed out stays
  /// while it is held.
  std::shared_ptr<Communicator> communicator();
  /// Between these and no others: that one, unless more are here.
  std::shared_ptr<Communicator> communicator(const std::set<int>& ordinals);

 private:
  std::mutex mutex_;
  std::multiset<int> ordinals_;
  std::shared_ptr<Communicator> communicator_;
  std::map<std::set<int>, std::shared_ptr<Communicator>> others_;
};

std::string nccl_version();

}  // namespace braid::cuda
