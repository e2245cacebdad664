#include <braid/compiler/stages.h>

#include <algorithm>

#include <braid/core/stages.h>

namespace braid {
namespace {

/// A name that is not there is an error only in a network that has been understood.
void check_names(const StageDecl& stage, const Model& model, Diagnostics& found) {
  std::vector<std::string> inputs, outputs;
  for (auto& input : model.inputs) inputs.push_back(input.name);
  for (auto& output : model.outputs) outputs.push_back(output.name);
  for (auto& layer : model.layers) outputs.push_back(layer.path);
  auto check = [&](const char* what, const std::string& name,
                   const std::vector<std::string>& known) {
    if (std::ranges::find(known, name) != known.end()) return;
    auto& error = found.error("E0076", stage.mark,
                              "Network '" + stage.name + "': the network has no " + what + " '" +
                                  name + "'" + did_you_mean(name, known));
    if (known.size() <= 12) error.help("it has " + listed(known));
  };
  for (auto& [input, field] : stage.feed) check("input", input, inputs);
  for (auto& name : stage.outputs) check("output or layer", name, outputs);
}

}  // namespace

void check_stages(const Model& model, Diagnostics& found) {
  if (!model.pipeline) return;
  const bool understood = !found.has_errors();
  check_pipeline(*model.pipeline, found);
  for (auto& stage : model.pipeline->stages) {
    if (stage.kind != StageKind::network || !stage.model.empty()) continue;
    if (!model.layers.empty())
      check_names(stage, model, found);
    else if (understood)
      found
          .error("E0076", stage.mark,
                 "Network '" + stage.name + "' names no model, and the file has no layers")
          .help("model: net.yaml runs those of another file");
  }
}

void need_layers(const Model& model) {
  if (!model.layers.empty() || !model.pipeline) return;
  throw Error(Fault::model, "E0222", "'" + model.name + "' has a pipeline and no network",
              model.pipeline->mark)
      .help("`braid stream` runs pipelines; a network has `inputs` and `layers`");
}

void need_pipeline(const Model& model) {
  if (!model.pipeline)
    throw Error(Fault::model, "E0223", "'" + model.name + "' has no `pipeline:`", model.mark)
        .help("a list of stages, from a Source to a Sink");
}

}  // namespace braid
