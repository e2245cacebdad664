// Engine: runs the strands of a plan in dependency order. Engines never change a result: what a
// strand computes does not depend on who runs it or when.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <braid/core/plan.h>
#include <braid/runtime/task_arena.h>

namespace braid {

/// Runs one strand; `worker` is below Engine::workers() and no two strands run at the same time
/// with the same worker. Never throws.
using RunStrand = std::function<void(int strand, int worker)>;

/// Strands that end elsewhere: `start` returns at once, and whoever it has told calls `done` once.
struct External {
  std::vector<char> strands = {};  ///< which; empty = none
  std::function<void(int strand, int worker, std::function<void()> done)> start = {};
  bool has(int strand) const { return !strands.empty() && strands[size_t(strand)]; }
};

/// What must have run before a strand does: what it needs, and whose turn comes first.
std::vector<int> predecessors(const Strand& strand);

/// For engines whose threads may wait: runs the strand, or starts it and waits for its end.
void run_or_wait(const RunStrand& run, const External& external, int strand, int worker);

class Engine {
 public:
  virtual ~Engine() = default;
  virtual int workers() const = 0;
  /// Runs every strand once and returns when all are done.
  virtual void run() = 0;
};

/// One thread, in the order of the plan.
std::unique_ptr<Engine> make_serial_engine(const Plan& plan, RunStrand run, External external = {});
/// A TBB flow graph, built once; a plan without branches runs on the calling thread. No arena = one
/// of its own.
std::unique_ptr<Engine> make_tbb_engine(const Plan& plan, RunStrand run,
                                        std::shared_ptr<TaskArena> arena, External external = {});
/// Plain threads that wait a random while before each strand (seeded): for finding races.
std::unique_ptr<Engine> make_threads_engine(const Plan& plan, RunStrand run, int threads,
                                            unsigned seed, External external = {});

/// What an engine runs on.
struct EngineOptions {
  std::string name;                       ///< "serial", "tbb", "threads", "reference"
  int threads = 0;                        ///< 0 = all cores
  std::shared_ptr<TaskArena> arena = {};  ///< of "tbb"; none = one with so many threads
};

/// Throws Error(usage) for an unknown name.
std::unique_ptr<Engine> make_engine(const EngineOptions& options, const Plan& plan, RunStrand run,
                                    External external = {});

}  // namespace braid
