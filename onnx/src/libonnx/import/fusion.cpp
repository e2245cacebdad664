#include "libonnx/import/fusion.h"

#include <algorithm>
#include <array>

#include "libonnx/import/read.h"

namespace braid::onnx_import {
namespace {

bool standard(const Node& node) { return node.domain().empty() || node.domain() == "ai.onnx"; }

/// Nobody but the fusion's own nodes reads what is inside.
bool closed(const Nodes& nodes, const Fusion& fusion) {
  auto own = [&](const Node* reader) {
    if (!reader) return false;
    if (fusion.step && reader->op_type() == "Shape") return true;
    return reader == fusion.root || fusion.inner.contains(reader);
  };
  for (auto* node : fusion.inner)
    for (auto& value : node->output())
      if (!std::ranges::all_of(nodes.readers(value), own)) return false;
  return true;
}

}  // namespace

Nodes::Nodes(const onnx::GraphProto& graph, const std::vector<bool>& needed,
             const Constants& constants)
    : constants_(constants) {
  for (int k = 0; k < graph.node_size(); ++k) {
    if (!needed[size_t(k)]) continue;
    auto& node = graph.node(k);
    order_.push_back(&node);
    for (auto& name : node.input())
      if (!name.empty()) readers_[name].push_back(&node);
    if (standard(node))
      for (auto& name : node.output()) makers_[name] = &node;
  }
  for (auto& output : graph.output()) readers_[output.name()].push_back(nullptr);
}

const Node* Nodes::maker(const std::string& value, const char* op) const {
  auto found = makers_.find(value);
  if (found == makers_.end() || (op && found->second->op_type() != op)) return nullptr;
  return found->second;
}

const std::vector<const Node*>& Nodes::readers(const std::string& value) const {
  static const std::vector<const Node*> none;
  auto found = readers_.find(value);
  return found == readers_.end() ? none : found->second;
}

std::shared_ptr<const Known> Nodes::known(const std::string& value) const {
  if (auto found = constants_.find(value); found != constants_.end()) return found->second;
  const Node* node = maker(value, "Constant");
  if (!node || node->attribute_size() != 1 || !node->attribute(0).has_t()) return nullptr;
  auto& tensor = node->attribute(0).t();
  if (tensor.data_type() != onnx::TensorProto::FLOAT &&
      tensor.data_type() != onnx::TensorProto::INT64)
    return nullptr;
  int64_t cells = 1;
  for (int64_t d : tensor.dims()) cells = d < 0 || d > 16 ? 17 : std::min<int64_t>(cells * d, 17);
  return cells > 16 ? nullptr : std::make_shared<const Known>(to_known(to_array(tensor)));
}

std::optional<double> Nodes::number(const std::string& value) const {
  const auto found = known(value);
  if (!found || !found->floating || found->size() != 1 || found->dims.size() > 1) return {};
  return double(found->floats[0]);
}

bool Nodes::is(const std::string& value, double wanted) const {
  const auto found = number(value);
  return found && float(*found) == float(wanted);
}

std::optional<Ints> Nodes::integers(const std::string& value) const {
  const auto found = known(value);
  if (!found || found->floating) return {};
  Ints all;
  for (auto& dim : found->integers) all.push_back(dim.value);
  return all;
}

bool Nodes::constant(const std::string& value, int depth) const {
  static const std::set<std::string> moving{"Identity", "Reshape",   "Slice",    "Split",
                                            "Squeeze",  "Unsqueeze", "Transpose"};
  if (constants_.contains(value)) return true;
  const Node* node = maker(value);
  if (!node || depth == 0) return false;
  if (node->op_type() == "Constant") return true;
  return moving.contains(node->op_type()) && node->input_size() &&
         constant(node->input(0), depth - 1);
}

std::map<const Node*, Fusion> find_fusions(const Nodes& nodes) {
  static const std::map<std::string, std::vector<Found (*)(const Nodes&, const Node&)>> finders{
      {"Add", {find_normalization, find_group_norm}},
      {"BatchNormalization", {find_clamped_batch_norm}},
      {"Div", {find_softplus, find_distance, find_normalization, find_variance}},
      {"Identity", {find_normalization, find_group_norm}},
      {"MatMul", {find_uneven_pool}},
      {"Mul", {find_gelu, find_gate, find_normalization}},
      {"Pow", {find_distance}},
      {"ReduceL1", {find_distance}},
      {"ReduceL2", {find_distance}},
      {"ReduceMean", {find_variance}},
      {"Reshape", {find_group_norm}},
      {"Softmax", {find_attention}},
      {"Sqrt", {find_variance}},
      {"Where", {find_softplus}}};
  std::map<const Node*, Fusion> all;
  std::set<const Node*> taken;
  auto free = [&](const Fusion& fusion) {
    return !taken.contains(fusion.root) &&
           std::ranges::none_of(fusion.inner, [&](auto* n) { return taken.contains(n); });
  };
  // From the end, so that the longest pattern comes first.
  for (auto node = nodes.in_order().rbegin(); node != nodes.in_order().rend(); ++node) {
    auto found = finders.find((*node)->op_type());
    if (found == finders.end() || !standard(**node)) continue;
    for (auto* find : found->second) {
      auto fusion = find(nodes, **node);
      if (!fusion || !free(*fusion) || !closed(nodes, *fusion)) continue;
      taken.insert(fusion->root);
      taken.insert(fusion->inner.begin(), fusion->inner.end());
      all.emplace(fusion->root, std::move(*fusion));
      break;
    }
  }
  return all;
}

const std::string* other(const Node& node, const std::string& value) {
  if (node.input_size() != 2 || (node.input(0) == value) == (node.input(1) == value))
    return nullptr;
  return &node.input(node.input(0) == value ? 1 : 0);
}

std::optional<Ints> ints_of(const Node& node, const std::string& name) {
  for (auto& each : node.attribute())
    if (each.name() == name) return Ints(each.ints().begin(), each.ints().end());
  return {};
}

int64_t int_of(const Node& node, const std::string& name, int64_t otherwise) {
  for (auto& each : node.attribute())
    if (each.name() == name) return each.i();
  return otherwise;
}

double float_of(const Node& node, const std::string& name, double otherwise) {
  for (auto& each : node.attribute())
    if (each.name() == name) return double(each.f());
  return otherwise;
}

std::optional<WithNumber> with_number(const Nodes& nodes, const Node* node) {
  if (!node || node->input_size() != 2) return {};
  if (auto c = nodes.number(node->input(1))) return WithNumber{node, node->input(0), *c};
  const bool either = node->op_type() == "Add" || node->op_type() == "Mul";
  if (auto c = nodes.number(node->input(0)); c && either)
    return WithNumber{node, node->input(1), *c};
  return {};
}

}  // namespace braid::onnx_import
