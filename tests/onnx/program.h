// What a network computes, with names erased: its operations from the outputs on, with attributes,
// types and edges by position. Two networks with equal texts are one program.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include <braid/compiler/compile.h>
#include <braid/compiler/sizes.h>

#include "onnx/samples.h"

namespace braid::test {

class Program {
 public:
  /// `outputs` by name, in their order.
  Program(const Model& model, const std::vector<std::string>& outputs) {
    std::vector<int64_t> sizes;
    for (size_t i = 0; i < model.free.size(); ++i) sizes.push_back(16 + 8 * int64_t(i));
    Model plain = with_sizes(model, sizes);
    plain.precision = {};
    plain.losses.clear();
    plain.metrics.clear();
    plain.train = {};
    Diagnostics found;
    graph_ = build(plain, builtin(), {.mode = Mode::eval, .goal = Goal::forward}, found);
    found.raise();
    for (auto& output : outputs)
      for (auto& result : graph_.results)
        if (result.name == output) text_ += "output " + value(result.value) + "\n";
  }

  const std::string& text() const { return text_; }

 private:
  static std::string type_of(const Type& type) {
    std::string text(to_string(type.dtype));
    for (auto& dim : type.shape) text += " " + std::to_string(dim.value) + (dim.batched ? "N" : "");
    return text;
  }

  /// ONNX keeps numbers in f32.
  static void round(Attr& attr) {
    if (attr.is<double>()) attr = double(float(attr.as_double()));
    if (attr.is<Attr::List>())
      for (auto& each : std::get<Attr::List>(attr.value)) round(each);
  }

  std::string value(int index) {
    auto [known, fresh] = values_.try_emplace(index, "");
    if (!fresh) return known->second;
    const Value& v = graph_.values[size_t(index)];
    if (v.node >= 0) {
      node(v.node);
      return values_.at(index);
    }
    const bool state = v.state >= 0;
    const std::string name = (state ? "w" : "x") + std::to_string(state ? states_++ : inputs_++);
    text_ += name + " " + type_of(v.type) + "\n";
    return values_[index] = name;
  }

  void node(int index) {
    const Node& node = graph_.nodes[size_t(index)];
    std::string operands;
    for (int in : node.in) operands += " " + value(in);
    Dict attrs = node.attrs;
    std::erase_if(attrs, [](auto& entry) { return entry.key == "name"; });
    for (auto& entry : attrs) round(entry.value);
    std::string results;
    for (int out : node.out) {
      values_[out] = "v" + std::to_string(nodes_++);
      results += values_[out] + " " + type_of(graph_.values[size_t(out)].type) + ", ";
    }
    text_ += results + "= " + node.op->name + " " + to_string(Attr(attrs)) + operands + "\n";
  }

  Graph graph_;
  std::map<int, std::string> values_;
  int inputs_ = 0, states_ = 0, nodes_ = 0;
  std::string text_;
};

/// The first line of each that the other does not have in its place; "" = equal.
inline std::string difference(const std::string& a, const std::string& b) {
  if (a == b) return "";
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  const size_t from = at ? a.rfind('\n', at - 1) + 1 : 0;
  auto line = [&](const std::string& text) {
    return text.substr(from, text.find('\n', at) - from);
  };
  return "before: " + line(a) + "\nafter:  " + line(b);
}

}  // namespace braid::test
