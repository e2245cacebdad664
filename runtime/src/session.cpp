#include <braid/runtime/session.h>

#include <algorithm>
#include <thread>

#include <braid/compiler/sizes.h>
#include <braid/compiler/stages.h>
#include <braid/nodes/builtin.h>
#include <braid/runtime/plugin.h>

#include "float_mode.h"
#include "kept.h"
#include "session_impl.h"

namespace braid {
namespace {

Registry builtin() {
  Registry registry;
  register_builtin(registry);
  return registry;
}

using Reader = std::function<Model(const ReadOptions&, Diagnostics&)>;

// With the plug-ins that it names.
Session opened(const Reader& reader, SessionOptions options, ReadOptions read) {
  Registry registry = builtin();
  Hooks hooks;
  if (!read.load_plugin) read.load_plugin = plugin_loader(registry, hooks);
  Diagnostics found;
  Model model = reader(read, found);
  found.raise();
  options.hooks = with_plugin_hooks(model, hooks, options.hooks);
  return Session(std::move(model), std::move(options), std::move(registry));
}

SessionOptions with_devices(SessionOptions o, const Model& model) {
  need_layers(model);
  if (o.devices.empty()) o.devices = model.devices;
  if (o.devices.empty()) o.devices = {"cpu"};
  return o;
}

// The replicas are the compiler's: they exist as soon as there is a model.
std::shared_ptr<HookTable> replicated(const Model& model, const SessionOptions& options) {
  check_hooks(model, options.hooks.specs());
  check_callbacks(model, options.hooks.specs());
  auto table = std::make_shared<HookTable>(HookTable{.hooks = options.hooks});
  if (options.replicate)
    table->contexts = braid::replicate(model, options.hooks, int(model.replicas));
  return table;
}

}  // namespace

std::string hex(uint64_t hash) {
  std::string text;
  for (int i = 60; i >= 0; i -= 4) text += "0123456789abcdef"[hash >> i & 15];
  return text;
}

Session::Impl::Impl(Model m, SessionOptions o, Registry r)
    : model(std::move(m)),
      options(with_devices(std::move(o), model)),
      registry(std::move(r)),
      deployment(deploy({.devices = options.devices,
                         .engine = options.engine,
                         .isa = options.isa,
                         .backend = options.backend,
                         .transport = options.transport,
                         .mark = model.devices_mark})),
      traits(deployment.traits),
      hooks(replicated(model, options)),
      state(deployment.placements, model.seed),
      programs(
          deployment.placements, lanes(), [this](const ProgramKey& wish) { return compiled(wish); },
          [this](const Plan& plan, Mode mode, Memory& memory) {
            return bound(plan, mode, memory);
          }) {
  gate.belongs_to(hooks.get());
  if (deployment.backend) deployment.backend->register_kernels(registry);
  if (!options.arena && options.engine == "tbb")
    options.arena = std::make_shared<TaskArena>(options.threads);
  hooks->finish = [this](const std::string& name, const std::vector<double>& totals) {
    return Totals(model, registry).finish(name, totals);
  };
}

int Session::Impl::lanes() const {
  if (alone()) return 1;
  if (options.concurrency > 0) return options.concurrency;
  if (options.arena) return options.arena->threads();
  return options.threads > 0 ? options.threads
                             : std::max(1, int(std::thread::hardware_concurrency()));
}

Plan Session::Impl::compiled(const ProgramKey& wish) const {
  CompileOptions compile_options{.mode = wish.mode,
                                 .goal = wish.goal,
                                 .write_state = wish.write_state,
                                 .batch = wish.batch,
                                 .devices = options.devices,
                                 .traits = traits,
                                 .wanted = wish.wanted,
                                 .memory = deployment.memory,
                                 .disabled = options.disabled,
                                 .mutant = options.mutant,
                                 .chunk = options.chunk,
                                 .hooks = hooks->hooks.specs(),
                                 .phase = wish.phase,
                                 .ran = wish.ran};
  return wish.sizes.empty() ? compile(model, registry, compile_options)
                            : compile(with_sizes(model, wish.sizes), registry, compile_options);
}

std::unique_ptr<Executor> Session::Impl::bound(const Plan& plan, Mode mode, Memory& memory) {
  return std::make_unique<Executor>(plan, registry, state, memory,
                                    ExecutorOptions{.engine = options.engine,
                                                    .threads = options.threads,
                                                    .arena = options.arena,
                                                    .digest = options.digest,
                                                    .mode = mode,
                                                    .hooks = hooks,
                                                    .check_finite = options.check_finite,
                                                    .replay = !options.disabled.contains("replay"),
                                                    .deadline = options.deadline});
}

Executor& Session::Impl::main(Program& program) {
  Executor& executor = programs.executor(program, 0);
  executor.check_finite(options.check_finite);
  return executor;
}

Turn::Turn(Session::Impl& session, std::shared_ptr<Program> program, bool alone)
    : session_(session), program_(std::move(program)) {
  if (alone || session.alone()) {
    alone_ = std::unique_lock(session.gate);
    executor_ = &session.main(*program_);
    return;
  }
  shared_ = std::shared_lock(session.gate);
  lane_ = session.programs.take_lane(*program_);
  try {
    executor_ = &session.programs.executor(*program_, lane_);
  } catch (...) {
    session.programs.give_back(lane_);
    throw;
  }
  executor_->check_finite(session.options.check_finite);
}

Turn::~Turn() {
  if (lane_ >= 0) session_.programs.give_back(lane_);
}

Session Session::open(const std::string& path, SessionOptions options, const ReadOptions& read) {
  return opened([&](auto& with, auto& found) { return read_file(path, with, found); },
                std::move(options), read);
}

Session Session::parse(std::string text, const std::string& name, SessionOptions options,
                       const ReadOptions& read) {
  return opened(
      [&](auto& with, auto& found) { return read_text(std::move(text), name, with, found); },
      std::move(options), read);
}

Session::Session(Model model, SessionOptions options)
    : Session(std::move(model), std::move(options), builtin()) {}

Session::Session(Model model, SessionOptions options, Registry registry)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(options), std::move(registry))) {}

Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&& other) noexcept {
  if (this == &other) return *this;
  const Session old(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}
// Nobody waits for a hook that hangs: all that it may still touch stays.
Session::~Session() {
  if (impl_ && impl_->programs.gave_up()) keep_until_exit(std::shared_ptr<Impl>(std::move(impl_)));
}

const Model& Session::model() const { return impl_->model; }
const Registry& Session::registry() const { return impl_->registry; }
const SessionOptions& Session::options() const { return impl_->options; }
State& Session::state() { return impl_->state; }
void Session::replicate() {
  std::lock_guard lock(impl_->gate);
  impl_->hooks->contexts =
      braid::replicate(impl_->model, impl_->options.hooks, int(impl_->model.replicas));
}

int64_t Session::steps_done() const { return impl_->steps; }

const Plan& Session::plan(Mode mode, int64_t batch, const std::vector<std::string>& wanted) {
  return plan({.mode = mode, .batch = batch, .wanted = wanted});
}

Executor& Session::executor(Mode mode, int64_t batch, const std::vector<std::string>& wanted) {
  return executor({.mode = mode, .batch = batch, .wanted = wanted});
}

const Plan& Session::plan(const ProgramKey& key) { return executor(key).plan(); }

Executor& Session::executor(const ProgramKey& key) {
  auto program = impl_->programs.find(key);
  std::lock_guard lock(impl_->gate);
  return impl_->main(*program);
}

std::vector<ProgramKey> Session::training_programs(int64_t batch) const {
  std::vector<ProgramKey> all;
  ProgramKey key{.mode = Mode::train, .batch = batch};
  if (impl_->model.phases.empty()) return {key};
  for (size_t p = 0; p < impl_->model.phases.size(); ++p) {
    key.phase = int(p);
    all.push_back(key);
    key.ran.push_back(int(p));
  }
  return all;
}

void Session::check_finite(bool on) {
  std::lock_guard lock(impl_->gate);
  impl_->options.check_finite = on;
}

void Session::Impl::execute(Executor& executor, const StepArgs& args, const char* what) {
  if (!options.trace) return executor.run(args);
  const bool trains = what == std::string("train");  // then it is the step after those done
  options.trace->run(executor, args, {what, args.scalars.step + (trains ? 1 : 0)});
}

// `inputs` as the engine takes them.
StepReport Session::Impl::step(const std::vector<const void*>& inputs, const ProgramKey& key,
                               const std::vector<double>& rates,
                               const std::vector<const void*>& next) {
  DefaultFloatMode float_mode;
  Totals totals(model, registry);
  if (!model.phases.empty()) {
    step_phases(inputs, key, rates, totals);
  } else if (model.losses.empty() || !model.optimizer) {
    throw Error(Fault::model, "E0216", "training needs a `loss` and an `optimizer`", model.mark);
  } else {
    auto program = programs.find(key);
    std::lock_guard lock(gate);
    Executor& executor = main(*program);
    execute(executor,
            {.inputs = inputs,
             .scalars = {.lr = rates.at(0), .step = steps, .seed = model.seed},
             .next = next},
            "train");
    totals.add(executor);
    ++steps;
  }
  return totals.report();
}

void Session::Impl::step_phases(const std::vector<const void*>& inputs, ProgramKey key,
                                const std::vector<double>& rates, Totals& totals) {
  std::lock_guard lock(gate);
  for (size_t p = 0; p < model.phases.size(); ++p) {
    const int64_t every = model.phases[p].every;
    if (steps % every) continue;
    key.phase = int(p);
    auto program = programs.find(key);
    Executor& executor = main(*program);
    execute(executor,
            {.inputs = inputs,
             .scalars = {.lr = rates.at(p), .step = steps, .seed = model.seed, .every = every}},
            "train");
    totals.add(executor);
    key.ran.push_back(int(p));
  }
  ++steps;
}

std::vector<double> Session::Impl::own_rates() const {
  auto rate = [](const std::optional<TypedDict>& optimizer) {
    return optimizer ? get_double(optimizer->params, "lr", 0) : 0;
  };
  std::vector<double> rates;
  for (auto& phase : model.phases) rates.push_back(rate(phase.optimizer));
  if (rates.empty()) rates.push_back(rate(model.optimizer));
  return rates;
}

std::vector<InputDecl> Session::Impl::declared(const ConstViews& arrays, ProgramKey& key) const {
  if (model.free.empty()) return model.inputs;
  Model sized = model;
  for (auto& free : sized.free)
    for (auto& input : model.inputs) {
      auto found = arrays.find(input.name);
      if (found == arrays.end() || found->second.dims.size() != input.type.rank()) continue;
      for (size_t d = 0; d < input.type.rank(); ++d)
        if (free.size == 0 && input.type.shape[d].free_name() == free.name)
          free.size = found->second.dims[d];
    }
  key.sizes = known_sizes(sized);
  return with_sizes(sized, key.sizes).inputs;
}

StepReport Session::step(const std::vector<const void*>& inputs, int64_t batch, double lr,
                         const std::vector<const void*>& next) {
  const std::vector<double> rates(std::max<size_t>(1, impl_->model.phases.size()), lr);
  Feed feed(impl_->wide());
  return impl_->step(feed.widened(impl_->model.inputs, inputs, batch),
                     {.mode = Mode::train, .batch = batch}, rates, next);
}

StepReport Session::step(const std::vector<const void*>& inputs, int64_t batch,
                         const std::vector<double>& rates) {
  Feed feed(impl_->wide());
  return impl_->step(feed.widened(impl_->model.inputs, inputs, batch),
                     {.mode = Mode::train, .batch = batch}, rates);
}

StepReport Session::step(const std::map<std::string, Array>& inputs) {
  ProgramKey key{.mode = Mode::train};
  const ConstViews views(inputs.begin(), inputs.end());
  Feed feed(impl_->wide());
  auto pointers = feed.inputs(impl_->declared(views, key), views, key.batch);
  return impl_->step(pointers, key, impl_->own_rates());
}

}  // namespace braid
