// GELU, SiLU, Hardswish and Softplus, as Braid and PyTorch write them.
#include <cmath>

#include "libonnx/import/fusion.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

Importer layer(const char* type, Dict params, const std::string& from) {
  return [=](Importing& i) { i.emit(type, params, {i.operand(from)}); };
}

bool near(double a, double b) { return std::abs(a - b) <= 2e-7 * std::abs(b); }

/// x times a number, or over one.
std::optional<std::string> times(const Nodes& nodes, const std::string& value, double factor,
                                 std::set<const Node*>& inner) {
  const Node* node = nodes.maker(value);
  if (!node || (node->op_type() != "Mul" && node->op_type() != "Div")) return {};
  const auto found = with_number(nodes, node);
  if (!found || !near(node->op_type() == "Div" ? 1 / found->c : found->c, factor)) return {};
  inner.insert(node);
  return found->x;
}

bool is_cube(const Nodes& nodes, const std::string& value, const std::string& x,
             std::set<const Node*>& inner) {
  const Node* node = nodes.maker(value);
  if (!node) return false;
  inner.insert(node);
  if (node->op_type() == "Pow") return node->input(0) == x && nodes.is(node->input(1), 3);
  if (node->op_type() != "Mul") return false;
  const std::string* rest = other(*node, x);
  const Node* square = rest ? nodes.maker(*rest, "Mul") : nullptr;
  inner.insert(square);
  return square && square->input(0) == x && square->input(1) == x;
}

/// sqrt(2 / pi) (x + 0.044715 x^3)
bool is_bent(const Nodes& nodes, const std::string& value, const std::string& x,
             std::set<const Node*>& inner) {
  const auto sum = times(nodes, value, 0.7978845608028654, inner);
  const Node* add = sum ? nodes.maker(*sum, "Add") : nullptr;
  const std::string* rest = add ? other(*add, x) : nullptr;
  const auto cube = rest ? times(nodes, *rest, 0.044715, inner) : std::nullopt;
  inner.insert(add);
  return cube && is_cube(nodes, *cube, x, inner);
}

/// 0.5 x (1 + erf(x / sqrt(2))) of its three factors in any order.
Found gelu_of(const Nodes& nodes, const Node& root, const std::string& half,
              const std::string& bell, const std::string& x) {
  const auto sum = with_number(nodes, nodes.maker(bell, "Add"));
  const Node* curve = sum && sum->c == 1 ? nodes.maker(sum->x) : nullptr;
  if (!nodes.is(half, 0.5) || !curve) return {};
  Fusion fusion{.root = &root, .inner = {sum->node, curve}, .reads = {x}};
  if (curve->op_type() == "Erf") {
    if (times(nodes, curve->input(0), 0.7071067811865476, fusion.inner) != x) return {};
    fusion.emit = layer("GELU", {}, x);
    return fusion;
  }
  if (curve->op_type() != "Tanh" || !is_bent(nodes, curve->input(0), x, fusion.inner)) return {};
  fusion.emit = layer("GELU", {{"approximate", "tanh"}}, x);
  return fusion;
}

bool is_sixth(const Node& node) {
  return std::abs(float_of(node, "alpha", 0.2) - 1.0 / 6) < 1e-6 &&
         float_of(node, "beta", 0.5) == 0.5;
}

/// Softplus of beta x over beta, and what it is called with.
struct Soft {
  std::string x, scaled;
  double beta = 1;
};
std::optional<Soft> soft_of(const Nodes& nodes, const Node* root, std::set<const Node*>& inner) {
  if (root && root->op_type() == "Softplus") {
    inner.insert(root);
    return Soft{root->input(0), root->input(0), 1};
  }
  const auto over = root && root->op_type() == "Div" ? with_number(nodes, root) : std::nullopt;
  const Node* soft = over ? nodes.maker(over->x, "Softplus") : nullptr;
  const auto scaled = soft ? with_number(nodes, nodes.maker(soft->input(0), "Mul")) : std::nullopt;
  if (!scaled || scaled->c != over->c) return {};
  inner.insert({root, soft, scaled->node});
  return Soft{scaled->x, soft->input(0), over->c};
}

}  // namespace

Found find_gelu(const Nodes& nodes, const Node& root) {
  for (int k : {0, 1}) {
    const Node* inside = nodes.maker(root.input(k), "Mul");
    if (!inside) continue;
    const std::string &a = root.input(1 - k), &b = inside->input(0), &c = inside->input(1);
    for (auto& [half, bell, x] :
         {std::tuple(a, b, c), {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}}) {
      auto found = gelu_of(nodes, root, half, bell, x);
      if (!found) continue;
      found->inner.insert(inside);
      found->inner.erase(nullptr);
      return found;
    }
  }
  return {};
}

/// x sigmoid(x), in both kinds.
Found find_gate(const Nodes& nodes, const Node& root) {
  for (int k : {0, 1}) {
    const std::string& x = root.input(1 - k);
    const Node* gate = nodes.maker(root.input(k));
    if (!gate || gate->input_size() != 1 || gate->input(0) != x) continue;
    const bool hard = gate->op_type() == "HardSigmoid" && is_sixth(*gate);
    if (!hard && gate->op_type() != "Sigmoid") continue;
    return Fusion{.root = &root,
                  .inner = {gate},
                  .reads = {x},
                  .emit = layer(hard ? "Hardswish" : "SiLU", {}, x)};
  }
  return {};
}

Found find_softplus(const Nodes& nodes, const Node& root) {
  Fusion fusion{.root = &root};
  std::optional<Soft> soft;
  Dict params;
  if (root.op_type() == "Where") {
    const Node* line = nodes.maker(root.input(0), "Greater");
    soft = soft_of(nodes, nodes.maker(root.input(2)), fusion.inner);
    const auto threshold = line ? nodes.number(line->input(1)) : std::nullopt;
    if (!soft || !threshold || line->input(0) != soft->scaled || root.input(1) != soft->x)
      return {};
    fusion.inner.insert(line);
    set(params, "threshold", decimal(*threshold));
  } else {
    soft = soft_of(nodes, &root, fusion.inner);
    if (!soft) return {};
  }
  fusion.inner.erase(&root);
  fusion.reads = {soft->x};
  if (soft->beta != 1) set(params, "beta", decimal(soft->beta));
  fusion.emit = layer("Softplus", params, soft->x);
  return fusion;
}

}  // namespace braid::onnx_import
