// What a plan tells users about its nodes, its sync points and its steps.
#include <algorithm>
#include <set>
#include <utility>

#include "hooks.h"
#include "passes.h"

namespace braid {
namespace {

// For each value the parameter whose update reads it as it is, or in another format; -1 = none.
std::vector<int> updated_by(const Graph& graph) {
  std::vector<int> parameter(graph.values.size(), -1), plain(graph.values.size());
  for (size_t v = 0; v < plain.size(); ++v) plain[v] = int(v);
  for (auto& node : graph.nodes) {
    if (node.op->name == "reorder") plain[size_t(node.out[0])] = plain[size_t(node.in[0])];
    for (int w : node.op->writes) {
      int state = graph.values[size_t(node.in[size_t(w)])].state;
      if (state < 0 || graph.states[size_t(state)].kind != StateVar::Kind::parameter) continue;
      for (int v : node.in) parameter[size_t(plain[size_t(v)])] = state;
    }
  }
  return parameter;
}

int participants(const Expanded& expanded, int value) {
  auto& at = expanded.at[size_t(value)];
  return int(std::ranges::count_if(at, [](int v) { return v >= 0; }));
}

}  // namespace

void describe_nodes(const Graph& graph, const Expanded& expanded, Plan& plan) {
  for (auto& node : graph.nodes) {
    plan.nodes.push_back({node.op->name, node.label, {}, node.backward, node.op == &sync_op()});
    if (node.call >= 0) plan.nodes.back().mark = graph.calls[size_t(node.call)].mark;
    if (!node.op->effect) continue;
    auto& point = plan.hook_points[size_t(get_int(node.attrs, "hook"))];
    point.node = int(plan.nodes.size()) - 1;
    if (computes(point.kind)) {
      for (auto* values : {&node.out, &node.in})
        for (int v : *values) point.types.push_back(graph.values[size_t(v)].type);
      continue;
    }
    auto names = std::exchange(point.names, {});
    for (size_t k = 0; k < node.in.size(); ++k) {
      if (of_step(node) && expanded.common[size_t(node.in[k])] < 0) {
        --point.values;  // of a micro-batch without samples
        continue;
      }
      point.types.push_back(graph.values[size_t(node.in[k])].type);
      if (k < names.size()) point.names.push_back(names[k]);
    }
  }
}

// Where a single replica has samples, or each is a group of its own, nothing is merged.
void describe_syncs(const Graph& graph, const Expanded& expanded, Plan& plan) {
  auto parameter = updated_by(graph);
  std::set<int> summed;
  for (auto& node : expanded.nodes)
    if (node.sum) summed.insert(node.logical);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    auto& node = graph.nodes[i];
    if (node.op != &sync_op()) continue;
    for (size_t k = 0; k < node.in.size(); ++k) {
      auto& part = graph.values[size_t(node.in[k])];
      auto& producer = graph.nodes[size_t(part.node)];
      SyncPoint point{.node = int(i),
                      .part = int(k),
                      .layer = producer.label,
                      .op = producer.op->name,
                      .merge = part.layout.merge,
                      .group = graph.values[size_t(node.out[k])].layout.group,
                      .bytes = part.type.bytes(0),
                      .participants = participants(expanded, node.in[k]),
                      .backward = producer.backward,
                      .fast = summed.contains(int(i))};
      if (int p = parameter[size_t(node.out[k])]; p >= 0) {
        auto& key = graph.states[size_t(p)].key;
        point.layer = key.substr(0, key.rfind('.'));
        point.variable = key.substr(key.rfind('.') + 1);
      }
      if (point.group != 1 && point.participants > 1) plan.syncs.push_back(std::move(point));
    }
  }
}

std::string describe(const Plan& plan, const Step& step) {
  if (step.node < 0) return step.kind == StepKind::gate ? "commit gate" : "step";
  auto& node = plan.nodes[size_t(step.node)];
  if (step.hook >= 0) {
    auto& point = plan.hook_points[size_t(step.hook)];
    auto& spec = plan.hooks[size_t(point.spec)];
    std::string text = (computes(point.kind) ? "" : "hook ") + std::string(to_string(point.kind)) +
                       " '" + spec.name + "'";
    if (!point.layer.empty()) text += " of layer '" + point.layer + "'";
    if (step.replica >= 0) text += ", replica " + std::to_string(step.replica);
    return text;
  }
  std::string text = node.label + " (" + node.op + (node.backward ? ", backward)" : ")");
  if (step.kind == StepKind::sum) return text + ", sum over all devices";
  if (step.hi > step.lo)
    return text + ", merge of replicas " + std::to_string(step.lo) + ".." +
           std::to_string(step.hi - 1);
  if (step.replica >= 0) text += ", replica " + std::to_string(step.replica);
  return text;
}

}  // namespace braid
