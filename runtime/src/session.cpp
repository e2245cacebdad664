#include <braid/runtime/session.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <list>
#include <optional>

#include <braid/compiler/sizes.h>
#include <braid/nodes/builtin.h>
#include <braid/runtime/deployment.h>
#include <braid/runtime/plugin.h>

#include "feed.h"
#include "float_mode.h"
#include "kept.h"
#include "rename.h"
#include "totals.h"

namespace braid {
namespace {

constexpr size_t cached_programs = 12;

Model read_model(const std::string& path, const ReadOptions& read) {
  Diagnostics found;
  Model model = read_file(path, read, found);
  found.raise();
  return model;
}

Registry builtin() {
  Registry registry;
  register_builtin(registry);
  return registry;
}

Array array_of(const Executor& executor, size_t result) {
  auto& plan = executor.plan();
  auto& type = plan.results[result].type;
  Array array = Array::zeros(type.dtype, type.dims(plan.batch));
  executor.read(result, array.bytes.data());
  return array;
}

}  // namespace

std::string hex(uint64_t hash) {
  std::string text;
  for (int i = 60; i >= 0; i -= 4) text += "0123456789abcdef"[hash >> i & 15];
  return text;
}

struct Session::Impl {
  struct Program {
    std::string key;
    Plan plan;
    std::unique_ptr<Executor> executor;
  };

  Model model;
  SessionOptions options;
  Registry registry;
  Deployment deployment;
  const DeviceTraits& traits;
  std::shared_ptr<HookTable> hooks;
  Memory memory;
  State state;
  std::list<Program> programs;  // the most recently used first; plans must not move
  int64_t steps = 0;
  Feed feed;

  std::atomic<bool> running = false;

  Impl(Model m, SessionOptions o, Registry r)
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
        memory(deployment.placements),
        state(deployment.placements, model.seed),
        feed(traits.kind == "reference") {
    if (deployment.backend) deployment.backend->register_kernels(registry);
    hooks->finish = [this](const std::string& name, const std::vector<double>& totals) {
      return Totals(model, registry).finish(name, totals);
    };
  }

  static SessionOptions with_devices(SessionOptions o, const Model& model) {
    if (o.devices.empty()) o.devices = model.devices;
    if (o.devices.empty()) o.devices = {"cpu"};
    return o;
  }

  bool gave_up() const {
    return std::ranges::any_of(programs,
                               [](auto& p) { return p.executor && p.executor->gave_up(); });
  }
  /// Throws where a hook calls into its own session, and where one has hung.
  void require_idle() const;

  Program& program(ProgramKey wish);
  StepReport step(const std::vector<const void*>& inputs, const ProgramKey& key,
                  const std::vector<double>& rates, const std::vector<const void*>& next = {});
  void execute(Program& program, const StepArgs& args, const char* what);
  void step_phases(const std::vector<const void*>& inputs, ProgramKey key,
                   const std::vector<double>& rates, Totals& totals);
  std::vector<double> own_rates() const;
  std::vector<InputDecl> declared(const std::map<std::string, Array>& arrays,
                                  ProgramKey& key) const;
  Scalars scalars(std::optional<int64_t> step) const {
    return {.step = step.value_or(steps), .seed = model.seed};
  }
  void check_names(const std::vector<std::string>& wanted) const;
  std::vector<std::string> declared_outputs() const;

  // The replicas are the compiler's: they exist as soon as there is a model.
  static std::shared_ptr<HookTable> replicated(const Model& model, const SessionOptions& options) {
    check_hooks(model, options.hooks.specs());
    check_callbacks(model, options.hooks.specs());
    auto table = std::make_shared<HookTable>(HookTable{.hooks = options.hooks});
    if (options.replicate)
      table->contexts = braid::replicate(model, options.hooks, int(model.replicas));
    return table;
  }
  void make_variables();
};

void Session::Impl::require_idle() const {
  if (running)
    throw Error(
        Fault::usage, "E0429",
        "the session was called while it is running: by a hook of its own, or by two threads")
        .help("a hook sees what its visit shows; call the session when the step is over");
  if (gave_up())
    throw Error(Fault::run, "E0422", "an earlier run was given up: " + memory.broken())
        .help("open the network anew; what it had learned can still be saved");
}

Session::Impl::Program& Session::Impl::program(ProgramKey wish) {
  require_idle();
  DefaultFloatMode float_mode;
  if (wish.mode == Mode::eval) {  // the same program by several names
    wish.write_state = true;
    if (wish.goal == Goal::step && !wish.wanted.empty()) wish.goal = Goal::forward;
  }
  std::string key = (wish.mode == Mode::train ? "train " : "eval ") + std::to_string(wish.batch) +
                    " " + std::to_string(int(wish.goal)) + (wish.write_state ? "w" : "r");
  if (wish.phase >= 0) key += " phase " + std::to_string(wish.phase);
  for (int ran : wish.ran) key += " behind " + std::to_string(ran);
  for (int64_t size : wish.sizes) key += " x" + std::to_string(size);
  for (auto& name : wish.wanted) key += "\n" + name;
  for (auto it = programs.begin(); it != programs.end(); ++it)
    if (it->key == key) {
      programs.splice(programs.begin(), programs, it);
      return programs.front();
    }
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
  Program made{.key = key,
               .plan = wish.sizes.empty()
                           ? compile(model, registry, compile_options)
                           : compile(with_sizes(model, wish.sizes), registry, compile_options)};
  programs.push_front(std::move(made));
  auto& front = programs.front();
  try {
    front.executor =
        std::make_unique<Executor>(front.plan, registry, state, memory,
                                   ExecutorOptions{.engine = options.engine,
                                                   .threads = options.threads,
                                                   .digest = options.digest,
                                                   .mode = wish.mode,
                                                   .hooks = hooks,
                                                   .check_finite = options.check_finite,
                                                   .replay = !options.disabled.contains("replay"),
                                                   .deadline = options.deadline});
  } catch (...) {
    programs.pop_front();
    throw;
  }
  if (programs.size() > cached_programs) programs.pop_back();
  return front;
}

/// The session runs as long as this lives.
class Session::Busy {
 public:
  explicit Busy(Impl& impl) : impl_(impl) {
    impl.require_idle();
    impl.running = true;
  }
  Busy(const Busy&) = delete;
  ~Busy() { impl_.running = false; }

 private:
  Impl& impl_;
};

Session Session::open(const std::string& path, SessionOptions options, const ReadOptions& read) {
  Registry registry = builtin();
  Hooks hooks;
  ReadOptions with_loader = read;
  if (!read.load_plugin) with_loader.load_plugin = plugin_loader(registry, hooks);
  Model model = read_model(path, with_loader);
  options.hooks = with_plugin_hooks(model, hooks, options.hooks);
  return Session(std::move(model), std::move(options), std::move(registry));
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
  if (impl_ && impl_->gave_up()) keep_until_exit(std::shared_ptr<Impl>(std::move(impl_)));
}

const Model& Session::model() const { return impl_->model; }
const Registry& Session::registry() const { return impl_->registry; }
const SessionOptions& Session::options() const { return impl_->options; }
State& Session::state() { return impl_->state; }
void Session::replicate() {
  Busy busy(*impl_);
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

const Plan& Session::plan(const ProgramKey& key) { return impl_->program(key).plan; }
Executor& Session::executor(const ProgramKey& key) { return *impl_->program(key).executor; }

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
  impl_->require_idle();
  impl_->options.check_finite = on;
  for (auto& program : impl_->programs) program.executor->check_finite(on);
}

void Session::Impl::execute(Program& program, const StepArgs& args, const char* what) {
  Busy busy(*this);
  if (!options.trace) return program.executor->run(args);
  const bool trains = what == std::string("train");  // then it is the step after those done
  options.trace->run(*program.executor, args, {what, args.scalars.step + (trains ? 1 : 0)});
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
    auto& program = this->program(key);
    execute(program,
            {.inputs = inputs,
             .scalars = {.lr = rates.at(0), .step = steps, .seed = model.seed},
             .next = next},
            "train");
    totals.add(*program.executor);
  }
  ++steps;
  return totals.report();
}

void Session::Impl::step_phases(const std::vector<const void*>& inputs, ProgramKey key,
                                const std::vector<double>& rates, Totals& totals) {
  for (size_t p = 0; p < model.phases.size(); ++p) {
    const int64_t every = model.phases[p].every;
    if (steps % every) continue;
    key.phase = int(p);
    auto& program = this->program(key);
    execute(program,
            {.inputs = inputs,
             .scalars = {.lr = rates.at(p), .step = steps, .seed = model.seed, .every = every}},
            "train");
    totals.add(*program.executor);
    key.ran.push_back(int(p));
  }
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

/// The inputs with the sizes of free dimensions that the arrays have.
std::vector<InputDecl> Session::Impl::declared(const std::map<std::string, Array>& arrays,
                                               ProgramKey& key) const {
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
  impl_->require_idle();
  const std::vector<double> rates(std::max<size_t>(1, impl_->model.phases.size()), lr);
  return impl_->step(impl_->feed.widened(impl_->model.inputs, inputs, batch),
                     {.mode = Mode::train, .batch = batch}, rates, next);
}

StepReport Session::step(const std::vector<const void*>& inputs, int64_t batch,
                         const std::vector<double>& rates) {
  impl_->require_idle();
  return impl_->step(impl_->feed.widened(impl_->model.inputs, inputs, batch),
                     {.mode = Mode::train, .batch = batch}, rates);
}

StepReport Session::step(const std::map<std::string, Array>& inputs) {
  impl_->require_idle();
  ProgramKey key{.mode = Mode::train};
  auto pointers = impl_->feed.inputs(impl_->declared(inputs, key), inputs, key.batch);
  return impl_->step(pointers, key, impl_->own_rates());
}

StepReport Session::evaluate(const DataSource& source) {
  DefaultFloatMode float_mode;
  int64_t most = impl_->model.batch.global > 0 ? impl_->model.batch.global : 256;
  BatchPlan batches({.samples = source.size(), .batch = most});
  Prefetcher prefetcher(source, batches, 0, batches.steps_per_epoch());
  Totals totals(impl_->model, impl_->registry);
  std::vector<std::string> wanted;
  for (auto& loss : impl_->model.losses) wanted.push_back(loss.name);
  for (auto& metric : impl_->model.metrics) wanted.push_back(metric.name);
  if (wanted.empty())
    throw Error(Fault::model, "E0217", "there is nothing to evaluate: give `loss` or `metrics`",
                impl_->model.mark);
  while (const Batch* batch = prefetcher.next()) {
    std::vector<const void*> inputs;
    for (auto& input : batch->inputs) inputs.push_back(input.empty() ? nullptr : input.data());
    auto n = int64_t(batch->samples.size());
    auto& program = impl_->program({.mode = Mode::eval, .batch = n, .wanted = wanted});
    impl_->execute(program,
                   {.inputs = impl_->feed.widened(impl_->model.inputs, inputs, n),
                    .scalars = impl_->scalars({})},
                   "eval");
    totals.add(*program.executor);
  }
  return totals.report();
}

std::vector<std::string> Session::Impl::declared_outputs() const {
  if (model.outputs.empty())
    throw Error(Fault::model, "E0218", "the network declares no `outputs`, and none is named",
                model.mark);
  std::vector<std::string> names;
  for (auto& out : model.outputs) names.push_back(out.name);
  return names;
}

void Session::Impl::check_names(const std::vector<std::string>& wanted) const {
  std::vector<std::string> known;
  for (auto& o : model.outputs) known.push_back(o.name);
  for (auto& layer : model.layers) known.push_back(layer.path);
  for (auto& name : wanted)
    if (std::ranges::find(known, name) == known.end())
      throw Error(Fault::model, "E0219",
                  "the network has no output or layer '" + name + "'" + did_you_mean(name, known));
}

std::map<std::string, Array> Session::run(const std::map<std::string, Array>& inputs,
                                          const std::vector<std::string>& outputs,
                                          const RunOptions& options) {
  impl_->require_idle();
  ProgramKey key{.mode = options.mode,
                 .wanted = outputs.empty() ? impl_->declared_outputs() : outputs,
                 .goal = Goal::forward,
                 .write_state = options.write_state};
  auto pointers = impl_->feed.inputs(impl_->declared(inputs, key), inputs, key.batch);
  auto& program = impl_->program(key);
  impl_->execute(program, {.inputs = pointers, .scalars = impl_->scalars(options.step)}, "run");
  std::map<std::string, Array> out;
  for (size_t i = 0; i < program.plan.results.size(); ++i)
    out.emplace(program.plan.results[i].name, array_of(*program.executor, i));
  for (auto& name : outputs)
    if (!out.contains(name)) impl_->check_names({name});
  return out;
}

Backward Session::backward(const std::map<std::string, Array>& inputs,
                           const std::map<std::string, Array>& upstream,
                           const BackwardOptions& options) {
  impl_->require_idle();
  ProgramKey key{.mode = options.mode, .goal = Goal::backward, .write_state = options.write_state};
  auto pointers = impl_->feed.inputs(impl_->declared(inputs, key), inputs, key.batch);
  const int64_t batch = key.batch;
  auto wanted = options.outputs.empty() ? impl_->declared_outputs() : options.outputs;
  impl_->check_names(wanted);
  key.wanted = wanted;
  auto& program = impl_->program(key);
  auto& plan = program.plan;
  auto seeds = std::span(plan.inputs).subspan(impl_->model.inputs.size());
  impl_->feed.upstream(seeds, upstream, batch, pointers);
  impl_->execute(program, {.inputs = pointers, .scalars = impl_->scalars(options.step)},
                 "backward");
  Backward out;
  for (size_t i = 0; i < impl_->model.inputs.size(); ++i)
    if (auto& input = plan.inputs[i]; is_floating(input.type.dtype))
      out.inputs[input.name] = Array::zeros(input.type.dtype, input.type.dims(batch));
  for (auto& var : plan.states)
    if (var.trainable) out.parameters[var.key] = Array::zeros(var.type.dtype, var.type.dims(0));
  for (size_t i = 0; i < plan.results.size(); ++i) {
    auto& r = plan.results[i];
    std::string name = r.name.substr(r.kind == Result::Kind::gradient ? 5 : 0);
    auto& group = r.kind != Result::Kind::gradient ? out.outputs
                  : out.inputs.contains(name)      ? out.inputs
                                                   : out.parameters;
    group[name] = array_of(*program.executor, i);
  }
  return out;
}

// Variables come with the first program that uses them; whoever asks earlier has them made here.
void Session::Impl::make_variables() {
  if (running) require_idle();  // a session that has given up still shows what it has learned
  Diagnostics found;
  for (auto& var : check(model, registry, found).states) {
    StateVar wide = var;
    if (traits.kind == "reference" && wide.type.dtype == DType::f32) wide.type.dtype = DType::f64;
    state.add(wide);
  }
  found.raise();
}

std::map<std::string, Array> Session::weights() {
  DefaultFloatMode float_mode;
  impl_->make_variables();
  return impl_->state.weights();
}

void Session::set_weights(const std::map<std::string, Array>& tensors, const std::string& from) {
  impl_->require_idle();
  DefaultFloatMode float_mode;
  impl_->make_variables();
  if (impl_->model.ties.empty()) return impl_->state.load(tensors, from, false);
  auto own = tensors;  // others write a tied tensor under both names
  for (auto& tie : impl_->model.ties) {
    auto copy = own.find(tie.key), kept = own.find(tie.to);
    if (copy != own.end() && kept != own.end() && copy->second.bytes == kept->second.bytes)
      own.erase(copy);
  }
  impl_->state.load(own, from, false);
}

void Session::load_weights(const std::string& path) {
  impl_->require_idle();
  DefaultFloatMode float_mode;
  TensorFile file = read_safetensors(path);
  std::erase_if(file.tensors, [](auto& entry) { return entry.first.starts_with("optimizer."); });
  const WeightsDecl rules = impl_->model.weights.value_or(WeightsDecl{});
  impl_->make_variables();
  Renamed renamed = rename_keys(std::move(file.tensors), rules, path);
  try {
    impl_->state.load(renamed.tensors, path, false, rules);
  } catch (const Error& e) {
    auto d = e.diagnostics().front();
    for (auto& note : renamed.unused) d.note(rules.mark, note);
    throw Error(e.fault(), {std::move(d)});
  }
}

void Session::exchange_averages() {
  impl_->require_idle();
  impl_->state.exchange_averages();
}

std::string Session::save_weights(const std::string& path) {
  return write_safetensors(path,
                           {.tensors = impl_->state.weights(), .metadata = {{"format", "pt"}}});
}

Checkpoint Session::checkpoint() {
  std::string program, reduce = "exact";
  for (auto& key : training_programs(impl_->model.batch.global)) {
    const Plan& plan = this->plan(key);
    program += (program.empty() ? "" : "+") + hex(plan.program_hash);
    if (plan.summed_over > 1) reduce = "fast over " + std::to_string(plan.summed_over) + " devices";
  }
  return {.step = impl_->steps,
          .tensors = impl_->state.all(),
          .metadata = {{"program", program},
                       {"isa", impl_->traits.isa},
                       {"replicas", std::to_string(impl_->model.replicas)},
                       {"reduce", reduce},
                       {"seed", std::to_string(impl_->model.seed)},
                       {"name", impl_->model.name}}};
}

std::string Session::restore(const Checkpoint& checkpoint, bool exact) {
  impl_->require_idle();
  auto mine = this->checkpoint().metadata;
  std::string differs;
  for (auto& [key, value] : mine) {
    auto found = checkpoint.metadata.find(key);
    std::string theirs = found == checkpoint.metadata.end() ? "unknown" : found->second;
    if (theirs != value)
      differs += (differs.empty() ? "" : "; ") + key + ": checkpoint " + theirs + ", now " + value;
  }
  if (exact && !differs.empty())
    throw Error(Fault::data, "E0322",
                "the network or its settings have changed since the checkpoint: " + differs)
        .help("without --exact the run goes on, with other bits than an uninterrupted one");
  impl_->state.load(checkpoint.tensors, "the checkpoint", true);
  impl_->steps = checkpoint.step;
  return differs;
}

}  // namespace braid
