// `braid check NET`: what was understood, in a table.
#include <braid/compiler/stages.h>

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"
#include "stages.h"

namespace braid::cli {
namespace {

Json as_json(const Summary& summary) {
  Json layers = Json::array();
  for (auto& l : summary.layers)
    layers.push_back({{"name", l.name},
                      {"type", l.type},
                      {"file", l.file},
                      {"line", l.line},
                      {"shape", to_json(l.shape)},
                      {"parameters", l.parameters}});
  return {{"name", summary.name},
          {"parameters", summary.parameters},
          {"buffers", summary.buffers},
          {"flops", summary.flops},
          {"layers", layers}};
}

/// What the FLOPs are for, where sizes are free: ", L = 64".
std::string sizes_text(const Summary& summary) {
  std::string text;
  for (auto& dim : summary.free) text += ", " + dim.name + " = " + std::to_string(dim.size);
  return text;
}

std::string as_text(const Summary& summary) {
  Table table({"layer", "type", "output", "parameters", "FLOPs"}, "lllrr");
  for (auto& l : summary.layers)
    table.row({l.name, l.type, to_string(l.shape), l.parameters ? grouped(l.parameters) : "",
               l.flops ? grouped(l.flops) : ""});
  return table.text() + "\n" + summary.name + ": " + grouped(summary.parameters) + " parameters, " +
         grouped(summary.buffers) + " elements in buffers, " + grouped(summary.flops) +
         " FLOPs forward for one sample" + sizes_text(summary) + "\n";
}

/// Callables that neither Braid nor a plug-in brings.
std::string bound_elsewhere(const Network& network) {
  std::string text;
  for (auto& stage : network.model.pipeline->stages) {
    if (stage.call.empty() || network.stages.find(stage.kind, stage.call)) continue;
    text += "'" + stage.call + "' of '" + stage.name +
            "' is to be bound by the program that runs it" +
            did_you_mean(stage.call, network.stages.names(stage.kind)) + "\n";
  }
  return text;
}

/// Layers, stages, or both.
std::string understood(const Network& network, bool json) {
  auto& model = network.model;
  if (json) {
    Json all = as_json(network.summary);
    if (model.pipeline) all["pipeline"] = to_json(*model.pipeline);
    return line(all);
  }
  const bool layers = !model.layers.empty() || !model.pipeline;
  std::string text = layers ? as_text(network.summary) : "";
  if (!model.pipeline) return text;
  return text + (layers ? "\n" : "") + table_of(*model.pipeline) + bound_elsewhere(network);
}

// The network as `eval --fold-bn` runs it, and what became of its batch norms.
void print_folded(Model model, const Registry& registry, bool json) {
  FoldReport report = fold_batch_norms(model, registry);
  Diagnostics found;
  Summary summary = check(model, registry, found);
  found.raise();
  if (!json) return print(as_text(summary) + "\n" + to_string(report));
  Json all = as_json(summary);
  all["fold"] = to_json(report);
  print(line(all));
}

}  // namespace

int check_command(const Arguments& a) {
  Network network = load_network(a);
  if (a.fold_bn) need_layers(network.model);
  if (a.fold_bn)
    print_folded(std::move(network.model), network.registry, a.json);
  else
    print(understood(network, a.json));
  return 0;
}

}  // namespace braid::cli
