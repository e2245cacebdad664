// Trace: what a session's workers and queues did, and when, for chrome://tracing, ui.perfetto.dev
// and `braid trace`.
//
//   auto trace = std::make_shared<Trace>(TraceOptions{.first = 10, .last = 20});
//   Session session = Session::open("digits.yaml", {.trace = trace});
//   train(session, {.steps = 30});
//   trace->write("trace.json");
//
// Events are kept while a step runs without a lock or an allocation, and become text in write().
// What is traced has the same bits as what is not.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include <braid/runtime/executor.h>

namespace braid {

struct TraceOptions {
  int64_t first = 0, last = INT64_MAX;  ///< optimizer steps, counted from 1; 0 = before any
  int64_t events = 250'000;             ///< no step is begun when there are so many
};

struct StageTrace;

class Trace {
 public:
  explicit Trace(TraceOptions options = {});
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  /// What is run: `step` is that of TraceOptions.
  struct Run {
    std::string what;  ///< "train", "eval", "run", "backward"
    int64_t step = 0;
  };
  /// executor.run(args), with the clock on if the step is wanted. What fails is kept as far as it
  /// came.
  void run(Executor& executor, const StepArgs& args, const Run& run);

  /// What the stages of a pipeline did, when it has run: see PipelineOptions::trace. As many events
  /// are kept as there is room for.
  void add(StageTrace stages);
  /// How many more there is room for.
  int64_t room() const;

  int64_t runs() const;    ///< kept
  int64_t events() const;  ///< kept
  /// After which step there was no room, or -1.
  int64_t full_after() const;

  /// Chrome's JSON: {"traceEvents": [...], "otherData": {...}}; docs/traces.md says what stands in
  /// it. `name` is that of the process.
  std::string json(const std::string& name) const;
  /// The same as a file, whole or absent. Throws Error(output, "E0601").
  void write(const std::string& path, const std::string& name) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace braid
