// Executor: a Plan made runnable: kernels bound, pointers filled in, the scheduler's graph built
// once and run many times.
//
//   Memory memory(1);
//   Executor executor(plan, registry, state, memory, {.engine = "tbb"});
//   executor.run({.inputs = {image.data(), label.data()}, .scalars = {.lr = 0.1}});
//   executor.totals(0);   // the first result: loss as (sum, count)
//
// A step that fails ends on all replicas; the first error by node order is thrown, so the same
// fault gives the same message every time, and State is bit-equal to before.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <braid/core/builder.h>
#include <braid/core/plan.h>
#include <braid/core/registry.h>
#include <braid/runtime/state.h>
#include <braid/runtime/task_arena.h>

namespace braid {

struct HookTable;

/// The arenas of a session, one for each device; its executors share them, one runs at a time.
class Memory {
 public:
  explicit Memory(int devices) : Memory(host_placements(devices)) {}
  explicit Memory(Placements placements);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  /// At least `bytes` on `device`. Growing moves the arena: see generation().
  void reserve(int device, int64_t bytes);
  std::byte* arena(int device) const;
  int64_t bytes(int device) const;
  DeviceMemory& placement(int device) const;
  /// After a fault of a device that it does not recover from: nothing runs here any more.
  void give_up(std::string why) { broken_ = std::move(why); }
  const std::string& broken() const { return broken_; }
  /// Changes when an arena moved.
  int generation() const { return generation_; }

 private:
  struct Arena {
    std::byte* data = nullptr;
    int64_t bytes = 0;
  };
  Placements placements_;
  std::vector<Arena> arenas_;
  int generation_ = 0;
  std::string broken_;
};

struct ExecutorOptions {
  std::string engine = "tbb";
  int threads = 0;                              ///< 0 = all cores
  std::shared_ptr<TaskArena> arena = {};        ///< of "tbb"; none = one of its own
  bool digest = false;                          ///< keep a digest of every merged value
  Mode mode = Mode::train;                      ///< what hooks are told
  std::shared_ptr<const HookTable> hooks = {};  ///< of a plan that has some
  /// Look for NaN and infinities in the inputs of a step and in what each kernel before the gate
  /// made, and fail the step with the first one by node order: the same one on every engine and
  /// device list. Finite values keep their bits. Off, nothing is looked at.
  bool check_finite = false;
  /// Of devices with queues: record the step once and replay it; the bits are the same.
  bool replay = true;
  /// Seconds after which a step of a device that has not answered is given up (E0523), and a hook
  /// that has not returned (E0428).
  double deadline = 600;
};

struct StepArgs {
  /// One pointer for each input of the plan: the whole batch, row-major; null where unused.
  std::vector<const void*> inputs = {};
  Scalars scalars = {};
  /// The inputs of the step after this one, if they are there already: a device brings them while
  /// it computes this step. What they point to must not change until that step.
  std::vector<const void*> next = {};
};

/// What one sync produced: for tests that compare runs.
struct SyncDigest {
  int node, part;  ///< the sync, and which of its values
  int lo, hi;
  uint64_t bits;
  bool operator==(const SyncDigest&) const = default;
};

/// When a step of the plan ran in the last run: nanoseconds of the steady clock, and on which
/// worker of the engine or queue of a device. `worker` is -1 for steps that were skipped.
struct StepTime {
  int64_t begin = 0, end = 0;
  int worker = -1;
};

class Executor {
 public:
  Executor(const Plan& plan, const Registry& registry, State& state, Memory& memory,
           ExecutorOptions options = {});
  /// Waits for no hook that was given up. Whoever owns plan, state and memory then keeps them:
  /// the hook may still read them (gave_up).
  ~Executor();
  bool gave_up() const;

  void run(const StepArgs& args);

  /// Of a loss or metric: (sum, count), or what its definition's `finish` takes; empty where
  /// a micro-batch has no samples. Until the next run() of any executor that shares the memory.
  std::span<const double> totals(size_t result) const;
  /// Copies an output, slices joined, into [batch, ...] of the result's type. An output may be an
  /// input passed on, so what run() was given must still be there.
  void read(size_t result, void* out) const;

  /// Turns ExecutorOptions::check_finite on or off for the runs that follow.
  void check_finite(bool on);

  /// Called before each step that is not gated; may throw to fail the step. For hooks and tests.
  void on_step(std::function<void(int step)> hook);
  const std::vector<SyncDigest>& digests() const;
  /// Turns the clock on or off for the runs that follow. With it, devices with queues launch what
  /// they would replay.
  void time_steps(bool on);
  /// By step of the plan; empty with the clock off, and after a device has failed.
  std::span<const StepTime> times() const;
  /// What StepTime::worker is: "worker 3", "cuda:0, stream 1".
  std::string track(int worker) const;
  /// How many steps were replayed from a recording so far: see ExecutorOptions::replay.
  int64_t replayed() const;
  const Plan& plan() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace braid
