// Pipeline: a stream of items through stages, as a flow graph over one arena.
//
//   Flow flow;                                    // or `pipeline:` of a file: see PipelineDecl
//   auto frames  = flow.source("frames", [&] { return camera.grab(); });
//   auto small   = flow.map("shrink", frames, [](Frame f) { return record(f); }, {.parallel = 2});
//   auto batches = flow.batch("batch", small, {.max = 16, .wait_ms = 1});
//   auto seen    = flow.network("net", batches, session);
//   flow.sink("show", flow.unbatch("rows", seen), [](const Record& r) { ... });
//   PipelineReport report = flow.run();
//
// The contract:
// * An item leaves a stage in the order in which it came, whatever `parallel` says, unless the
//   stage has `ordered = false`. A join hands on what is complete, as it becomes complete.
// * `in_flight` items of each source are on their way at a time; one counts until all that was made
//   of it is done. So memory is bounded, and a slow stage slows the sources down.
// * In front of a stage wait up to `queue` items, and what the stages before it have in hand; with
//   `overflow` drop_oldest or drop_newest exactly `queue`, and the report counts those that went.
// * A batch goes on when it has `max` items, when its first one has waited `wait_ms` and the stage
//   behind it has nothing else to do, and when nothing more can come. Bits depend on none of this.
// * At the end of all sources everything is brought to its end. Items of a join that then lack a
//   partner, or lack one that was dropped, are counted as `unmatched`. When all items that may be
//   in flight wait for partners, nothing could ever come: that is an error (E0462), not a hang.
// * What a stage throws ends the run: sources stop, other items are let go, and run() throws an
//   Error that names stage, item and place. Then it may be run again, and so it may be afterwards.
#pragma once
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/model.h>
#include <braid/core/pipeline.h>
#include <braid/runtime/stages.h>
#include <braid/runtime/task_arena.h>
#include <braid/runtime/trace.h>

namespace braid {

class Session;

struct PipelineOptions {
  std::shared_ptr<TaskArena> arena = {};  ///< shared with sessions, or the host's; none = its own
  int threads = 0;                        ///< of an arena of its own; 0 = all cores
  std::shared_ptr<Trace> trace = {};      ///< none = nothing is recorded
  std::string folder = ".";               ///< where relative paths of models and weights begin
  /// Networks by the stage's name, which must outlive the pipeline. Others are opened, in the
  /// pipeline's arena, when it is made.
  std::map<std::string, Session*> sessions = {};
  /// What a network stage without `model` runs: the layers that stand beside the pipeline.
  std::shared_ptr<const Model> model = {};
};

struct StageReport {
  std::string name;
  StageKind kind = StageKind::map;
  int64_t in = 0;            ///< items that the stage was given; batches count as one
  int64_t out = 0;           ///< that it handed on
  int64_t filtered = 0;      ///< filters: that did not go on
  int64_t dropped = 0;       ///< by `overflow`, in front of the stage
  int64_t unmatched = 0;     ///< joins: that had no partner in the end
  int64_t failed = 0;        ///< calls that threw
  int64_t most_waiting = 0;  ///< in front of the stage, at a time
  double busy = 0;           ///< seconds in its callable, over all threads
  double mean_batch = 0;     ///< batches: items
};

struct PipelineReport {
  std::vector<StageReport> stages = {};  ///< as in PipelineDecl::stages
  double seconds = 0;
  int64_t items = 0;      ///< of all sources
  int64_t in_flight = 0;  ///< at most, of one source
  bool stopped = false;   ///< by stop() or cancel(), before the sources had ended
  /// Milliseconds from source to sink, of the items that came there; of one in eight where they
  /// follow each other within 10 microseconds. Within 1 %, by a histogram of fixed size.
  struct Latency {
    int64_t items = 0;
    double p50 = 0, p99 = 0, max = 0;
  } latency = {};

  const StageReport& stage(
      std::string_view name) const;  ///< throws Error(usage) naming the nearest
};

/// A table, a line a stage: for people.
std::string to_string(const PipelineReport& report);

class Pipeline {
 public:
  /// Checks everything (see check()) and opens the networks. Throws Error(model) with all errors.
  Pipeline(PipelineDecl decl, Stages stages, PipelineOptions options = {});
  /// Of a file: `model.pipeline`, with the model's folder and layers.
  Pipeline(const Model& model, Stages stages, PipelineOptions options = {});
  ~Pipeline();  ///< cancels what runs, and waits for it
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;

  const PipelineDecl& decl() const;

  /// Until all sources have ended and everything has been brought to its end. The calling thread
  /// works, too, and on nothing else. Throws Error(run), E0460 and up. One run at a time.
  PipelineReport run();
  /// The same by a thread of the pipeline's own.
  std::future<PipelineReport> run_async();
  /// The run that goes on, if any: sources end, what is in flight is brought to its end. By any
  /// thread, a callable's, too.
  void stop();
  /// The same, and what is in flight is let go.
  void cancel();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // with a run of run_async() that goes on
};

/// A stage of a Flow.
struct FlowStage {
  int index = -1;
};

/// What may be said of a stage of a Flow beside its callable: see StageDecl.
struct StageOptions {
  int64_t parallel = 1;
  bool ordered = true;
  int64_t queue = 16;
  Overflow overflow = Overflow::block;
};

struct BatchStageOptions {
  int64_t max = 16;
  double wait_ms = 1;
  int64_t queue = 16;
};

struct NetworkStageOptions {
  std::map<std::string, std::string> feed = {};  ///< input -> field; none = of the same name
  std::vector<std::string> outputs = {};         ///< none = the declared ones
  int64_t parallel = 1;
  int64_t queue = 16;
};

/// A pipeline written down in C++, in the order in which it flows.
class Flow {
 public:
  explicit Flow(int64_t in_flight = 64) { decl_.in_flight = in_flight; }

  template <class F>
  FlowStage source(const std::string& name, F f, SourceOptions options = {},
                   const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    stages_.source(name, std::move(f), options, file, line);
    return add({.name = name, .kind = StageKind::source, .call = name}, {}, file, line);
  }
  template <class F>
  FlowStage map(const std::string& name, FlowStage from, F f, const StageOptions& options = {},
                const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    stages_.map(name, std::move(f), file, line);
    return add(made(name, StageKind::map, options), {from}, file, line);
  }
  template <class F>
  FlowStage filter(const std::string& name, FlowStage from, F f, const StageOptions& options = {},
                   const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    stages_.filter(name, std::move(f), file, line);
    return add(made(name, StageKind::filter, options), {from}, file, line);
  }
  /// Items of one origin, or the n-th of each source: `f(A, B, ...)`.
  template <class F>
  FlowStage join(const std::string& name, const std::vector<FlowStage>& from, F f,
                 const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    stages_.join(name, std::move(f), file, line);
    return add({.name = name, .kind = StageKind::join, .call = name}, from, file, line);
  }
  /// Items of the same key, by the callables that stages() has under the name `by`.
  template <class F>
  FlowStage join(const std::string& name, const std::vector<FlowStage>& from, std::string by, F f,
                 const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    stages_.join(name, std::move(f), file, line);
    return add({.name = name, .kind = StageKind::join, .call = name, .by = std::move(by)}, from,
               file, line);
  }
  FlowStage batch(const std::string& name, FlowStage from, const BatchStageOptions& options = {},
                  const char* file = __builtin_FILE(), int line = __builtin_LINE());
  /// `session` must outlive the flow and its pipeline.
  FlowStage network(const std::string& name, FlowStage from, Session& session,
                    NetworkStageOptions options = {}, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE());
  FlowStage unbatch(const std::string& name, FlowStage from, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE());
  template <class F>
  FlowStage sink(const std::string& name, FlowStage from, F f, const StageOptions& options = {},
                 const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    stages_.sink(name, std::move(f), file, line);
    return add(made(name, StageKind::sink, options), {from}, file, line);
  }

  const PipelineDecl& decl() const { return decl_; }
  Stages& stages() { return stages_; }
  /// A pipeline of it; `options.sessions` gets those of the network stages.
  Pipeline pipeline(PipelineOptions options = {}) const;
  PipelineReport run(PipelineOptions options = {}) const;

 private:
  static StageDecl made(const std::string& name, StageKind kind, const StageOptions& options);
  FlowStage add(StageDecl stage, const std::vector<FlowStage>& from, const char* file, int line);

  PipelineDecl decl_;
  Stages stages_;
  std::map<std::string, Session*> sessions_;
};

}  // namespace braid
