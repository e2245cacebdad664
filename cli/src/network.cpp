#include "network.h"

#include <algorithm>
#include <filesystem>

#include <braid/nodes/builtin.h>
#include <braid/runtime/builtin_stages.h>
#include <braid/runtime/data.h>
#include <braid/runtime/deployment.h>
#include <braid/runtime/plugin.h>
#include <braid/runtime/schedule.h>

#include "codes.h"
#include "output.h"
#include "tracing.h"

namespace braid::cli {

namespace {

bool names(const std::vector<std::string>& list, const std::string& code) {
  return std::ranges::find(list, code) != list.end();
}

/// What --allow and --deny name has to be a warning.
void check_warnings(const std::vector<std::string>& list, const char* option,
                    std::vector<std::string> known) {
  for (auto& entry : codes())
    if (entry.code[0] == 'W') known.emplace_back(entry.code);
  for (auto& code : list)
    if (!names(known, code))
      throw Error(
          Fault::usage, "E0706",
          std::string(option) + ": there is no warning '" + code + "'" + did_you_mean(code, known));
}

/// Silences or reports warnings; those that --deny names become errors. What is denied wins.
void settle_warnings(const Arguments& a, Diagnostics& found) {
  std::vector<Diagnostic> denied;
  for (auto& d : found.all()) {
    if (d.severity != Severity::warning) continue;
    if (names(a.deny, d.code) || (names(a.deny, "warnings") && !names(a.allow, d.code)))
      denied.push_back(d);
    else if (!names(a.allow, d.code))
      report({&d, 1}, a.json);
  }
  for (auto& d : denied) d.severity = Severity::error;
  if (!denied.empty()) found.add(Error(Fault::model, std::move(denied)));
}

/// What a program binds is not here yet, unless it is to run now.
void check_callables(const Model& model, const Stages& stages, bool runs, Diagnostics& found) {
  if (found.has_errors()) return;
  Diagnostics all;
  check(*model.pipeline, stages, all);
  std::vector<Diagnostic> wrong;
  for (auto& d : all.all())
    if (runs || d.code != "E0451") wrong.push_back(d);
  if (!wrong.empty()) found.add(Error(Fault::model, std::move(wrong)));
}

Registry builtin() {
  Registry registry;
  register_builtin(registry);
  return registry;
}

}  // namespace

Network load_network(const Arguments& a) {
  check_warnings(a.allow, "--allow", {});
  check_warnings(a.deny, "--deny", {"warnings"});
  Diagnostics found;
  Registry registry = builtin();
  Hooks hooks;
  Stages of_plugins;
  Model model = read_file(a.target,
                          {.set = a.set,
                           .replicas = a.replicas,
                           .seed = a.seed,
                           .plugins = !a.no_plugins,
                           .load_plugin = plugin_loader(registry, hooks, &of_plugins)},
                          found);
  if (model.pipeline && a.in_flight) model.pipeline->in_flight = *a.in_flight;
  Summary summary = check(model, registry, found);
  const bool open_ended =
      model.train.minutes && !model.train.steps && !model.train.epochs && !a.steps;
  if (model.schedule) check_schedule(*model.schedule, found, open_ended);
  for (auto& phase : model.phases)
    if (phase.schedule) check_schedule(*phase.schedule, found, open_ended);
  bool sized = std::ranges::all_of(model.free, [](auto& dim) { return dim.size > 0; });
  for (auto* data : {&model.train_data, &model.test_data})
    if (sized && *data) check_data(**data, model.inputs, found);
  Stages stages;
  if (model.pipeline) {
    stages.add(builtin_stages(model)).add(of_plugins);
    check_callables(model, stages, a.command == "stream", found);
  }
  settle_warnings(a, found);
  found.raise();
  if (!a.weights.empty()) {
    if (!model.weights) model.weights.emplace();
    model.weights->path = std::filesystem::absolute(a.weights).string();
  }
  hooks = with_plugin_hooks(model, hooks, {});
  return {std::move(model), std::move(summary), std::move(registry), std::move(hooks),
          std::move(stages)};
}

Registry registry_with(const std::vector<std::string>& plugins) {
  Registry registry = builtin();
  Hooks hooks;
  auto load = plugin_loader(registry, hooks);
  for (auto& path : plugins) {
    if (!path.ends_with(".yaml") && !path.ends_with(".yml")) {
      load(path, ".");
      continue;
    }
    Diagnostics found;
    read_file(path, {.load_plugin = load}, found);
    found.raise();
  }
  return registry;
}

SessionOptions session_options(const Arguments& a) {
  return {.devices = a.devices,
          .threads = a.threads,
          .engine = a.engine,
          .isa = a.isa,
          .disabled = a.disabled,
          .check_finite = a.check_finite,
          .trace = make_trace(a)};
}

Session session_of(const Network& network, SessionOptions options) {
  options.hooks = network.hooks;
  return {network.model, std::move(options), network.registry};
}

Session open_session(const Arguments& a, bool with_weights) {
  Network network = load_network(a);
  auto& [model, summary, registry, hooks, stages] = network;
  // What has nothing to be trained needs no file of it.
  with_weights = with_weights && (model.weights || summary.parameters + summary.buffers > 0);
  std::string weights;
  if (model.weights) {
    weights = (std::filesystem::path(model.folder) / model.weights->path).string();
  } else if (with_weights) {
    throw Error(Fault::usage, "E0701", "`braid " + a.command + "` needs weights")
        .help("--weights FILE.safetensors, or weights: {path: ...} in the file");
  }
  Session session = session_of(network, session_options(a));
  if (with_weights) session.load_weights(weights);
  return session;
}

Inference open_inference(const Arguments& a, const std::vector<std::string>& keep) {
  Session session = open_session(a, true);
  if (!a.fold_bn) return {std::move(session)};
  auto [folded, report] = fold_batch_norms(session, keep);
  if (!a.json) {
    size_t all = report.folds.size() + report.left.size();
    warn(std::to_string(report.folds.size()) + " of " + std::to_string(all) +
         " batch norms folded\n");
    for (auto& l : report.left) warn("   " + l.norm + " stays: " + l.why + "\n");
  }
  return {std::move(folded), std::move(report)};
}

Plan make_plan(const Network& network, const Arguments& a, int phase) {
  auto& model = network.model;
  Registry registry = network.registry;
  CompileOptions options{.mode = a.mode == "eval" ? Mode::eval : Mode::train,
                         .batch = a.batch ? a.batch : model.batch.global,
                         .disabled = a.disabled,
                         .phase = phase};
  for (int ran = 0; ran < phase; ++ran) options.ran.push_back(ran);
  if (!a.devices.empty())
    options.devices = a.devices;
  else if (!model.devices.empty())
    options.devices = model.devices;
  auto deployment = deploy(
      {.devices = options.devices, .isa = a.isa, .plan_only = true, .mark = model.devices_mark});
  if (deployment.backend) deployment.backend->register_kernels(registry);
  options.traits = deployment.traits;
  return compile(model, registry, options);
}

}  // namespace braid::cli
