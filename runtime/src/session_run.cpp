// Forward passes of a session, and backward ones.
#include <braid/runtime/session.h>

#include <algorithm>

#include "float_mode.h"
#include "session_impl.h"

namespace braid {
namespace {

Array array_of(const Executor& executor, size_t result) {
  auto& plan = executor.plan();
  auto& type = plan.results[result].type;
  Array array = Array::zeros(type.dtype, type.dims(plan.batch));
  executor.read(result, array.bytes.data());
  return array;
}

// Running statistics move.
bool writes(const RunOptions& options) {
  return options.mode == Mode::train && options.write_state;
}

}  // namespace

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
    Feed feed(impl_->wide());
    Turn turn(*impl_, impl_->programs.find({.mode = Mode::eval, .batch = n, .wanted = wanted}),
              false);
    impl_->execute(
        turn.executor(),
        {.inputs = feed.widened(impl_->model.inputs, inputs, n), .scalars = impl_->scalars({})},
        "eval");
    totals.add(turn.executor());
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

std::map<std::string, Array> Session::Impl::run(const std::map<std::string, Array>& inputs,
                                                const std::vector<std::string>& outputs,
                                                const RunOptions& run_options, bool* split) {
  ProgramKey key{.mode = run_options.mode,
                 .wanted = outputs.empty() ? declared_outputs() : outputs,
                 .goal = Goal::forward,
                 .write_state = run_options.write_state};
  const ConstViews views(inputs.begin(), inputs.end());
  Feed feed(wide());
  auto pointers = feed.inputs(declared(views, key), views, key.batch);
  const Turn turn(*this, programs.find(key), writes(run_options));
  execute(turn.executor(), {.inputs = pointers, .scalars = scalars(run_options.step)}, "run");
  std::map<std::string, Array> out;
  for (size_t i = 0; i < turn.plan().results.size(); ++i)
    out.emplace(turn.plan().results[i].name, array_of(turn.executor(), i));
  if (split)
    *split = std::ranges::all_of(turn.plan().results, [](auto& r) { return r.type.batched(); });
  for (auto& name : outputs)
    if (!out.contains(name)) check_names({name});
  return out;
}

std::map<std::string, Array> Session::run(const std::map<std::string, Array>& inputs,
                                          const std::vector<std::string>& outputs,
                                          const RunOptions& options) {
  return impl_->run(inputs, outputs, options);
}

Type Session::output_type(const std::string& name) {
  impl_->check_names({name});
  const ProgramKey key{.mode = Mode::eval, .batch = 1, .wanted = {name}, .goal = Goal::forward};
  return impl_->programs.find(key)->plan.results.at(0).type;
}

Backward Session::backward(const std::map<std::string, Array>& inputs,
                           const std::map<std::string, Array>& upstream,
                           const BackwardOptions& options) {
  ProgramKey key{.mode = options.mode, .goal = Goal::backward, .write_state = options.write_state};
  const ConstViews views(inputs.begin(), inputs.end());
  Feed feed(impl_->wide());
  auto pointers = feed.inputs(impl_->declared(views, key), views, key.batch);
  const int64_t batch = key.batch;
  auto wanted = options.outputs.empty() ? impl_->declared_outputs() : options.outputs;
  impl_->check_names(wanted);
  key.wanted = wanted;
  const Turn turn(*impl_, impl_->programs.find(key), true);
  auto& plan = turn.plan();
  auto seeds = std::span(plan.inputs).subspan(impl_->model.inputs.size());
  feed.upstream(seeds, ConstViews(upstream.begin(), upstream.end()), batch, pointers);
  impl_->execute(turn.executor(), {.inputs = pointers, .scalars = impl_->scalars(options.step)},
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
    group[name] = array_of(turn.executor(), i);
  }
  return out;
}

}  // namespace braid
