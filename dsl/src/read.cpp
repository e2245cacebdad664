// The table of contents of reading: text, tree, params and blocks, layers, training.
#include <braid/dsl/read.h>

#include <filesystem>

#include "overrides.h"
#include "sections.h"
#include "text.h"

namespace braid {
namespace dsl {
namespace {

namespace fs = std::filesystem;

void read_training(const Env& env, Keys& keys, Model& model) {
  read_optimizer(env, keys, model);
  read_schedule(env, keys, model);
  read_data(env, keys, model);
  read_train(env, keys, model);
  read_weights(env, keys, model);
  read_ties(env, keys, model);
  read_deployment(env, keys, model);
  read_precision(env, keys, model);
}

/// Layers and all that refers to them.
void read_network(const Env& env, Keys& keys, Model& model) {
  read_inputs(env, keys, model);
  Patterns patterns(env, keys, model);
  Writer writer(env.reading, model, patterns);
  List layers = writer.start(env);
  const Node* items = keys.require("layers", "layers: [{type: Linear, out_features: 10}]");
  if (items) writer.write(layers, *items);
  patterns.finish(env, model);
  read_outputs(writer, layers, keys, model);
  read_losses(writer, layers, keys, model);
  read_metrics(writer, layers, keys, model);
  read_phases(writer, layers, keys, model);
}

/// A file of stages alone has no layers, and inputs only where its data fill some.
void read_inputs_alone(const Env& env, Keys& keys, const Node& root, Model& model) {
  refuse_parts_of_a_network(env, keys);
  keys.take("layers");
  if (find_member(root, "inputs"))
    read_inputs(env, keys, model);
  else
    keys.take("inputs");
}

/// What follows from an error in the layers is no error of its own.
void forget_network(Model& model) {
  model.layers.clear();
  model.outputs.clear();
  model.losses.clear();
  model.metrics.clear();
  model.phases.clear();
}

void read_tree(Reading& reading, const std::string& path, Node root, const ReadOptions& options,
               Model& model) {
  Overrides overrides = apply_overrides(reading, options, root);
  Files files(reading, path);
  File& file = files.add(path);
  file.root = std::move(root);
  files.open(file, overrides.params);
  if (!file.scope) return;  // without params nothing can be evaluated
  Env env{reading, file.scope};
  Keys keys(env, file.root, "the file");
  for (const char* key : {"braid", "params", "include", "blocks"}) keys.take(key);
  read_name_and_seed(env, keys, model);
  read_replicas(env, keys, model);
  read_batch(env, keys, model);
  read_plugins(env, keys, options, model.folder);
  try {
    if (find_member(file.root, "layers") || !find_member(file.root, "pipeline"))
      read_network(env, keys, model);
    else
      read_inputs_alone(env, keys, file.root, model);
  } catch (const Stop&) {
    for (const char* key :
         {"inputs", "layers", "outputs", "loss", "metrics", "phases", "freeze", "sync", "init"})
      keys.take(key);
  }
  if (reading.errors > 0) forget_network(model);
  read_training(env, keys, model);
  read_pipeline(env, keys, model);
  keys.finish();
}

Model read(Reading& reading, std::string bytes, const std::string& path,
           const ReadOptions& options) {
  Model model;
  model.name = fs::path(path).stem().string();
  model.folder = fs::path(path).parent_path().string();
  if (model.folder.empty()) model.folder = ".";
  try {
    auto source = add_text(reading, path, std::move(bytes));
    Node root;
    if (!source || !parse_yaml(reading, *source, root)) return model;
    model.mark = reading.mark({*source, 1, 1, 1});
    if (!root.is_map()) {
      reading
          .error("E0013", {*source, root.place.line, root.place.column, root.place.length},
                 root.is_null()
                     ? "the file is empty"
                     : "expected `key: value` at the top of the file, this is " + kind_of(root))
          .help("a file begins with `braid: 1`");
      return model;
    }
    if (check_version({reading}, root)) read_tree(reading, path, std::move(root), options, model);
  } catch (const Stop&) {
  }
  if (reading.errors > 0 && model.layers.empty()) forget_network(model);
  if (reading.errors > 0) model.pipeline.reset();
  if (options.seed) model.seed = *options.seed;
  return model;
}

}  // namespace
}  // namespace dsl

Model read_file(const std::string& path, const ReadOptions& options, Diagnostics& found) {
  dsl::Reading reading(found);
  std::string why;
  auto bytes = dsl::load_bytes(path, why);
  Model model;
  if (bytes)
    model = dsl::read(reading, std::move(*bytes), path, options);
  else
    reading.error("E0001", {reading.add_source(path, ""), 0, 0, 0}, "cannot read the file: " + why);
  reading.flush();
  return model;
}

Model read_text(std::string text, std::string name, const ReadOptions& options,
                Diagnostics& found) {
  dsl::Reading reading(found);
  Model model = dsl::read(reading, std::move(text), name, options);
  reading.flush();
  return model;
}

}  // namespace braid
