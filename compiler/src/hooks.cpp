#include "hooks.h"

#include <algorithm>

#include <braid/compiler/positions.h>

namespace braid {
namespace {

bool declares_ports(const Call& call) {
  const Attr* ports = find(call.params, "ports");
  return ports && !ports->is_null();
}

bool wanted(const HookSpec& spec, HookKind kind, const Call& call) {
  if (spec.kind != kind || call.item < 0) return false;
  if (!spec.called.empty())  // a Callback that computes is no watcher
    return call.def->name == "Callback" && !declares_ports(call) &&
           get_text(call.params, "call") == spec.called;
  return matches(spec, call.path, call.def->name);
}

HookPoint point_of(const Call& call, HookKind kind, size_t spec) {
  return {.kind = kind,
          .spec = int(spec),
          .layer = call.path,
          .type = call.def->name,
          .micro = call.micro,
          .mark = call.mark};
}

// A node that sees `values` and, besides, `inputs`; values that are not there (-1) are left out.
std::vector<int> add_hook(Builder& b, const HookSpec& spec, HookPoint point,
                          std::vector<int> values, const std::vector<int>& inputs, int group) {
  std::erase_if(values, [](int v) { return v < 0; });
  point.values = int(values.size());
  for (int v : inputs)
    if (v >= 0) values.push_back(v);
  point.inputs = int(values.size()) - point.values;
  if (values.empty()) return {};
  Dict attrs = {{"hook", int64_t(b.graph().hook_points.size())},
                {"values", int64_t{point.values}},
                {"joined", spec.joined}};
  if (spec.mutates) set(attrs, "name", spec.name);  // it is part of the program
  b.graph().hook_points.push_back(std::move(point));
  return b.add(spec.mutates ? mutating_hook() : observing_hook(), values, attrs, group);
}

// Puts what a mutating hook returned in the places of what it was shown.
void replace(std::vector<int>& values, const std::vector<int>& by) {
  size_t next = 0;
  for (int& v : values)
    if (v >= 0) v = by.at(next++);
}

std::vector<std::string> port_names(const Call& call, const std::vector<int>& values) {
  std::vector<std::string> names;
  auto& outputs = outputs_of(call);
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] >= 0) names.push_back(i < outputs.size() ? outputs[i].name : "");
  return names;
}

}  // namespace

const OpDef& observing_hook() {
  static const OpDef op{
      .name = "hook",
      .infer = [](const Dict&, std::span<const Type>) { return std::vector<Type>(); },
      .effect = true};
  return op;
}

const OpDef& mutating_hook() {
  static const OpDef op{.name = "mutating_hook",
                        .infer =
                            [](const Dict& attrs, std::span<const Type> in) {
                              auto values = size_t(get_int(attrs, "values"));
                              return std::vector<Type>(in.begin(), in.begin() + long(values));
                            },
                        .effect = true};
  return op;
}

void add_forward_hooks(Builder& b, const std::vector<HookSpec>& specs, int id) {
  for (size_t s = 0; s < specs.size(); ++s) {
    const Call call = b.graph().calls[size_t(id)];
    auto moments = call.saved.find("moments");
    if (moments != call.saved.end() && wanted(specs[s], HookKind::stats, call)) {
      HookPoint point = point_of(call, HookKind::stats, s);
      point.names = {"moments"};
      add_hook(b, specs[s], point, {moments->second}, {}, call.group);
    }
    if (!wanted(specs[s], HookKind::forward, call)) continue;
    HookPoint point = point_of(call, HookKind::forward, s);
    point.names = port_names(call, call.out);
    auto out = add_hook(b, specs[s], point, call.handed,
                        specs[s].inputs ? call.in : std::vector<int>(), call.group);
    if (!out.empty()) replace(b.graph().calls[size_t(id)].handed, out);
  }
}

std::vector<int> mutate_gradients(Builder& b, const std::vector<HookSpec>& specs, int id,
                                  std::vector<int> gradients) {
  const Call call = b.graph().calls[size_t(id)];
  for (size_t s = 0; s < specs.size(); ++s) {
    if (!specs[s].mutates || !wanted(specs[s], HookKind::backward, call)) continue;
    HookPoint point = point_of(call, HookKind::backward, s);
    point.names = port_names(call, gradients);
    auto out = add_hook(b, specs[s], point, gradients, {}, call.group);
    if (!out.empty()) replace(gradients, out);
  }
  return gradients;
}

void observe_gradients(Builder& b, const std::vector<HookSpec>& specs, int id,
                       const std::vector<int>& gradients, const std::vector<int>& of_inputs) {
  const Call call = b.graph().calls[size_t(id)];
  for (size_t s = 0; s < specs.size(); ++s) {
    if (specs[s].mutates || !wanted(specs[s], HookKind::backward, call)) continue;
    HookPoint point = point_of(call, HookKind::backward, s);
    point.names = port_names(call, gradients);
    add_hook(b, specs[s], point, gradients, specs[s].inputs ? of_inputs : std::vector<int>(),
             call.group);
  }
}

void add_step_hooks(Builder& b, const std::vector<HookSpec>& specs) {
  b.enter(-1);
  for (size_t s = 0; s < specs.size(); ++s) {
    if (specs[s].kind != HookKind::step) continue;
    HookPoint point{.kind = HookKind::step, .spec = int(s)};
    std::vector<int> values;
    for (auto& result : b.graph().results) {
      if (result.kind == Result::Kind::output) continue;
      point.names.push_back(result.name);
      values.push_back(result.value);
    }
    b.label(specs[s].name);
    add_hook(b, specs[s], point, values, {}, 0);
  }
}

void check_stats_hooks(const Graph& graph, const std::vector<HookSpec>& specs) {
  for (size_t s = 0; s < specs.size(); ++s) {
    if (specs[s].kind != HookKind::stats) continue;
    auto of_spec = [&](const HookPoint& p) { return p.spec == int(s); };
    if (std::ranges::any_of(graph.hook_points, of_spec)) continue;
    throw Error(
        Fault::usage, "E0425",
        "hook on_stats '" + specs[s].name + "': none of its layers merges statistics in training",
        specs[s].mark)
        .help("on_stats belongs to a batch norm whose statistics are not frozen");
  }
}

void bind_callbacks(Graph& graph, std::vector<HookSpec>& specs) {
  for (auto& node : graph.nodes) {
    if (!computes(node)) continue;
    const std::string name = get_text(node.attrs, "call");
    auto spec = std::ranges::find_if(
        specs, [&](auto& s) { return s.kind == HookKind::forward && s.called == name; });
    if (spec == specs.end())
      spec = specs.insert(spec, {.kind = HookKind::forward, .name = name, .called = name});
    auto kind = node.backward ? HookKind::gradient : HookKind::compute;
    HookPoint point = point_of(graph.calls[size_t(node.call)], kind, size_t(spec - specs.begin()));
    point.values = int(node.out.size());
    point.inputs = int(node.in.size());
    for (auto& port : find(node.attrs, "names")->as_list()) point.names.push_back(port.as_text());
    set(node.attrs, "hook", int64_t(graph.hook_points.size()));
    graph.hook_points.push_back(std::move(point));
  }
}

std::vector<bool> find_observers(const Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false), observer(graph.nodes.size(), false);
  for (auto& result : graph.results) needed[size_t(result.value)] = true;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    auto& node = graph.nodes[i];
    bool on = !node.op->writes.empty() || (node.op->effect && !node.out.empty());
    for (int v : node.out) on = on || needed[size_t(v)];
    observer[i] = !on;
    if (on)
      for (int v : node.in) needed[size_t(v)] = true;
  }
  return observer;
}

}  // namespace braid
