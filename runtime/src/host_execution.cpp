// The plan's bodies on the host: the scheduler runs them.
#include "execution.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "engines/engine.h"
#include "failures.h"
#include "finite.h"
#include "finite_inputs.h"
#include "float_mode.h"
#include "hook_runner.h"
#include "hook_watch.h"
#include "streams/watcher.h"

namespace braid {
namespace {

// What a hook that hangs may still touch must not move.
void require_whole(const Memory& memory) {
  if (!memory.broken().empty())
    throw Error(Fault::run, "E0422", "an earlier run was given up: " + memory.broken())
        .help("open the network anew; what it had learned can still be saved");
}

class HostExecution : public Execution {
 public:
  HostExecution(const Plan& plan, const Registry& registry, State& state, Memory& memory,
                const ExecutorOptions& options);
  void run(const StepArgs& args) override;
  std::span<const double> totals(size_t result) const override;
  void read(size_t result, void* out) const override;
  bool gave_up() const override { return watch_ && watch_->gave_up(); }

 private:
  void bind_kernels(const Registry& registry);
  void bind_pointers();
  std::byte* input(const Slot& slot) const {
    return const_cast<std::byte*>(slice_of(plan_, slot, given_));
  }
  size_t bytes(const Step& step, int output) const {
    return size_t(plan_.slots[size_t(plan_.out(step)[size_t(output)])].bytes);
  }
  void make_workspaces();
  void find_digests();
  void check_results(int id, void* const* in, void* const* out);
  void run_strand(int s, int worker) noexcept;
  bool run_steps(int s, int worker, int& at);
  bool run_step(int id, std::byte* workspace);
  bool run_hook(int id, void* const* in, void* const* out);
  void run_watched();

  const Plan& plan_;
  State& state_;
  Memory& memory_;
  bool digest_;

  std::vector<int> state_index_;    // the plan's state -> State's
  std::vector<KernelBody> bodies_;  // by kernel
  std::vector<void*> pointers_;     // by operand
  std::vector<int> feeds_;          // operands that are slices of inputs
  std::vector<const void*> given_;  // inputs of the last run; an output may be one of them
  int generation_ = -1;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<std::byte[]> workspace_memory_;
  std::vector<std::byte*> workspaces_;  // by worker

  Scalars scalars_;
  HookRunner hooks_;
  std::unique_ptr<HookWatch> watch_;  // of plans with hooks
  double deadline_;
  std::vector<char> skipped_;  // by strand
  Failures failures_;
  std::atomic<int> fired_ = 0;
  std::vector<int> digest_of_;  // step -> index into digests of its first output, -1 = none
};

// The same implementations as the compiler chose, or none: a plan made for another machine must not
// run here with other bits.
void HostExecution::bind_kernels(const Registry& registry) {
  for (auto& use : plan_.kernels) {
    auto offer = registry.offer(use.signature, plan_.traits);
    require_same(use, offer);
    bodies_.push_back(offer->bind());
  }
}

void HostExecution::bind_pointers() {
  for (int d = 0; d < int(plan_.arena.size()); ++d) memory_.reserve(d, plan_.arena[size_t(d)]);
  generation_ = memory_.generation();
  pointers_.resize(plan_.operands.size());
  feeds_.clear();
  for (size_t i = 0; i < plan_.operands.size(); ++i) {
    auto& slot = plan_.slots[size_t(plan_.operands[i])];
    if (slot.state >= 0)
      pointers_[i] = state_.data(slot.device, state_index_[size_t(slot.state)]);
    else if (slot.input >= 0)
      feeds_.push_back(int(i));
    else
      pointers_[i] = memory_.arena(slot.device) + slot.offset;
  }
}

void HostExecution::make_workspaces() {
  size_t each = size_t((plan_.workspace + 127) / 64 * 64), workers = size_t(engine_->workers());
  workspace_memory_ = std::make_unique<std::byte[]>(each * workers + 64);
  auto base = (reinterpret_cast<uintptr_t>(workspace_memory_.get()) + 63) / 64 * 64;
  for (size_t w = 0; w < workers; ++w)
    workspaces_.push_back(reinterpret_cast<std::byte*>(base + w * each));
}

void HostExecution::find_digests() {
  digest_of_.assign(plan_.steps.size(), -1);
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    auto& step = plan_.steps[i];
    if (step.kind != StepKind::kernel || step.hi <= step.lo) continue;
    digest_of_[i] = int(digests.size());
    for (int part = 0; part < step.outputs; ++part)
      digests.push_back({step.node, part, step.lo, step.hi, 0});
  }
}

// False: nobody waits for the step any more, and nothing here may be touched.
bool HostExecution::run_step(int id, std::byte* workspace) {
  auto& step = plan_.steps[size_t(id)];
  if (on_step && !step.gated) on_step(id);
  auto in = &pointers_[size_t(step.first)];
  auto out = in + step.inputs;
  if (step.kind == StepKind::kernel) {
    bodies_[size_t(step.kernel)]({in, out, workspace, &scalars_, step.first_sample});
    if (digest_ && digest_of_[size_t(id)] >= 0)
      for (int part = 0; part < step.outputs; ++part)
        digests[size_t(digest_of_[size_t(id)] + part)].bits =
            XXH64(out[part], bytes(step, part), 0);
    if (check_finite) check_results(id, in, out);
  } else if (step.kind == StepKind::hook) {
    return run_hook(id, in, out);
  } else if (step.kind == StepKind::transfer) {
    for (int part = 0; part < step.outputs; ++part)
      std::memcpy(out[part], in[part], bytes(step, part));
  }
  return true;
}

bool HostExecution::run_hook(int id, void* const* in, void* const* out) {
  if (!watch_->begin_hook(id)) return false;
  std::exception_ptr failed;
  try {
    hooks_.run(plan_.steps[size_t(id)], in, out, scalars_);
  } catch (...) {
    failed = std::current_exception();
  }
  if (!watch_->end_hook(id)) return false;
  if (failed) std::rethrow_exception(failed);
  return true;
}

// Recorded and not thrown: the other steps still run, whatever strand they stand in, so that the
// first of all by node order is known. What comes from it stands behind it in that order.
void HostExecution::check_results(int id, void* const* in, void* const* out) {
  auto& step = plan_.steps[size_t(id)];
  auto& signature = plan_.kernels[size_t(step.kernel)].signature;
  for (size_t k = 0; k < signature.out.size(); ++k) {
    auto& result = signature.out[k];
    if (all_finite(out[k], result.dtype, result.storage())) continue;
    std::string text =
        "its result is not finite: " + what_is_not_finite(out[k], result.dtype, result.storage()) +
        " of " + std::to_string(result.elements()) + " values";
    for (size_t i = 0; i < signature.in.size(); ++i) {
      auto& operand = signature.in[i];
      const int var = plan_.slots[size_t(plan_.in(step)[i])].state;
      if (var < 0 || all_finite(in[i], operand.dtype, operand.storage())) continue;
      text += "; '" + plan_.states[size_t(var)].key +
              "' was not before: " + what_is_not_finite(in[i], operand.dtype, operand.storage());
    }
    failures_.record(id, std::make_exception_ptr(Error(Fault::run, "E0413", text)));
    return;
  }
}

// A body never throws. What fails, and all that waits for it, is skipped along the edges; a global
// flag would let timing decide which of two faults is reported.
void HostExecution::run_strand(int s, int worker) noexcept {
  if (watch_ && !watch_->begin_strand()) return;
  fired_.fetch_add(1, std::memory_order_relaxed);
  int at = -1;
  bool waited_for = true;
  try {
    waited_for = run_steps(s, worker, at);
  } catch (...) {
    skipped_[size_t(s)] = 1;
    failures_.record(at, std::current_exception());
  }
  if (watch_ && waited_for) watch_->end_strand();
}

bool HostExecution::run_steps(int s, int worker, int& at) {
  auto& strand = plan_.strands[size_t(s)];
  for (int q : strand.preds)
    if (skipped_[size_t(q)]) {
      skipped_[size_t(s)] = 1;
      return true;
    }
  DefaultFloatMode mode;
  int64_t begin = timing ? now() : 0;  // a step's end is the begin of the next: one look less
  for (int id : strand.steps) {
    if (plan_.steps[size_t(id)].kind == StepKind::gate && !failures_.empty()) {
      skipped_[size_t(s)] = 1;
      return true;
    }
    at = id;
    if (!run_step(id, workspaces_[size_t(worker)])) return false;
    if (timing) {
      const int64_t end = now();
      times[size_t(id)] = {std::exchange(begin, end), end, worker};
    }
  }
  return true;
}

HostExecution::HostExecution(const Plan& p, const Registry& registry, State& s, Memory& m,
                             const ExecutorOptions& options)
    : plan_(p),
      state_(s),
      memory_(m),
      digest_(options.digest),
      hooks_(p, options.hooks, options.mode),
      deadline_(options.deadline) {
  require_whole(memory_);
  check_finite = options.check_finite;
  for (auto& var : plan_.states) state_index_.push_back(state_.add(var));
  bind_kernels(registry);
  find_digests();
  skipped_.assign(plan_.strands.size(), 0);
  engine_ = make_engine({options.engine, options.threads, options.arena}, plan_,
                        [this](int s, int worker) { run_strand(s, worker); });
  if (std::ranges::any_of(plan_.steps, [](auto& step) { return step.kind == StepKind::hook; }))
    watch_ = std::make_unique<HookWatch>();
  make_workspaces();
  bind_pointers();
}

// Whoever waits leaves when a hook hangs: this object, its plan and memory stay.
void HostExecution::run_watched() {
  const auto stuck = watch_->run([this] { engine_->run(); }, deadline_);
  if (!stuck) return;
  auto& step = plan_.steps[size_t(*stuck)];
  auto& point = plan_.hook_points[size_t(step.hook)];
  Diagnostic d{.code = "E0428",
               .mark = point.mark,
               .message = describe(plan_, step) + ", " + plan_.devices[size_t(step.device)] +
                          ", step " + std::to_string(scalars_.step + 1) +
                          ": it has not returned within " + in_seconds(deadline_)};
  d.note(plan_.hooks[size_t(point.spec)].mark, "bound here");
  d.help(
      "State is as before the step and can be saved; open it anew to go on, with a longer "
      "`deadline` where the hook needs one");
  memory_.give_up(d.message);
  throw Error(Fault::run, {std::move(d)});
}

void HostExecution::run(const StepArgs& args) {
  require_whole(memory_);
  if (generation_ != memory_.generation()) bind_pointers();
  scalars_ = args.scalars;
  given_ = args.inputs;
  for (int operand : feeds_)
    pointers_[size_t(operand)] = input(plan_.slots[size_t(plan_.operands[size_t(operand)])]);
  std::ranges::fill(skipped_, 0);
  failures_.clear();
  if (timing) times.assign(plan_.steps.size(), {});
  if (check_finite) check_inputs(plan_, given_, scalars_.step + 1);
  fired_ = 0;
  if (watch_)
    run_watched();
  else
    engine_->run();
  if (fired_ != int(plan_.strands.size()))
    bug("the scheduler fired " + std::to_string(fired_) + " of " +
        std::to_string(plan_.strands.size()) + " strands");
  if (!failures_.empty()) failures_.raise(plan_, scalars_.step + 1);
}

std::span<const double> HostExecution::totals(size_t result) const {
  auto& r = plan_.results.at(result);
  if (r.slots.empty()) return {};
  auto& slot = plan_.slots[size_t(r.slots[0])];
  auto first = reinterpret_cast<const double*>(memory_.arena(slot.device) + slot.offset);
  return {first, size_t(r.type.elements(plan_.batch))};
}

void HostExecution::read(size_t result, void* out) const {
  auto& r = plan_.results.at(result);
  bool batched = r.type.batched();
  for (size_t k = 0; k < r.slots.size(); ++k) {
    auto& slot = plan_.slots[size_t(r.slots[k])];
    const void* from = memory_.arena(slot.device) + slot.offset;
    if (slot.state >= 0) from = state_.data(slot.device, state_index_[size_t(slot.state)]);
    if (slot.input >= 0) from = input(slot);
    int64_t offset = batched ? r.type.bytes(1) * r.rows[k] : 0;
    std::memcpy(static_cast<std::byte*>(out) + offset, from, size_t(slot.bytes));
  }
}

}  // namespace

std::unique_ptr<Execution> make_host_execution(const Plan& plan, const Registry& registry,
                                               State& state, Memory& memory,
                                               const ExecutorOptions& options) {
  return std::make_unique<HostExecution>(plan, registry, state, memory, options);
}

}  // namespace braid
