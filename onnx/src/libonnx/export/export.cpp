// A Model to an ONNX file: the network of one replica in eval mode, layer by layer.
#include <braid/onnx/export.h>

#include <onnx/checker.h>
#include <onnx/shape_inference/implementation.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include <braid/compiler/sizes.h>
#include <braid/core/error.h>
#include <braid/runtime/files.h>

#include "libonnx/export/exporting.h"
#include "libonnx/export/proto.h"
#include "libonnx/export/shapes.h"

namespace braid {
namespace onnx_export {
namespace {

constexpr int64_t ir_version = 8;
/// What protobuf counts the bytes of a file with.
constexpr size_t most_bytes = size_t(INT32_MAX);

std::vector<bool> needed_calls(const Graph& graph) {
  std::set<int> values;
  for (auto& result : graph.results) values.insert(result.value);
  std::vector<bool> needed(graph.calls.size(), false);
  for (size_t i = graph.calls.size(); i-- > 0;) {
    auto& call = graph.calls[i];
    needed[i] = std::ranges::any_of(call.out, [&](int v) { return values.contains(v); });
    if (needed[i]) values.insert(call.in.begin(), call.in.end());
  }
  return needed;
}

/// Leaves out what no output needs: a layer may know the sizes of an input and not read it.
void prune(onnx::GraphProto& graph) {
  std::set<std::string> live;
  for (auto& output : graph.output()) live.insert(output.name());
  std::vector<bool> needed(size_t(graph.node_size()), false);
  for (int i = graph.node_size(); i-- > 0;) {
    auto& node = graph.node(i);
    needed[size_t(i)] =
        std::ranges::any_of(node.output(), [&](auto& name) { return live.contains(name); });
    if (needed[size_t(i)]) live.insert(node.input().begin(), node.input().end());
  }
  const onnx::GraphProto all = graph;
  graph.clear_node();
  graph.clear_input();
  for (int i = 0; i < all.node_size(); ++i)
    if (needed[size_t(i)]) *graph.add_node() = all.node(i);
  for (auto& input : all.input())
    if (live.contains(input.name())) *graph.add_input() = input;
}

class Writer {
 public:
  Writer(const Model& model, const Graph& graph, const std::vector<Shape>& shapes,
         const std::map<std::string, Array>& weights, int opset, onnx::GraphProto& to)
      : model_(model),
        graph_(graph),
        needed_(needed_calls(graph)),
        network_{.graph = graph, .shapes = shapes, .weights = weights, .opset = opset, .to = to} {
    for (auto& tie : model.ties) network_.ties[tie.key] = tie.to;
  }

  void run() {
    name_values();
    Diagnostics found(1000);
    for (size_t i = 0; i < graph_.calls.size(); ++i)
      if (needed_[i]) layer(int(i), found);
    found.raise();
    outputs();
    prune(network_.to);
  }

 private:
  // Inputs, outputs and weights have the names of the file; what lies between gets what is left.
  void name_values() {
    std::set<int> read;
    for (size_t i = 0; i < graph_.calls.size(); ++i)
      if (needed_[i]) read.insert(graph_.calls[i].in.begin(), graph_.calls[i].in.end());
    for (auto& result : graph_.results) read.insert(result.value);
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      auto& value = graph_.values[v];
      if (value.input < 0 || !read.contains(int(v))) continue;
      auto name = network_.values.take(graph_.inputs[size_t(value.input)].name);
      network_.names[int(v)] = name;
      set_type(*network_.to.add_input(), name, value.type.dtype, network_.shapes[v]);
    }
    for (auto& state : graph_.states) network_.values.take(state.key);
    for (size_t i = 0; i < graph_.calls.size(); ++i)
      if (needed_[i])
        for (int v : graph_.calls[i].out) network_.last_writer[v] = int(i);
    for (auto& result : graph_.results) {
      result_names_.push_back(network_.values.take(result.name));
      const auto& value = graph_.values[size_t(result.value)];
      if (value.input < 0 && value.state < 0)
        network_.results.try_emplace(result.value, result_names_.back());
    }
  }

  void layer(int index, Diagnostics& found) {
    auto& call = graph_.calls[size_t(index)];
    Exporting exporting(network_, call, index);
    try {
      if (call.spectral_norm) cannot("spectral_norm is not exported");
      auto exporter = exporters().find(call.def->name);
      if (exporter == exporters().end()) cannot("ONNX has nothing for it");
      exporter->second.run(exporting);
    } catch (const Unsayable& e) {
      found
          .error("E0371", call.mark,
                 "layer '" + call.path + "' (" + call.def->name +
                     ") cannot be exported to ONNX: " + e.reason)
          .help("other layers, or `--output NAME` of a layer before it");
      for (int v : call.out) network_.names.try_emplace(v, call.path);
    }
  }

  void outputs() {
    for (size_t i = 0; i < graph_.results.size(); ++i) {
      auto& result = graph_.results[i];
      auto& name = result_names_[i];
      auto& made = network_.names.at(result.value);
      if (made != name) {  // an input, a weight, or the second name of one value
        auto& node = *network_.to.add_node();
        node.set_op_type("Identity");
        node.set_name(network_.nodes.take(name));
        node.add_input(made);
        node.add_output(name);
      }
      set_type(*network_.to.add_output(), name, graph_.values[size_t(result.value)].type.dtype,
               network_.shapes[size_t(result.value)]);
    }
  }

  const Model& model_;
  const Graph& graph_;
  std::vector<bool> needed_;
  Network network_;
  Names result_names_;
};

void check_weights(const Graph& graph, const std::map<std::string, Array>& weights) {
  size_t bytes = 0;
  for (auto& state : graph.states) {
    auto found = weights.find(state.key);
    if (found == weights.end()) continue;
    const auto dims = state.type.dims(0);
    if (found->second.dims != dims || found->second.dtype != state.type.dtype)
      throw Error(Fault::data, "E0374",
                  "the weights' '" + state.key + "' is " + to_string(found->second) + ", not " +
                      to_string(state.type))
          .help("`braid weights FILE` lists what a file holds");
    bytes += found->second.bytes.size();
  }
  if (bytes >= most_bytes)
    throw Error(Fault::data, "E0374",
                "the weights have " + std::to_string(bytes >> 20) +
                    " MB, and an ONNX file holds less than 2048")
        .help("export parts of the network with --output");
}

/// Nothing leaves that ONNX's own checker refuses, or whose types do not come out as Braid's.
void check_file(const onnx::ModelProto& file) {
  try {
    onnx::checker::check_model(file);
    onnx::ModelProto inferred = file;
    onnx::shape_inference::InferShapes(inferred, onnx::OpSchemaRegistry::Instance(),
                                       {true, 1, true});
  } catch (const std::exception& e) {
    bug(std::string("ONNX's checker refuses what was exported: ") + e.what());
  }
}

void add_metadata(onnx::ModelProto& file, const std::string& key, const std::string& value) {
  auto& entry = *file.add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

std::string bytes_of(const onnx::ModelProto& file) {
  if (file.ByteSizeLong() >= most_bytes)
    throw Error(Fault::data, "E0374", "the network is larger than an ONNX file can be: 2 GB");
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    file.SerializeToCodedStream(&out);
  }
  return bytes;
}

}  // namespace
}  // namespace onnx_export

std::string to_onnx(const Model& model, const std::map<std::string, Array>& weights,
                    const Registry& registry, const ExportOptions& options) {
  using namespace onnx_export;
  if (options.opset < 13 || options.opset > 17)
    throw Error(Fault::usage, "E0373",
                "there is no export for opset " + std::to_string(options.opset))
        .help("13 to 17");
  const Shaped shaped = shape_network(model, registry, options.outputs);
  check_weights(shaped.graph, weights);
  onnx::ModelProto file;
  file.set_ir_version(ir_version);
  file.set_producer_name("braid");
  file.set_producer_version(BRAID_VERSION);
  auto& operators = *file.add_opset_import();
  operators.set_domain("");
  operators.set_version(options.opset);
  file.mutable_graph()->set_name(model.name.empty() ? "network" : model.name);
  Writer(model, shaped.graph, shaped.shapes, weights, options.opset, *file.mutable_graph()).run();
  add_metadata(file, "braid_version", BRAID_VERSION);
  std::string bytes = bytes_of(file);
  check_file(file);
  return bytes;
}

void export_onnx(const Model& model, const std::map<std::string, Array>& weights,
                 const Registry& registry, const std::string& path, const ExportOptions& options) {
  write_file(path, to_onnx(model, weights, registry, options));
}

std::vector<std::pair<std::string, std::string>> onnx_operators() {
  std::vector<std::pair<std::string, std::string>> rows;
  for (auto& [type, exporter] : onnx_export::exporters())
    rows.emplace_back(type, exporter.operators);
  return rows;
}

}  // namespace braid
