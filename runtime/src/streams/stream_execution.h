// A plan whose work is enqueued. The flow graph (or one thread, recording) runs bodies that put
// launches, copies and event edges into the queues of the devices and return; the step is done when
// the last event is. What fails on a device sets a word in its memory; the commit gate joins these
// words there, and what writes State reads the result: nothing goes back to the host in between.
//
//   prologue   scalars and inputs go to the devices, status words become 0
//   strands    in the flow graph; or, from the second step on, replayed from a recording
//   epilogue   status words and totals come back, then an event that the host waits for
#pragma once
#include <atomic>
#include <map>

#include "engines/engine.h"
#include "execution.h"
#include "failures.h"
#include "hook_runner.h"
#include "streams/binding.h"
#include "streams/watcher.h"

namespace braid {

class StreamExecution : public Execution {
 public:
  StreamExecution(const Plan& plan, const Registry& registry, State& state, Memory& memory,
                  const ExecutorOptions& options);
  ~StreamExecution() override;
  void run(const StepArgs& args) override;
  std::span<const double> totals(size_t result) const override;
  void read(size_t result, void* out) const override;
  std::string track(int worker) const override;

 private:
  // What a device has of its own.
  struct Side {
    Device* device;
    std::vector<Queue*> queues;
    DeviceBlock control;
    std::vector<DeviceBlock> workspaces;  // by queue
    std::vector<Event*> tails;            // by queue
    Queue* feeder;                        // brings the inputs of the next step
    Event* fed;
    StagingBlock back;       // status words and counts
    Event* clock = nullptr;  // of a step that is timed: when it began on this device
    int64_t began = 0;       // and on the host, nanoseconds; not later than there
  };
  // What a hook is shown, on the host.
  struct Shown {
    StagingBlock memory;
    std::vector<void*> pointers;  // by operand of the step
    Event* event;
  };
  struct QueueAt {
    size_t side, queue;
  };
  // The queues of a run of strands that do not wait for the first one by themselves, and those that
  // it does not wait for.
  struct Ends {
    std::vector<QueueAt> fork, join;
  };
  // A stretch of the plan without a hook, or a strand that is one.
  struct Segment {
    std::vector<int> strands;
    bool hook = false;
    Ends ends = {};
  };

  // make.cpp: what there is before the first step
  void make_sides();
  void bind_launches(const Registry& registry);
  void find_segments();
  Ends find_ends(const std::vector<int>& strands) const;
  void find_results();
  void bind(Binding& binding);
  void drop_recordings(Binding& binding);

  // stream_execution.cpp: a step
  bool can_replay() const;
  Queue* origin() const { return sides_[0].queues[0]; }
  Queue* queue_of(const Strand& strand) const {
    return sides_[size_t(strand.device)].queues[size_t(strand.stream)];
  }
  void execute(Binding& binding);
  void prologue(Binding& binding);
  void stage(Binding& binding, const std::vector<const void*>& inputs);
  void bring_next(const std::vector<const void*>& inputs);
  void run_plain();
  void replay(Binding& binding);
  void record(Binding& binding);
  bool try_to_record(Binding& binding);
  void fork(const Ends& ends);
  void join(const Ends& ends);
  void epilogue();
  void wait_for_end();
  std::string unfinished() const noexcept;
  [[noreturn]] void give_up(std::exception_ptr why);

  // strands.cpp: what a strand enqueues
  void run_strand(int strand) noexcept;
  void enqueue(int strand, int& step);
  void enqueue_step(int id, Side& side, Queue* queue);
  void enqueue_kernel(int id, Side& side, Queue* queue);
  void enqueue_transfer(int id, Side& side, Queue* queue);
  void enqueue_sum(int id, Side& side, Queue* queue);
  void enqueue_gate();
  void keep_digests(int id, Side& side, Queue* queue);
  void start_hook(int strand, std::function<void()> done);
  void show(int strand, Queue* queue);
  void call_hook(int strand, Queue* queue, std::exception_ptr failed) noexcept;
  bool skip(int strand);

  // timing.cpp: when the devices did what was enqueued
  void start_clocks();
  void read_clocks();
  Side& clock_of(size_t device);
  int track_of(const Step& step) const;

  // faults.cpp: what the words say that came back
  void collect_faults();
  void find_refusals();
  std::exception_ptr diagnose(int step, int part) const;
  std::exception_ptr not_finite(int step, int output, const int64_t* counts) const;
  void finish_digests();

  const Plan& plan_;
  const Registry& registry_;
  State& state_;
  Memory& memory_;
  ExecutorOptions options_;
  Offsets offsets_;
  HookRunner hooks_;

  std::vector<int> state_index_;  // the plan's state -> State's
  std::vector<Launch> launches_;  // by step
  std::vector<Side> sides_;
  std::vector<Event*> events_;  // strand -> its event, or null
  struct Timer {
    Event *begin, *end;
  };
  std::vector<Timer> timers_;  // by step; none before the first that is timed
  Event *start_ = nullptr, *end_ = nullptr;
  std::unique_ptr<DeviceBlock> gathered_;  // the words of all devices, on the first

  std::vector<Binding> bindings_;
  Binding* current_ = nullptr;
  std::vector<const void*> brought_;  // inputs that the other binding has, or none
  int generation_ = -1;
  std::vector<Segment> segments_;
  Ends ends_;                    // of the whole plan
  std::vector<int> segment_of_;  // by strand
  int recording_ = -1;           // the segment that is being recorded

  std::vector<const void*> given_, next_;
  Scalars scalars_;
  std::map<int, Shown> shown_;         // by step
  std::vector<StagingBlock> totals_;   // one, or none
  std::vector<int64_t> total_offset_;  // by result, -1 = none
  struct Digest {
    SyncDigest what;
    int operand;
    int64_t bytes;
    StagingBlock memory;
  };
  std::map<int, std::vector<Digest>> digest_of_;  // by step

  std::vector<char> skipped_;
  Failures failures_;
  std::atomic<int> fired_ = 0;
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace braid
