// The emulated machine: streams, events and captures. All of it under one lock.
#pragma once
#include <cuda_runtime.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "memory.h"
#include "threads.h"

namespace emulator {

/// Something that a device does at once.
struct Work {
  const char* name = "";
  unsigned devices = 0;  ///< kernels: whose memory it may touch, as bits
  bool kernel = false;
  const void *to = nullptr, *from = nullptr;  ///< all others: what they touch
  std::function<void(Random&)> run = {};      ///< null: a mark
};

/// A recorded step: its works and what each one waits for.
struct Graph {
  struct Node {
    Work work;
    std::vector<int> after;
  };
  std::vector<Node> nodes;
};

/// Something enqueued: a work, or a graph being replayed.
struct Op {
  Work work;
  std::vector<std::shared_ptr<Op>> after = {};
  std::shared_ptr<const Graph> graph = {};
  std::vector<char> done_nodes = {};
  bool done = false, hung = false;
  int64_t done_at = 0;  ///< nanoseconds of the host's clock
};
using OpPtr = std::shared_ptr<Op>;

struct Capture {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  struct Stream* origin = nullptr;
  bool invalid = false, ended = false;
};

struct Stream {
  int device = 0;
  uint64_t id = 0;
  std::deque<OpPtr> queue = {};
  OpPtr last = {};
  std::shared_ptr<Capture> capture = {};
  std::vector<int> tails = {};  ///< nodes that the next captured one waits for
};

struct Event {
  int device = 0;
  bool timed = false;
  OpPtr op = {};                          ///< the last record
  std::shared_ptr<Capture> capture = {};  ///< or the capture that it belongs to
  std::vector<int> nodes = {};
};

struct Executable {
  std::shared_ptr<const Graph> graph;
  OpPtr last = {};
};

class Machine {
 public:
  static Machine& get();

  std::recursive_mutex mutex;
  Memory memory;
  Pinned pinned;
  Random random{1};
  int devices = 1;
  std::set<int> failed;  ///< devices that an illegal address was hit on
  int64_t launches = 0;
  struct Fault {
    int64_t countdown = 0;  ///< matching kernels until it happens; 0: never
    std::string name = {};
    bool is_due(const char* kernel);
  };
  Fault failure, hang;
  const char* running = nullptr;  ///< the kernel that runs

  std::map<cudaStream_t, std::shared_ptr<Stream>> streams;
  std::map<int, std::shared_ptr<Stream>> default_streams;  ///< by device
  std::map<cudaEvent_t, std::shared_ptr<Event>> events;
  std::map<cudaGraph_t, std::shared_ptr<Graph>> graphs;
  std::map<cudaGraphExec_t, std::shared_ptr<Executable>> executables;
  std::vector<std::shared_ptr<Stream>> scheduled;  ///< those destroyed with work left, too

  void reset();
  std::shared_ptr<Stream> make_stream(int device);
  Stream* stream(cudaStream_t);  ///< null: no such one

  /// Puts a work at the end of a stream, or of what is captured on it.
  cudaError_t enqueue(Stream&, Work);
  OpPtr push(Stream&, OpPtr);
  void mark(Stream& stream, OpPtr after = {});

  /// Runs something that is ready; false: nothing is.
  bool step();
  /// Runs until it is done.
  cudaError_t finish(const OpPtr& op);
  cudaError_t finish_device(int device);
  /// Makes some progress and says how it stands.
  cudaError_t poll(const OpPtr& op, int device);
  cudaError_t status(int device) const {
    return failed.contains(device) ? cudaErrorIllegalAddress : cudaSuccess;
  }

 private:
  bool advance(Op&);
  bool execute(const Work&, Op&);

  uint64_t next_stream_ = 1, preference_ = 0;
};

/// Of the calling thread.
struct Thread {
  int device = 0;
  cudaError_t last = cudaSuccess;
};
Thread& this_thread();

/// Brackets a call of the runtime: takes the lock, closes the devices' memory at the end.
class Call {
 public:
  Call() : m(Machine::get()), lock_(m.mutex) {}
  ~Call() { m.memory.open(0); }

  cudaError_t operator()(cudaError_t result) const {
    if (result != cudaSuccess && result != cudaErrorNotReady) this_thread().last = result;
    return result;
  }

  Machine& m;

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};

}  // namespace emulator
