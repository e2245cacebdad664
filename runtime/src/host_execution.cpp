// The plan's bodies on the host: the scheduler runs them.
#include "execution.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <atomic>
#include <cstring>

#include "engines/engine.h"
#include "failures.h"
#include "finite.h"
#include "finite_inputs.h"
#include "float_mode.h"
#include "hook_runner.h"

namespace braid {
namespace {

class HostExecution : public Execution {
 public:
  HostExecution(const Plan& plan, const Registry& registry, State& state, Memory& memory,
                const ExecutorOptions& options);
  void run(const StepArgs& args) override;
  std::span<const double> totals(size_t result) const override;
  void read(size_t result, void* out) const override;

 private:
  void bind_kernels(const Registry& registry);
  void bind_pointers();
  std::byte* input(const Slot& slot) const {
    return const_cast<std::byte*>(slice_of(plan, slot, given));
  }
  size_t bytes(const Step& step, int output) const {
    return size_t(plan.slots[size_t(plan.out(step)[size_t(output)])].bytes);
  }
  void make_workspaces();
  void find_digests();
  void check_results(int id, void* const* in, void* const* out);
  void run_strand(int s, int worker) noexcept;
  void run_step(int id, std::byte* workspace);

  const Plan& plan;
  State& state;
  Memory& memory;
  bool digest;

  std::vector<int> state_index;    // the plan's state -> State's
  std::vector<KernelBody> bodies;  // by kernel
  std::vector<void*> pointers;     // by operand
  std::vector<int> feeds;          // operands that are slices of inputs
  std::vector<const void*> given;  // inputs of the last run; an output may be one of them
  int generation = -1;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<std::byte[]> workspace_memory;
  std::vector<std::byte*> workspaces;  // by worker

  Scalars scalars;
  HookRunner hooks;
  std::vector<char> skipped;  // by strand
  Failures failures;
  std::atomic<int> fired = 0;
  std::vector<int> digest_of;  // step -> index into digests of its first output, -1 = none
};

// The same implementations as the compiler chose, or none: a plan made for another machine must not
// run here with other bits.
void HostExecution::bind_kernels(const Registry& registry) {
  for (auto& use : plan.kernels) {
    auto offer = registry.offer(use.signature, plan.traits);
    require_same(use, offer);
    bodies.push_back(offer->bind());
  }
}

void HostExecution::bind_pointers() {
  for (int d = 0; d < int(plan.arena.size()); ++d) memory.reserve(d, plan.arena[size_t(d)]);
  generation = memory.generation();
  pointers.resize(plan.operands.size());
  feeds.clear();
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    auto& slot = plan.slots[size_t(plan.operands[i])];
    if (slot.state >= 0)
      pointers[i] = state.data(slot.device, state_index[size_t(slot.state)]);
    else if (slot.input >= 0)
      feeds.push_back(int(i));
    else
      pointers[i] = memory.arena(slot.device) + slot.offset;
  }
}

void HostExecution::make_workspaces() {
  size_t each = size_t((plan.workspace + 127) / 64 * 64), workers = size_t(engine->workers());
  workspace_memory = std::make_unique<std::byte[]>(each * workers + 64);
  auto base = (reinterpret_cast<uintptr_t>(workspace_memory.get()) + 63) / 64 * 64;
  for (size_t w = 0; w < workers; ++w)
    workspaces.push_back(reinterpret_cast<std::byte*>(base + w * each));
}

void HostExecution::find_digests() {
  digest_of.assign(plan.steps.size(), -1);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    auto& step = plan.steps[i];
    if (step.kind != StepKind::kernel || step.hi <= step.lo) continue;
    digest_of[i] = int(digests.size());
    for (int part = 0; part < step.outputs; ++part)
      digests.push_back({step.node, part, step.lo, step.hi, 0});
  }
}

void HostExecution::run_step(int id, std::byte* workspace) {
  auto& step = plan.steps[size_t(id)];
  if (on_step && !step.gated) on_step(id);
  auto in = &pointers[size_t(step.first)];
  auto out = in + step.inputs;
  if (step.kind == StepKind::kernel) {
    bodies[size_t(step.kernel)]({in, out, workspace, &scalars, step.first_sample});
    if (digest && digest_of[size_t(id)] >= 0)
      for (int part = 0; part < step.outputs; ++part)
        digests[size_t(digest_of[size_t(id)] + part)].bits = XXH64(out[part], bytes(step, part), 0);
    if (check_finite) check_results(id, in, out);
  } else if (step.kind == StepKind::hook) {
    hooks.run(step, in, out, scalars);
  } else if (step.kind == StepKind::transfer) {
    for (int part = 0; part < step.outputs; ++part)
      std::memcpy(out[part], in[part], bytes(step, part));
  }
}

// Recorded and not thrown: the other steps still run, whatever strand they stand in, so that the
// first of all by node order is known. What comes from it stands behind it in that order.
void HostExecution::check_results(int id, void* const* in, void* const* out) {
  auto& step = plan.steps[size_t(id)];
  auto& signature = plan.kernels[size_t(step.kernel)].signature;
  for (size_t k = 0; k < signature.out.size(); ++k) {
    auto& result = signature.out[k];
    if (all_finite(out[k], result.dtype, result.storage())) continue;
    std::string text =
        "its result is not finite: " + what_is_not_finite(out[k], result.dtype, result.storage()) +
        " of " + std::to_string(result.elements()) + " values";
    for (size_t i = 0; i < signature.in.size(); ++i) {
      auto& operand = signature.in[i];
      const int var = plan.slots[size_t(plan.in(step)[i])].state;
      if (var < 0 || all_finite(in[i], operand.dtype, operand.storage())) continue;
      text += "; '" + plan.states[size_t(var)].key +
              "' was not before: " + what_is_not_finite(in[i], operand.dtype, operand.storage());
    }
    failures.record(id, std::make_exception_ptr(Error(Fault::run, "E0413", text)));
    return;
  }
}

// A body never throws. What fails, and all that waits for it, is skipped along the edges; a global
// flag would let timing decide which of two faults is reported.
void HostExecution::run_strand(int s, int worker) noexcept {
  fired.fetch_add(1, std::memory_order_relaxed);
  auto& strand = plan.strands[size_t(s)];
  for (int q : strand.preds)
    if (skipped[size_t(q)]) {
      skipped[size_t(s)] = 1;
      return;
    }
  DefaultFloatMode mode;
  int at = -1;
  try {
    for (int id : strand.steps) {
      if (plan.steps[size_t(id)].kind == StepKind::gate && !failures.empty()) {
        skipped[size_t(s)] = 1;
        return;
      }
      run_step(at = id, workspaces[size_t(worker)]);
    }
  } catch (...) {
    skipped[size_t(s)] = 1;
    failures.record(at, std::current_exception());
  }
}

HostExecution::HostExecution(const Plan& p, const Registry& registry, State& s, Memory& m,
                             const ExecutorOptions& options)
    : plan(p), state(s), memory(m), digest(options.digest), hooks(p, options.hooks, options.mode) {
  check_finite = options.check_finite;
  for (auto& var : plan.states) state_index.push_back(state.add(var));
  bind_kernels(registry);
  find_digests();
  skipped.assign(plan.strands.size(), 0);
  engine = make_engine(
      options.engine, plan, [this](int s, int worker) { run_strand(s, worker); }, options.threads);
  make_workspaces();
  bind_pointers();
}

void HostExecution::run(const StepArgs& args) {
  if (generation != memory.generation()) bind_pointers();
  scalars = args.scalars;
  given = args.inputs;
  for (int operand : feeds)
    pointers[size_t(operand)] = input(plan.slots[size_t(plan.operands[size_t(operand)])]);
  std::ranges::fill(skipped, 0);
  failures.clear();
  if (check_finite) check_inputs(plan, given, scalars.step + 1);
  fired = 0;
  engine->run();
  if (fired != int(plan.strands.size()))
    bug("the scheduler fired " + std::to_string(fired) + " of " +
        std::to_string(plan.strands.size()) + " strands");
  if (!failures.empty()) failures.raise(plan, scalars.step + 1);
}

std::span<const double> HostExecution::totals(size_t result) const {
  auto& r = plan.results.at(result);
  if (r.slots.empty()) return {};
  auto& slot = plan.slots[size_t(r.slots[0])];
  auto first = reinterpret_cast<const double*>(memory.arena(slot.device) + slot.offset);
  return {first, size_t(r.type.elements(plan.batch))};
}

void HostExecution::read(size_t result, void* out) const {
  auto& r = plan.results.at(result);
  bool batched = r.type.batched();
  for (size_t k = 0; k < r.slots.size(); ++k) {
    auto& slot = plan.slots[size_t(r.slots[k])];
    const void* from = memory.arena(slot.device) + slot.offset;
    if (slot.state >= 0) from = state.data(slot.device, state_index[size_t(slot.state)]);
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
