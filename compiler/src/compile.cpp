// The table of contents of the compilation.
#include <braid/compiler/compile.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include <braid/compiler/phases.h>
#include <braid/compiler/positions.h>
#include <braid/compiler/sizes.h>
#include <braid/compiler/stages.h>

#include "hooks.h"
#include "passes.h"

namespace braid {
namespace {

class Clock {
 public:
  explicit Clock(const CompileOptions& options) : options_(options) {}
  void pass(const char* name) {
    auto now = std::chrono::steady_clock::now();
    if (options_.on_pass)
      options_.on_pass(name, std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }

 private:
  const CompileOptions& options_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Only GPUs have a library that sums, and it takes part of a GPU once. Elsewhere the fixed tree is
// as fast as anything.
void choose_reduction(const Model& model, Plan& plan) {
  plan.fast = model.reduce == Reduce::fast;
  if (!plan.fast) return;
  std::set<std::string> different;
  for (auto& name : plan.devices)
    different.insert(name.find(':') == name.npos ? name + ":0" : name);
  if (plan.traits.kind != "cuda")
    plan.as_exact = "only GPUs have a library that sums";
  else if (plan.devices.size() == 1)
    plan.as_exact = "there is one device";
  else if (different.size() < plan.devices.size())
    plan.as_exact = "several placements share a GPU";
  else
    plan.summed_over = int(plan.devices.size());
}

void check_deployment(const Model& model, const CompileOptions& options, int replicas) {
  if (options.devices.empty()) throw Error(Fault::device, "E0501", "no device is given");
  const std::string kind = kind_of(options.devices, model.devices_mark);
  const bool reference = options.traits.kind == "reference" && kind == "cpu";
  if (kind != options.traits.kind && !reference)
    throw Error(
        Fault::device, "E0511",
        "device '" + options.devices[0] + "' in a plan for the kind '" + options.traits.kind + "'",
        model.devices_mark)
        .help("the engine 'reference' runs on cpu alone");
  if (int(options.devices.size()) > std::min(replicas, 64))
    throw Error(Fault::device, "E0503",
                std::to_string(options.devices.size()) + " devices for " +
                    std::to_string(replicas) + (replicas == 1 ? " replica" : " replicas") +
                    ": a device without a replica would have nothing to do",
                model.devices_mark ? model.devices_mark : model.replicas_mark)
        .help("name at most one device for each replica, or raise `replicas`");
}

// What is read and checked, and has no kernels yet.
void check_supported(const Model& model) {
  if (model.precision.compute != DType::f32)
    throw Error(Fault::model, "E0805",
                "no kernels compute in " + std::string(to_string(model.precision.compute)) + " yet",
                model.precision.mark)
        .help("precision: f32, the default, runs; weights and checkpoints are the same for both");
  for (auto& item : model.layers)
    if (item.spectral_norm)
      throw Error(Fault::model, "E0808",
                  "layer '" + item.path + "': spectral_norm has no kernels yet", item.mark)
          .help("the network can be checked; leave spectral_norm out to run it");
}

bool answered(const std::vector<HookSpec>& hooks, const std::string& name) {
  return std::ranges::any_of(
      hooks, [&](auto& h) { return h.kind == HookKind::replicate && h.called == name; });
}

// Steps name their hooks by index; what on_replicate calls comes behind.
void describe_hooks(const Model& model, const Graph& graph, Plan& plan) {
  plan.hook_points = graph.hook_points;
  auto all = positions(model);
  for (auto& position : all)
    if (!position.on_replicate.empty() && !answered(plan.hooks, position.on_replicate))
      plan.hooks.push_back({.kind = HookKind::replicate,
                            .name = position.on_replicate,
                            .called = position.on_replicate});
  std::map<std::string, int> by_path;
  for (size_t i = 0; i < all.size(); ++i) by_path.emplace(all[i].path, int(i));
  for (auto& item : model.layers)  // a second call shares the context of the first
    if (item.share >= 0)
      by_path.emplace(item.path, by_path.at(model.layers[size_t(item.share)].path));
  for (auto& point : plan.hook_points)
    if (!point.layer.empty()) point.position = by_path.at(point.layer);
  for (auto& point : replication_points(model, plan.hooks)) plan.hook_points.push_back(point);
}

}  // namespace

std::string kind_of(const std::string& device) { return device.substr(0, device.find(':')); }

void check_device(const std::string& device, const Mark& mark) {
  const std::string kind = kind_of(device);
  const auto rest = std::string_view(device).substr(kind.size());
  const bool number = rest.size() > 1 && rest.size() < 6 &&
                      rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
  if ((kind == "cpu" || kind == "cuda") && (rest.empty() || number)) return;
  throw Error(Fault::device, "E0502",
              "device '" + device + "' is none: devices are cpu, cpu:0, cpu:1, ... and cuda:0, ...",
              mark)
      .help(
          "`braid devices` lists what there is; use --devices cpu, or devices: [cpu] in the file");
}

std::string kind_of(const std::vector<std::string>& devices, const Mark& mark) {
  for (auto& device : devices) check_device(device, mark);
  const std::string kind = devices.empty() ? "cpu" : kind_of(devices[0]);
  for (auto& device : devices)
    if (kind_of(device) != kind)
      throw Error(
          Fault::device, "E0510",
          "devices of two kinds, '" + devices[0] + "' and '" + device +
              "': their arithmetic differs in the last bits, so they cannot share a network",
          mark)
          .help("name devices of one kind");
  return kind;
}

const std::vector<std::string>& optional_passes() {
  static const std::vector<std::string> names = {"alias",  "fuse_add", "gang",
                                                 "replay", "reuse",    "window"};
  return names;
}

Plan compile(const Model& model, const Registry& registry, const CompileOptions& options) {
  need_layers(model);
  if (!model.free.empty()) return compile(with_sizes(model, known_sizes(model)), registry, options);
  if (!model.phases.empty() && options.mode == Mode::train && options.goal == Goal::step) {
    if (options.phase < 0)
      throw Error(Fault::usage, "E0154",
                  "a training step of '" + model.name + "' is one of a phase, and none is named",
                  model.mark);
    return compile(in_phase(model, registry, options.phase, options.ran), registry, options);
  }
  int replicas = options.replicas ? options.replicas : int(model.replicas);
  if (replicas < 1 || replicas > 4096)
    throw Error(Fault::model, "E0212",
                "replicas is " + std::to_string(replicas) + ", must be between 1 and 4096",
                model.replicas_mark);
  check_deployment(model, options, replicas);
  check_supported(model);
  if (options.batch < 1)
    throw Error(Fault::model, "E0213", "the batch has no samples: give batch: {global: N}",
                model.batch.mark ? model.batch.mark : model.mark);
  if (int64_t(model.layers.size()) * replicas > 1000000)
    throw Error(Fault::model, "E0214",
                std::to_string(model.layers.size()) + " layers on " + std::to_string(replicas) +
                    " replicas exceed 1,000,000 copies",
                model.replicas_mark);

  Clock clock(options);
  Plan plan{.replicas = replicas,
            .devices = options.devices,
            .traits = options.traits,
            .batch = options.batch,
            .hooks = options.hooks};
  Diagnostics found;
  Graph graph = build(model, registry, options, found);
  found.raise();
  clock.pass("build");
  eliminate(graph, options.write_state);
  if (options.traits.kind == "reference") widen(graph);
  check_sizes(graph, options);
  if (!options.disabled.contains("fuse")) fuse(graph);
  eliminate(graph, options.write_state);  // what fuse() has left without a reader
  bind_callbacks(graph, plan.hooks);
  clock.pass("fuse");
  synchronize(graph);
  clock.pass("synchronize");
  if (!options.disabled.contains("bundle")) bundle(graph);
  clock.pass("bundle");
  if (options.chunk == Chunk::torch && graph.micros > 1)
    throw Error(Fault::usage, "E0441",
                "slices cut as torch.chunk does not go together with accumulate: " +
                    std::to_string(graph.micros),
                model.batch.mark)
        .help("leave `chunk` at Chunk::even");
  int64_t slice = (options.batch + replicas * graph.micros - 1) / (replicas * graph.micros);
  choose_formats(graph, registry, options, slice);
  clock.pass("formats");
  if (!options.disabled.contains("fuse_add")) fuse_add(graph, registry);
  clock.pass("fuse_add");
  choose_reduction(model, plan);
  Expanded expanded = replicate(graph, replicas, options.batch, options, plan.summed_over);
  if (plan.summed_over > 1 && std::ranges::none_of(expanded.nodes, &ExpandedNode::sum)) {
    plan.summed_over = 1;
    plan.as_exact = "no gradient has a part on every device";
  }
  clock.pass("replicate");
  choose_kernels(graph, expanded, registry, options.traits, plan);
  clock.pass("kernels");
  plan.program_hash = program_hash(graph, expanded, plan);
  clock.pass("hash");

  Order order;
  place(graph, expanded, plan, order);
  clock.pass("place");
  if (!options.disabled.contains("window")) window(graph, expanded, plan, order);
  clock.pass("window");
  const bool queues = options.traits.kind == "cuda";
  if (queues && !options.disabled.contains("gang")) gang(plan, order);
  weave(plan, order, queues);
  if (queues) assign_streams(plan);
  clock.pass("weave");
  lay_out(plan, options.disabled);
  clock.pass("lay out");
  plan.slices = expanded.slices;
  plan.states = graph.states;
  plan.inputs = graph.inputs;
  describe_hooks(model, graph, plan);
  describe_nodes(graph, expanded, plan);
  describe_syncs(graph, expanded, plan);
  plan.plan_hash = plan_hash(plan);
  check_sizes(plan, options);
  clock.pass("describe");
  return plan;
}

}  // namespace braid
