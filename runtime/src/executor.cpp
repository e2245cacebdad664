#include <braid/runtime/executor.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "engines/engine.h"
#include "finite.h"
#include "float_mode.h"
#include "hook_runner.h"

namespace braid {
namespace {

struct Failure {
  int step;
  std::exception_ptr what;
};

}  // namespace

struct Executor::Impl {
  const Plan& plan;
  State& state;
  Memory& memory;
  ExecutorOptions options;

  std::vector<int> state_index;    // the plan's state -> State's
  std::vector<KernelBody> bodies;  // by kernel
  std::vector<void*> pointers;     // by operand
  std::vector<int> feeds;          // operands that are slices of inputs
  std::vector<const void*> given;  // inputs of the last run; an output may be one of them
  int generation = -1;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<std::byte[]> workspace_memory;
  std::vector<std::byte*> workspaces;  // by worker

  const Scalars* scalars = nullptr;
  Scalars scalars_memory;
  HookRunner hooks;
  std::function<void(int)> hook;
  std::vector<char> skipped;  // by strand
  std::vector<Failure> failures;
  std::mutex failures_mutex;
  std::atomic<int> fired = 0;
  std::vector<SyncDigest> digests;
  std::vector<int> digest_of;  // step -> index into digests of its first output, -1 = none

  Impl(const Plan& p, State& s, Memory& m, ExecutorOptions o)
      : plan(p),
        state(s),
        memory(m),
        options(std::move(o)),
        hooks(plan, options.hooks, options.mode) {}

  void bind_kernels(const Registry& registry);
  void bind_pointers();
  std::byte* input(const Slot& slot) const;
  size_t bytes(const Step& step, int output) const {
    return size_t(plan.slots[size_t(plan.out(step)[size_t(output)])].bytes);
  }
  void make_workspaces();
  void find_digests();
  void check_inputs() const;
  void check_input(int index) const;
  void check_results(int id, void* const* in, void* const* out);
  bool passes_gate();
  void run_strand(int s, int worker) noexcept;
  void run_step(int id, std::byte* workspace);
  [[noreturn]] void raise_first();
};

// The same implementations as the compiler chose, or none: a plan made for another machine must not
// run here with other bits.
void Executor::Impl::bind_kernels(const Registry& registry) {
  for (auto& use : plan.kernels) {
    auto offer = registry.offer(use.signature, plan.traits);
    if (!offer || offer->impl != use.impl)
      throw Error(Fault::device, "E0504",
                  "the plan was made for the kernel '" + use.impl + "' of '" + use.signature.op +
                      "', this machine offers " + (offer ? "'" + offer->impl + "'" : "none"));
    bodies.push_back(offer->bind());
  }
}

void Executor::Impl::bind_pointers() {
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

// A slice of what the host gave, where the host put it.
std::byte* Executor::Impl::input(const Slot& slot) const {
  auto base = static_cast<const std::byte*>(given.at(size_t(slot.input)));
  if (!base)
    throw Error(Fault::data, "E0350",
                "input '" + plan.inputs[size_t(slot.input)].name + "' is needed and not given");
  return const_cast<std::byte*>(base) + slot.offset;
}

void Executor::Impl::make_workspaces() {
  size_t each = size_t((plan.workspace + 127) / 64 * 64), workers = size_t(engine->workers());
  workspace_memory = std::make_unique<std::byte[]>(each * workers + 64);
  auto base = (reinterpret_cast<uintptr_t>(workspace_memory.get()) + 63) / 64 * 64;
  for (size_t w = 0; w < workers; ++w)
    workspaces.push_back(reinterpret_cast<std::byte*>(base + w * each));
}

void Executor::Impl::find_digests() {
  digest_of.assign(plan.steps.size(), -1);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    auto& step = plan.steps[i];
    if (step.kind != StepKind::kernel || step.hi <= step.lo) continue;
    digest_of[i] = int(digests.size());
    for (int part = 0; part < step.outputs; ++part)
      digests.push_back({step.node, part, step.lo, step.hi, 0});
  }
}

void Executor::Impl::run_step(int id, std::byte* workspace) {
  auto& step = plan.steps[size_t(id)];
  if (hook && !step.gated) hook(id);
  auto in = &pointers[size_t(step.first)];
  auto out = in + step.inputs;
  if (step.kind == StepKind::kernel) {
    bodies[size_t(step.kernel)]({in, out, workspace, scalars, step.first_sample});
    if (options.digest && digest_of[size_t(id)] >= 0)
      for (int part = 0; part < step.outputs; ++part)
        digests[size_t(digest_of[size_t(id)] + part)].bits = XXH64(out[part], bytes(step, part), 0);
    if (options.check_finite) check_results(id, in, out);
  } else if (step.kind == StepKind::hook) {
    hooks.run(step, in, out, *scalars);
  } else if (step.kind == StepKind::transfer) {
    for (int part = 0; part < step.outputs; ++part)
      std::memcpy(out[part], in[part], bytes(step, part));
  }
}

// The first sample of an input that holds what is no number.
void Executor::Impl::check_input(int index) const {
  auto& input = plan.inputs[size_t(index)];
  const auto data = static_cast<const std::byte*>(given[size_t(index)]);
  const int64_t count = input.type.elements(plan.batch);
  const int64_t at = first_not_finite(data, input.type.dtype, count);
  if (at < 0) return;
  std::string where = "input '" + input.name + "'";
  const int64_t each = input.type.batched() ? input.type.elements(1) : count;
  const int64_t sample = at / each, byte = sample * input.type.bytes(1);
  if (input.type.batched()) {
    int64_t row = 0;
    for (auto& micro : plan.slices)
      for (size_t r = 0; r < micro.size(); row += micro[r++])
        if (row <= sample && sample < row + micro[r]) where += ", replica " + std::to_string(r);
    for (int operand : feeds) {
      auto& slot = plan.slots[size_t(plan.operands[size_t(operand)])];
      if (slot.input != index || byte < slot.offset || byte >= slot.offset + slot.bytes) continue;
      where += ", " + plan.devices[size_t(slot.device)];
      break;
    }
    where += ", sample " + std::to_string(sample);
  }
  const auto from = data + (input.type.batched() ? byte : 0);
  throw Error(Fault::run, "E0414",
              where + ", step " + std::to_string(scalars_memory.step + 1) +
                  ": not finite: " + what_is_not_finite(from, input.type.dtype, each),
              input.mark)
      .help("samples count from 0 within the batch; look at the data there");
}

void Executor::Impl::check_inputs() const {
  std::vector<bool> used(plan.inputs.size(), false);
  for (int operand : feeds)
    used[size_t(plan.slots[size_t(plan.operands[size_t(operand)])].input)] = true;
  for (size_t i = 0; i < used.size(); ++i)
    if (used[i]) check_input(int(i));
}

// Recorded and not thrown: the other steps still run, whatever strand they stand in, so that the
// first of all by node order is known. What comes from it stands behind it in that order.
void Executor::Impl::check_results(int id, void* const* in, void* const* out) {
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
    std::lock_guard lock(failures_mutex);
    failures.push_back({id, std::make_exception_ptr(Error(Fault::run, "E0413", text))});
    return;
  }
}

// Every step that can fail has run or was skipped, and a skip does not get here.
bool Executor::Impl::passes_gate() {
  std::lock_guard lock(failures_mutex);
  return failures.empty();
}

// A body never throws. What fails, and all that waits for it, is skipped along the edges; a global
// flag would let timing decide which of two faults is reported.
void Executor::Impl::run_strand(int s, int worker) noexcept {
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
      if (plan.steps[size_t(id)].kind == StepKind::gate && !passes_gate()) {
        skipped[size_t(s)] = 1;
        return;
      }
      run_step(at = id, workspaces[size_t(worker)]);
    }
  } catch (...) {
    skipped[size_t(s)] = 1;
    std::lock_guard lock(failures_mutex);
    failures.push_back({at, std::current_exception()});
  }
}

void Executor::Impl::raise_first() {
  auto first = std::ranges::min_element(failures, {}, [&](const Failure& f) {
    auto& s = plan.steps[size_t(f.step)];
    return std::tuple(s.node, s.replica, s.lo, s.hi, f.step);
  });
  auto& step = plan.steps[size_t(first->step)];
  Mark mark;
  if (step.node >= 0) mark = plan.nodes[size_t(step.node)].mark;
  std::string where = describe(plan, step) + ", " + plan.devices[size_t(step.device)] + ", step " +
                      std::to_string(scalars_memory.step + 1);
  try {
    std::rethrow_exception(first->what);
  } catch (const Error& e) {
    auto d = e.diagnostics().front();
    d.message = where + ": " + d.message;
    if (!d.mark) d.mark = mark;
    throw Error(e.fault(), {std::move(d)});
  } catch (const std::bad_alloc&) {
    throw Error(Fault::run, "E0401", where + ": out of memory", mark);
  } catch (const std::exception& e) {
    throw Error(Fault::run, "E0402", where + ": " + e.what(), mark);
  } catch (...) {
    throw Error(Fault::run, "E0402", where + ": an exception that is no std::exception", mark);
  }
}

Executor::Executor(const Plan& plan, const Registry& registry, State& state, Memory& memory,
                   ExecutorOptions options)
    : impl_(std::make_unique<Impl>(plan, state, memory, std::move(options))) {
  auto& i = *impl_;
  for (auto& var : plan.states) i.state_index.push_back(state.add(var));
  i.bind_kernels(registry);
  i.find_digests();
  i.skipped.assign(plan.strands.size(), 0);
  i.failures.reserve(16);
  i.scalars = &i.scalars_memory;
  i.engine = make_engine(
      i.options.engine, plan, [&i](int s, int worker) { i.run_strand(s, worker); },
      i.options.threads);
  i.make_workspaces();
  i.bind_pointers();
}

Executor::~Executor() = default;

void Executor::run(const StepArgs& args) {
  auto& i = *impl_;
  if (i.generation != i.memory.generation()) i.bind_pointers();
  i.scalars_memory = args.scalars;
  i.given = args.inputs;
  for (int operand : i.feeds) {
    auto& slot = i.plan.slots[size_t(i.plan.operands[size_t(operand)])];
    i.pointers[size_t(operand)] = i.input(slot);
  }
  std::ranges::fill(i.skipped, 0);
  i.failures.clear();
  if (i.options.check_finite) i.check_inputs();
  i.fired = 0;
  i.engine->run();
  if (i.fired != int(i.plan.strands.size()))
    bug("the scheduler fired " + std::to_string(i.fired) + " of " +
        std::to_string(i.plan.strands.size()) + " strands");
  if (!i.failures.empty()) i.raise_first();
}

std::span<const double> Executor::totals(size_t result) const {
  auto& i = *impl_;
  auto& r = i.plan.results.at(result);
  if (r.slots.empty()) return {};
  auto& slot = i.plan.slots[size_t(r.slots[0])];
  auto first = reinterpret_cast<const double*>(i.memory.arena(slot.device) + slot.offset);
  return {first, size_t(r.type.elements(i.plan.batch))};
}

void Executor::read(size_t result, void* out) const {
  auto& i = *impl_;
  auto& r = i.plan.results.at(result);
  bool batched = r.type.batched();
  for (size_t k = 0; k < r.slots.size(); ++k) {
    auto& slot = i.plan.slots[size_t(r.slots[k])];
    const void* from = i.memory.arena(slot.device) + slot.offset;
    if (slot.state >= 0) from = i.state.data(slot.device, i.state_index[size_t(slot.state)]);
    if (slot.input >= 0) from = i.input(slot);
    int64_t offset = batched ? r.type.bytes(1) * r.rows[k] : 0;
    std::memcpy(static_cast<std::byte*>(out) + offset, from, size_t(slot.bytes));
  }
}

void Executor::check_finite(bool on) { impl_->options.check_finite = on; }
void Executor::on_step(std::function<void(int)> hook) { impl_->hook = std::move(hook); }
const std::vector<SyncDigest>& Executor::digests() const { return impl_->digests; }
const Plan& Executor::plan() const { return impl_->plan; }

}  // namespace braid
