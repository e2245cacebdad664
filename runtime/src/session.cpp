#include <braid/runtime/session.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <list>

#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

#include "float_mode.h"

namespace braid {
namespace {

constexpr size_t cached_programs = 12;

DeviceTraits traits_for(const SessionOptions& options) {
  if (options.engine == "reference") return {.kind = "reference", .isa = ""};
  if (!options.isa.empty() && !pin_isa(options.isa))
    throw Error(Fault::device, "E0505",
                "--isa " + options.isa + ": this machine offers at most " + host_isa() +
                    ", and the choice must come before anything has run")
        .help("one of: sse4, avx2, avx512");
  return {.kind = "cpu", .isa = current_isa()};
}

Model read_model(const std::string& path, const ReadOptions& read) {
  Diagnostics found;
  Model model = read_file(path, read, found);
  found.raise();
  return model;
}

int64_t machine_memory() { return int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE); }

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
  DeviceTraits traits;
  Memory memory;
  State state;
  std::list<Program> programs;  // the most recently used first; plans must not move
  int64_t steps = 0;
  std::vector<std::vector<double>> wide;  // inputs of the f64 engine

  Impl(Model m, SessionOptions o, Registry r)
      : model(std::move(m)),
        options(with_devices(std::move(o), model)),
        registry(std::move(r)),
        traits(traits_for(options)),
        memory(int(options.devices.size())),
        state(int(options.devices.size()), model.seed) {}

  static SessionOptions with_devices(SessionOptions o, const Model& model) {
    if (o.devices.empty()) o.devices = model.devices;
    if (o.devices.empty()) o.devices = {"cpu"};
    return o;
  }

  Program& program(Mode mode, int64_t batch, const std::vector<std::string>& wanted);
  std::vector<const void*> widened(const std::vector<const void*>& inputs, int64_t batch);
  std::vector<const void*> pointers(const std::map<std::string, Array>& inputs, int64_t& batch);
  StepReport report(const Executor& executor, const Plan& plan) const;
};

Session::Impl::Program& Session::Impl::program(Mode mode, int64_t batch,
                                               const std::vector<std::string>& wanted) {
  DefaultFloatMode float_mode;
  std::string key = (mode == Mode::train ? "train " : "eval ") + std::to_string(batch);
  for (auto& name : wanted) key += "\n" + name;
  for (auto it = programs.begin(); it != programs.end(); ++it)
    if (it->key == key) {
      programs.splice(programs.begin(), programs, it);
      return programs.front();
    }
  CompileOptions compile_options{.mode = mode,
                                 .batch = batch,
                                 .devices = options.devices,
                                 .traits = traits,
                                 .wanted = wanted,
                                 .memory = machine_memory(),
                                 .disabled = options.disabled,
                                 .mutant = options.mutant};
  Program made{.key = key, .plan = compile(model, registry, compile_options)};
  programs.push_front(std::move(made));
  auto& front = programs.front();
  try {
    front.executor = std::make_unique<Executor>(
        front.plan, registry, state, memory,
        ExecutorOptions{
            .engine = options.engine, .threads = options.threads, .digest = options.digest});
  } catch (...) {
    programs.pop_front();
    throw;
  }
  if (programs.size() > cached_programs) programs.pop_back();
  return front;
}

std::vector<const void*> Session::Impl::widened(const std::vector<const void*>& inputs,
                                                int64_t batch) {
  if (traits.kind != "reference") return inputs;
  auto out = inputs;
  wide.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i] || model.inputs[i].type.dtype != DType::f32) continue;
    auto from = static_cast<const float*>(inputs[i]);
    wide[i].assign(from, from + model.inputs[i].type.elements(batch));
    out[i] = wide[i].data();
  }
  return out;
}

// Checks arrays against the declared inputs and finds the batch size.
std::vector<const void*> Session::Impl::pointers(const std::map<std::string, Array>& inputs,
                                                 int64_t& batch) {
  std::vector<std::string> names;
  for (auto& input : model.inputs) names.push_back(input.name);
  for (auto& [name, array] : inputs)
    if (std::ranges::find(names, name) == names.end())
      throw Error(Fault::data, "E0351",
                  "the network has no input '" + name + "'" + did_you_mean(name, names));
  batch = -1;
  std::vector<const void*> out;
  for (auto& input : model.inputs) {
    auto found = inputs.find(input.name);
    if (found == inputs.end()) {
      out.push_back(nullptr);
      continue;
    }
    auto& array = found->second;
    auto& shape = input.type.shape;
    bool fits = array.dtype == input.type.dtype && array.dims.size() == shape.size();
    if (fits && input.type.batched()) {
      int64_t n = array.dims[0] / shape[0].value;
      fits = n * shape[0].value == array.dims[0] && (batch < 0 || n == batch);
      if (fits) batch = n;
    }
    if (!fits || array.dims != input.type.dims(std::max<int64_t>(batch, 0)))
      throw Error(Fault::data, "E0352",
                  "input '" + input.name + "' is " + to_string(array) + ", the network wants " +
                      to_string(input.type) +
                      (batch > 0 ? " with N = " + std::to_string(batch) : ""),
                  input.mark);
    out.push_back(array.bytes.data());
  }
  if (batch < 1) throw Error(Fault::data, "E0350", "no input with samples is given");
  return out;
}

StepReport Session::Impl::report(const Executor& executor, const Plan& plan) const {
  std::map<std::string, std::pair<double, double>> sums;
  StepReport report;
  for (size_t i = 0; i < plan.results.size(); ++i) {
    auto& r = plan.results[i];
    if (r.kind == Result::Kind::output) continue;
    auto [sum, count] = executor.scalar(i);
    auto& total = sums[r.name];
    total.first += sum, total.second += count;
    double mean = total.second > 0 ? total.first / total.second : 0;
    (r.kind == Result::Kind::loss ? report.losses : report.metrics)[r.name] = mean;
  }
  for (auto& loss : model.losses)
    if (auto found = report.losses.find(loss.name); found != report.losses.end())
      report.loss += loss.factor * found->second;
  return report;
}

Session Session::open(const std::string& path, SessionOptions options, const ReadOptions& read) {
  return Session(read_model(path, read), std::move(options));
}

Session::Session(Model model, SessionOptions options)
    : Session(std::move(model), std::move(options), [] {
        Registry registry;
        register_builtin(registry);
        return registry;
      }()) {}

Session::Session(Model model, SessionOptions options, Registry registry)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(options), std::move(registry))) {}

Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

const Model& Session::model() const { return impl_->model; }
const Registry& Session::registry() const { return impl_->registry; }
const SessionOptions& Session::options() const { return impl_->options; }
State& Session::state() { return impl_->state; }
int64_t Session::steps_done() const { return impl_->steps; }

const Plan& Session::plan(Mode mode, int64_t batch, const std::vector<std::string>& wanted) {
  return impl_->program(mode, batch, wanted).plan;
}

Executor& Session::executor(Mode mode, int64_t batch, const std::vector<std::string>& wanted) {
  return *impl_->program(mode, batch, wanted).executor;
}

StepReport Session::step(const std::vector<const void*>& inputs, int64_t batch, double lr) {
  DefaultFloatMode float_mode;
  if (impl_->model.losses.empty() || !impl_->model.optimizer)
    throw Error(Fault::model, "E0216", "training needs a `loss` and an `optimizer`",
                impl_->model.mark);
  auto& program = impl_->program(Mode::train, batch, {});
  program.executor->run({.inputs = impl_->widened(inputs, batch),
                         .scalars = {.lr = lr, .step = impl_->steps, .seed = impl_->model.seed}});
  ++impl_->steps;
  return impl_->report(*program.executor, program.plan);
}

StepReport Session::step(const std::map<std::string, Array>& inputs) {
  int64_t batch = 0;
  auto pointers = impl_->pointers(inputs, batch);
  double lr = impl_->model.optimizer ? get_double(impl_->model.optimizer->params, "lr", 0) : 0;
  return step(pointers, batch, lr);
}

StepReport Session::evaluate(const DataSource& source) {
  DefaultFloatMode float_mode;
  int64_t most = impl_->model.batch.global > 0 ? impl_->model.batch.global : 256;
  BatchPlan batches({.samples = source.size(), .batch = most});
  Prefetcher prefetcher(source, batches, 0, batches.steps_per_epoch());
  std::map<std::string, std::pair<double, double>> sums;
  std::map<std::string, std::pair<Result::Kind, double>> kinds;
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
    auto& program = impl_->program(Mode::eval, n, wanted);
    program.executor->run({.inputs = impl_->widened(inputs, n),
                           .scalars = {.step = impl_->steps, .seed = impl_->model.seed}});
    for (size_t i = 0; i < program.plan.results.size(); ++i) {
      auto& r = program.plan.results[i];
      if (r.kind == Result::Kind::output) continue;
      auto [sum, count] = program.executor->scalar(i);
      sums[r.name].first += sum, sums[r.name].second += count;
      kinds[r.name] = {r.kind, r.factor};
    }
  }
  StepReport report;
  for (auto& [name, total] : sums) {
    double mean = total.second > 0 ? total.first / total.second : 0;
    bool loss = kinds[name].first == Result::Kind::loss;
    (loss ? report.losses : report.metrics)[name] = mean;
    if (loss) report.loss += kinds[name].second * mean;
  }
  return report;
}

std::map<std::string, Array> Session::run(const std::map<std::string, Array>& inputs,
                                          const std::vector<std::string>& outputs) {
  int64_t batch = 0;
  auto pointers = impl_->pointers(inputs, batch);
  std::vector<std::string> wanted = outputs;
  if (wanted.empty())
    for (auto& out : impl_->model.outputs) wanted.push_back(out.name);
  if (wanted.empty())
    throw Error(Fault::model, "E0218", "the network declares no `outputs`, and none is named",
                impl_->model.mark);
  auto& program = impl_->program(Mode::eval, batch, wanted);
  program.executor->run({.inputs = impl_->widened(pointers, batch),
                         .scalars = {.step = impl_->steps, .seed = impl_->model.seed}});
  std::map<std::string, Array> out;
  for (size_t i = 0; i < program.plan.results.size(); ++i) {
    auto& r = program.plan.results[i];
    Array array = Array::zeros(r.type.dtype, r.type.dims(batch));
    program.executor->read(i, array.bytes.data());
    out.emplace(r.name, std::move(array));
  }
  std::vector<std::string> known;
  for (auto& o : impl_->model.outputs) known.push_back(o.name);
  for (auto& layer : impl_->model.layers) known.push_back(layer.path);
  for (auto& name : wanted)
    if (!out.contains(name))
      throw Error(Fault::model, "E0219",
                  "the network has no output or layer '" + name + "'" + did_you_mean(name, known));
  return out;
}

void Session::load_weights(const std::string& path) {
  DefaultFloatMode float_mode;
  TensorFile file = read_safetensors(path);
  // The variables that the file must fit come with the program that uses them.
  Diagnostics found;
  for (auto& var : check(impl_->model, impl_->registry, found).states) {
    StateVar wide = var;
    if (impl_->traits.kind == "reference" && wide.type.dtype == DType::f32)
      wide.type.dtype = DType::f64;
    impl_->state.add(wide);
  }
  found.raise();
  std::erase_if(file.tensors, [](auto& entry) { return entry.first.starts_with("optimizer."); });
  impl_->state.load(file.tensors, path, false);
}

std::string Session::save_weights(const std::string& path) {
  return write_safetensors(path,
                           {.tensors = impl_->state.weights(), .metadata = {{"format", "pt"}}});
}

Checkpoint Session::checkpoint() {
  auto& plan = this->plan(Mode::train, impl_->model.batch.global);
  return {.step = impl_->steps,
          .tensors = impl_->state.all(),
          .metadata = {{"program", hex(plan.program_hash)},
                       {"isa", impl_->traits.isa},
                       {"replicas", std::to_string(plan.replicas)},
                       {"seed", std::to_string(impl_->model.seed)},
                       {"name", impl_->model.name}}};
}

std::string Session::restore(const Checkpoint& checkpoint, bool exact) {
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
