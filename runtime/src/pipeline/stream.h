// Stream: one run of a pipeline. Stations and what moves between them, the tasks of the flow graph
// that carry it, and the thread that waits for the end and settles what no longer moves.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include <braid/runtime/pipeline.h>

#include "pipeline/flow_graph.h"
#include "pipeline/histogram.h"
#include "pipeline/recorder.h"
#include "pipeline/resolved.h"
#include "pipeline/source_station.h"
#include "pipeline/station.h"
#include "pipeline/timer.h"

namespace braid {

/// The same fault, which says in front where it happened.
[[noreturn]] void rethrow_at(const StageDecl& decl, const std::string& where,
                             const std::exception_ptr& what);

class Stream {
 public:
  Stream(const Resolved& pipeline, FlowGraph& graph, Trace* trace);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Until everything is done; throws what a stage threw.
  PipelineReport run();
  /// By any thread.
  void stop();
  void cancel();

  // For stations.
  bool failing() const { return failing_.load(std::memory_order_relaxed); }
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  void fail(const StageRun& stage, const Token& token, std::exception_ptr what);
  Shell* copy(const Shell& shell);
  Shell* batch() { return pool_.take(); }
  /// It has come to a sink.
  void arrived(Shell* shell, Next& next);
  void let_go(Shell* shell, Next& next);
  Timer& timer() { return timer_; }
  /// Null when nothing is traced.
  Recorder* recorder() { return recorder_.get(); }
  /// The largest batch that comes to a stage.
  int64_t full_batch(const StageRun& stage) const;

  // For Next: a task of its own, from a thread of the arena's or from elsewhere.
  void spawn(Work work);
  void post(Work work);
  /// Of the graph's tasks.
  void carry(Work work);

  /// A source's thread begins or ends to bring something.
  void awake(bool is);

 private:
  struct Failure {
    const StageRun* stage;
    int64_t number;
    std::exception_ptr what;
  };

  void build();
  void make_calls();
  bool fuses(const StageDecl& before, const StageDecl& after) const;
  std::unique_ptr<Station> make_station(const std::vector<StageRun*>& stages);
  void connect();
  void trace_origins();
  int limit_of(const StageDecl& decl) const;

  void pump();
  void bring_in();
  bool more();
  bool settle();
  void stall();
  void leave();
  void note_arrival(const Shell& shell, Histogram& into) const;
  [[noreturn]] void raise() const;
  PipelineReport report(double seconds) const;
  void write_trace();

  const Resolved& pipeline_;
  FlowGraph& graph_;
  const bool isolated_;
  int slots_;  // of the arena's threads; then come the pump, the timer and each source
  std::deque<StageRun> stages_;
  std::vector<std::unique_ptr<Station>> stations_;
  std::vector<Station*> station_of_;  // by stage
  std::vector<SourceStation*> sources_;
  ShellPool pool_;
  std::vector<Histogram> latencies_;  // by slot
  Trace* trace_;
  std::unique_ptr<Recorder> recorder_;
  std::stop_source stop_;

  std::atomic<bool> failing_ = false, stopping_ = false, cut_short_ = false;
  std::atomic<int64_t> carrying_ = 0;  // tasks that are not done

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> inbox_;            // from outside
  bool helping_ = false;              // the pump is in the arena
  std::atomic<bool> posted_ = false;  // and is to look into the inbox
  std::atomic<int> awake_ = 0;        // threads of sources that may bring something
  std::vector<Failure> failures_;
  Timer timer_;
};

}  // namespace braid
