// What stands behind a Session. Forward passes hold the gate as readers, each in a lane of its own;
// whatever writes State, or calls code of the user's, holds it alone.
#pragma once
#include <atomic>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include <braid/runtime/deployment.h>
#include <braid/runtime/session.h>

#include "dispatcher.h"
#include "feed.h"
#include "gate.h"
#include "programs.h"
#include "totals.h"

namespace braid {

struct Session::Impl {
  Model model;
  SessionOptions options;
  Registry registry;
  Deployment deployment;
  const DeviceTraits& traits;
  std::shared_ptr<HookTable> hooks;
  State state;
  Gate gate;
  Programs programs;
  std::atomic<int64_t> steps = 0;  // is asked for while it trains
  std::once_flag dispatching;
  std::optional<Dispatcher> dispatcher;  // ends first: its work uses all the rest

  Impl(Model m, SessionOptions o, Registry r);

  bool wide() const { return traits.kind == "reference"; }
  int lanes() const;
  /// Whether a pass must have the session for itself: hooks and traces take one at a time, and so
  /// does a device with queues.
  bool alone() const {
    return deployment.backend || options.trace || !hooks->hooks.specs().empty();
  }
  Plan compiled(const ProgramKey& wish) const;
  std::unique_ptr<Executor> bound(const Plan& plan, Mode mode, Memory& memory);

  /// The executor of lane 0, for whoever has the gate alone.
  Executor& main(Program& program);
  void execute(Executor& executor, const StepArgs& args, const char* what);
  StepReport step(const std::vector<const void*>& inputs, const ProgramKey& key,
                  const std::vector<double>& rates, const std::vector<const void*>& next = {});
  void step_phases(const std::vector<const void*>& inputs, ProgramKey key,
                   const std::vector<double>& rates, Totals& totals);
  /// `split` is set to whether all outputs have a row for each sample.
  std::map<std::string, Array> run(const std::map<std::string, Array>& inputs,
                                   const std::vector<std::string>& outputs,
                                   const RunOptions& run_options, bool* split = nullptr);
  std::vector<double> own_rates() const;
  /// The inputs with the sizes of free dimensions that the arrays have.
  std::vector<InputDecl> declared(const ConstViews& arrays, ProgramKey& key) const;
  Scalars scalars(std::optional<int64_t> step) const {
    return {.step = step.value_or(steps.load()), .seed = model.seed};
  }
  void check_names(const std::vector<std::string>& wanted) const;
  std::vector<std::string> declared_outputs() const;
  void make_variables();
  void load(TensorFile file, const std::string& path);
  TensorFile saved();
  Dispatcher& dispatch();
};

/// The right to run a program once: a lane, or the whole session.
class Turn {
 public:
  Turn(Session::Impl& session, std::shared_ptr<Program> program, bool alone);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  Executor& executor() const { return *executor_; }
  const Plan& plan() const { return program_->plan; }

 private:
  Session::Impl& session_;
  std::shared_ptr<Program> program_;
  std::shared_lock<Gate> shared_;
  std::unique_lock<Gate> alone_;
  int lane_ = -1;
  Executor* executor_ = nullptr;
};

}  // namespace braid
