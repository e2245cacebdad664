// Synchronization is derived, not written. The table has one row: partial(m) -> copy(group) is a
// tree of merge_m over each group of replicas. A new kind of parallelism is a new row.
#include <map>

#include "passes.h"

namespace braid {

const OpDef& sync_op() {
  static const OpDef op{.name = "sync", .infer = same_type, .linear = true};
  return op;
}

void synchronize(Graph& graph) {
  std::vector<Node> nodes;
  std::map<std::pair<int, int>, int> merged;  // value, group -> its copy
  auto copy_of = [&](int v, const Layout& want) {
    auto [entry, fresh] = merged.try_emplace({v, want.group}, -1);
    if (!fresh) return entry->second;
    Value copy = graph.values[size_t(v)];
    copy.layout = want;
    copy.node = int(nodes.size());
    entry->second = int(graph.values.size());
    Node sync{.op = &sync_op(),
              .in = {v},
              .out = {entry->second},
              .wants = {graph.values[size_t(v)].layout}};
    const Node& producer = nodes[size_t(graph.values[size_t(v)].node)];
    sync.call = producer.call;
    sync.label = producer.label;
    sync.backward = producer.backward;
    sync.micro = producer.micro;
    graph.values.push_back(std::move(copy));
    nodes.push_back(std::move(sync));
    return entry->second;
  };
  nodes.reserve(graph.nodes.size() * 2);
  auto fit = [&](int v, const Layout& want) {
    const Layout has = graph.values[size_t(v)].layout;
    if (has == want) return v;
    if (has.kind == Layout::Kind::partial && want.kind == Layout::Kind::copy)
      return copy_of(v, want);
    bug("no row of the synchronization table leads from " + to_string(has) + " to " +
        to_string(want));
  };
  for (auto& node : graph.nodes) {
    for (size_t i = 0; i < node.in.size(); ++i) node.in[i] = fit(node.in[i], node.wants[i]);
    for (int v : node.out) graph.values[size_t(v)].node = int(nodes.size());
    nodes.push_back(std::move(node));
  }
  for (auto& result : graph.results) {
    auto& has = graph.values[size_t(result.value)].layout;
    if (has.kind == Layout::Kind::partial) result.value = fit(result.value, Layout::copy());
  }
  graph.nodes = std::move(nodes);
}

}  // namespace braid
