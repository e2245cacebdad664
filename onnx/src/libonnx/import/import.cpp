// A graph of ONNX, node by node, to layers of Braid.
#include <braid/onnx/import.h>

#include <algorithm>
#include <filesystem>

#include <braid/core/error.h>

#include "libonnx/import/fusion.h"
#include "libonnx/import/importing.h"
#include "libonnx/import/inputs.h"
#include "libonnx/import/read.h"
#include "libonnx/import/write.h"

namespace braid {
namespace onnx_import {
namespace {

constexpr int oldest_opset = 1, newest_opset = 17;
constexpr int most_rounds = 4;  // of building a network with less and less fusions

struct Missing {
  std::string node, reason;
};

class GraphImport {
 public:
  GraphImport(const onnx::ModelProto& model, const Registry& registry, const ImportOptions& options)
      : model_(model),
        graph_(model.graph()),
        registry_(registry),
        options_(options),
        inputs_(model.graph()) {
    for (auto* values : {&graph_.value_info(), &graph_.output()})
      for (auto& value : *values) inferred_[value.name()] = &value;
    for (auto& tensor : graph_.initializer())
      if (tensor.data_type() != onnx::TensorProto::STRING && !unusual(tensor.data_type()))
        constants_[tensor.name()] = known_of(tensor);
    find_needed();
    fusions_ = find_fusions(Nodes(graph_, needed_, constants_));
  }

  Imported run() {
    if (!inputs_.size()) throw Error(Fault::data, "E0372", "the file has no inputs");
    std::vector<Missing> first;
    for (auto& plan : inputs_.plans(options_.batched)) {
      faults_.clear();
      try {
        auto imported = attempt(plan);
        if (faults_.empty()) return imported;
      } catch (const Uncovered& e) {
        faults_.push_back({"", e.reason});
      }
      if (first.empty()) first = faults_;
    }
    Diagnostics found(1000);
    for (auto& fault : first)
      found
          .error("E0372", {},
                 fault.node.empty() ? "the network is not covered: " + fault.reason
                                    : fault.node + " is not covered: " + fault.reason)
          .help("docs/onnx.md lists the operators that import covers");
    found.raise(Fault::data);
    bug("an import that failed without a reason");
  }

 private:
  static std::shared_ptr<const Known> known_of(const onnx::TensorProto& tensor) {
    Known known = to_known(to_array(tensor));
    known.origin = tensor.name();
    return std::make_shared<const Known>(std::move(known));
  }

  static bool unusual(int type) {
    return type == onnx::TensorProto::COMPLEX64 || type == onnx::TensorProto::COMPLEX128;
  }

  void find_needed() {
    std::set<std::string> live;
    for (auto& output : graph_.output()) live.insert(output.name()), ++readers_[output.name()];
    needed_.assign(size_t(graph_.node_size()), false);
    for (int k = graph_.node_size(); k-- > 0;) {
      auto& node = graph_.node(k);
      if (std::ranges::none_of(node.output(), [&](auto& name) { return live.contains(name); }))
        continue;
      needed_[size_t(k)] = true;
      for (auto& name : node.input()) {
        live.insert(name);
        ++readers_[name];
        only_reader_[name] = &node;
      }
    }
  }

  Imported attempt(const Plan& plan) {
    std::vector<Missing> large;
    for (int64_t least : {64, 8}) {
      std::unique_ptr<Network> a, b;
      size_t apart = 0;
      for (int round = 0; round == 0 || fusions_apart_ > apart; ++round) {
        apart = round < most_rounds ? fusions_apart_ : take_all_apart();
        inputs_.forget();
        faults_.clear();
        b.reset();
        a = network(plan, false, least);
        if (faults_.empty() && !inputs_.frees().empty()) b = network(plan, true, least);
      }
      if (faults_.empty()) return finish(*a, b.get());
      if (large.empty()) large = faults_;
      if (inputs_.frees().empty()) break;
    }
    faults_ = large;
    return {};
  }

  std::unique_ptr<Network> network(const Plan& plan, bool second, int64_t least) {
    auto made = std::make_unique<Network>(registry_, opset_of(model_));
    Network& network = *made;
    network.batch = plan.batch;
    network.readers = readers_;
    network.only_reader = only_reader_;
    for (size_t k = 0; k < inputs_.size(); ++k)
      network.values[inputs_.name(k)] =
          network.input(inputs_.name(k), inputs_.type(k, plan.batched[k], second, least));
    for (auto& [name, known] : constants_) network.values[name].known = known;
    for (auto& tensor : graph_.initializer())
      if (!constants_.contains(tensor.name())) network.values[tensor.name()].failed = true;
    std::map<const Node*, const Fusion*> inside;
    for (auto& [root, fusion] : fusions_)
      for (auto* node : fusion.inner) inside[node] = &fusion;
    for (int k = 0; k < graph_.node_size(); ++k) {
      auto& node = graph_.node(k);
      if (!needed_[size_t(k)] || network.done.contains(&node)) continue;
      if (auto part = inside.find(&node); part != inside.end())
        step(network, *part->second, node, size_t(k));
      else if (auto whole = fusions_.find(&node); whole != fusions_.end())
        fused(network, whole->second, size_t(k));
      else
        this->node(network, node, size_t(k));
    }
    if (faults_.empty() && apart_.empty()) outputs(network);
    if (faults_.empty() && apart_.empty()) name_inputs(network);
    for (auto* root : apart_) fusions_.erase(root);
    apart_.clear();
    return made;
  }

  static std::string who(const onnx::NodeProto& node, size_t index) {
    std::string name = node.name();
    if (name.empty() && node.output_size()) name = node.output(0);
    if (name.empty()) name = std::to_string(index);
    const std::string domain = node.domain().empty() ? "" : node.domain() + ".";
    return "node '" + name + "' (" + domain + node.op_type() + ")";
  }

  void node(Network& network, const onnx::NodeProto& node, size_t index) {
    auto failed = [&] {
      for (auto& name : node.output())
        if (!name.empty()) network.values[name].failed = true;
    };
    const bool standard = node.domain().empty() || node.domain() == "ai.onnx";
    Importing importing(network, node, index);
    try {
      const bool broken = std::ranges::any_of(node.input(), [&](auto& name) {
        return !name.empty() && network.values.at(name).failed;
      });
      auto importer = importers().find(node.op_type());
      if (standard && !broken && fold(importing)) return;
      const bool folded = node.op_type() == "Shape" || node.op_type() == "Constant" ||
                          node.op_type() == "ConstantOfShape";
      if (!standard || (importer == importers().end() && !folded))
        cannot("Braid has no layer for it");
      if (broken) return failed();
      if (importer == importers().end()) cannot("its inputs are not known before the network runs");
      importer->second(importing);
      check_types(network, node);
    } catch (const Uncovered& e) {
      if (!e.reason.empty()) faults_.push_back({who(node, index), e.reason});
      failed();
    } catch (const std::out_of_range&) {
      faults_.push_back({who(node, index), "its attributes do not fit its inputs"});
      failed();
    }
  }

  static void fail(Network& network, const Node& node) {
    for (auto& name : node.output())
      if (!name.empty()) network.values[name] = {.failed = true};
  }

  /// Several nodes that are one layer. Where they turn out to be another thing, the network is
  /// built anew with them as they are.
  void fused(Network& network, const Fusion& fusion, size_t index) {
    for (auto& name : fusion.reads)
      if (network.values.at(name).failed) return fail(network, *fusion.root);
    try {
      Importing importing(network, *fusion.root, index);
      fusion.emit(importing);
      check_types(network, *fusion.root);
    } catch (const Uncovered&) {
      take_apart(network, fusion);
    } catch (const std::out_of_range&) {
      take_apart(network, fusion);
    }
  }

  void step(Network& network, const Fusion& fusion, const Node& node, size_t index) {
    if (!fusion.step) return;
    try {
      Importing importing(network, node, index);
      fusion.step(importing);
    } catch (const Uncovered&) {
      fail(network, node);
    } catch (const std::out_of_range&) {
      fail(network, node);
    }
  }

  void take_apart(Network& network, const Fusion& fusion) {
    fail(network, *fusion.root);
    apart_.insert(fusion.root);
    ++fusions_apart_;
  }

  size_t take_all_apart() {
    fusions_.clear();
    return fusions_apart_;
  }

  /// What libonnx infers and what Braid does have to be the same.
  void check_types(const Network& network, const onnx::NodeProto& node) {
    for (auto& name : node.output()) {
      auto inferred = inferred_.find(name);
      auto value = network.values.find(name);
      if (inferred == inferred_.end() || value == network.values.end() || !value->second.link)
        continue;
      const Type type = network.type(value->second);
      const int element = inferred->second->type().tensor_type().elem_type();
      if (value->second.truth && element == onnx::TensorProto::BOOL) continue;
      if (element && dtype_of(element, "the value '" + name + "'") != type.dtype)
        cannot("its result has another type of elements in Braid: " + to_string(type));
      if (auto* shape = shape_of(*inferred->second)) check_shape(network, *shape, type);
    }
  }

  static void check_shape(const Network& network, const onnx::TensorShapeProto& shape,
                          const Type& type) {
    bool same = shape.dim_size() == int(type.shape.size());
    for (int d = 0; same && d < shape.dim_size(); ++d) {
      const Dim dim = type.shape[size_t(d)];
      if (open(shape.dim(d)) || (dim.batched && !network.batch)) continue;
      same = dim.at(network.batch) == shape.dim(d).dim_value();
    }
    if (!same) cannot("its result has other sizes in Braid: " + to_string(type));
  }

  void outputs(Network& network) {
    std::set<std::string> names, layers;
    for (auto& item : network.model.layers) layers.insert(item.path);
    for (auto& input : network.model.inputs) layers.insert(input.name);
    for (auto& output : graph_.output()) {
      Value& value = network.values.at(output.name());
      if (!value.link && !value.known) cannot("nothing makes the output '" + output.name() + "'");
      if (value.truth) cannot("the output '" + output.name() + "' is a condition");
      if (!value.link) cannot("the output '" + output.name() + "' is constant");
      std::string name = output.name();
      for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') c = '_';
      const auto letter = name.find_first_not_of("_0123456789");
      if (letter != 0) name = "out" + std::string(name[0] == '_' ? "" : "_") + name;
      while (names.contains(name) ||
             (layers.contains(name) && name != path_of(network, *value.link)))
        name += "_out";
      names.insert(name);
      network.model.outputs.push_back({name, *value.link});
    }
  }

  /// A file has layers, also one that hands its inputs on.
  static void name_inputs(Network& network) {
    if (!network.model.layers.empty()) return;
    for (auto& output : network.model.outputs) {
      const auto index = size_t(output.from.index);
      const Value from{.link = output.from, .id = network.input_ids.at(index)};
      output.from = *network.layer(output.name, "Identity", {}, {from}, {})[0].link;
    }
  }

  static std::string path_of(const Network& network, const Link& link) {
    auto& model = network.model;
    return link.kind == Link::Kind::input ? model.inputs[size_t(link.index)].name
                                          : model.layers[size_t(link.index)].path;
  }

  Imported finish(Network& network, const Network* other) {
    network.model.name = name();
    Imported imported;
    imported.text = write_text(network, other, inputs_.frees(),
                               network.weights.empty() ? "" : options_.weights);
    for (size_t k = 0; k < inputs_.size(); ++k)
      imported.inputs.emplace_back(inputs_.name(k), network.model.inputs[k].name);
    for (int k = 0; k < graph_.output_size(); ++k)
      imported.outputs.emplace_back(graph_.output(k).name(), network.model.outputs[size_t(k)].name);
    imported.weights = std::move(network.weights);
    imported.opset = opset_of(model_);
    imported.layers = network.model.layers.size();
    return imported;
  }

  std::string name() const {
    std::string name = graph_.name().substr(0, 64);
    for (char& c : name)
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '_';
    return name.empty() ? "network" : name;
  }

  const onnx::ModelProto& model_;
  const onnx::GraphProto& graph_;
  const Registry& registry_;
  const ImportOptions& options_;
  Inputs inputs_;
  std::map<std::string, const onnx::ValueInfoProto*> inferred_;
  std::map<std::string, std::shared_ptr<const Known>> constants_;
  std::map<std::string, int> readers_;
  std::map<std::string, const onnx::NodeProto*> only_reader_;
  std::vector<bool> needed_;
  std::map<const Node*, Fusion> fusions_;
  std::set<const Node*> apart_;  ///< of them, those that are something else
  size_t fusions_apart_ = 0;
  std::vector<Missing> faults_;
};

Imported import(std::unique_ptr<onnx::ModelProto> model, const Registry& registry,
                const ImportOptions& options) {
  const int opset = opset_of(*model);
  if (opset < oldest_opset || opset > newest_opset)
    throw Error(Fault::data, "E0372", "the file is of opset " + std::to_string(opset))
        .help("import covers opsets " + std::to_string(oldest_opset) + " to " +
              std::to_string(newest_opset));
  if (model->graph().sparse_initializer_size())
    throw Error(Fault::data, "E0372", "the file has sparse tensors");
  check_with_libonnx(*model);
  return GraphImport(*model, registry, options).run();
}

}  // namespace
}  // namespace onnx_import

Imported from_onnx(const std::string& path, const Registry& registry,
                   const ImportOptions& options) {
  return onnx_import::import(onnx_import::read_model(path), registry, options);
}

Imported from_onnx_bytes(const std::string& bytes, const Registry& registry,
                         const ImportOptions& options) {
  return onnx_import::import(onnx_import::parse_model(bytes, ""), registry, options);
}

std::vector<std::string> imported_operators() {
  std::vector<std::string> names{"Constant", "ConstantOfShape", "Shape"};
  for (auto& [name, importer] : onnx_import::importers()) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

}  // namespace braid
