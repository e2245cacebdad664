#include "hooks.h"
#include "passes.h"

namespace braid {

void eliminate(Graph& graph, bool keep_writes) {
  std::vector<bool> needed(graph.values.size(), false), keep(graph.nodes.size(), false);
  for (auto& result : graph.results) needed[size_t(result.value)] = true;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    auto& node = graph.nodes[i];
    bool settled = node.call >= 0 && graph.calls[size_t(node.call)].settled;
    bool on = (keep_writes && !settled && !node.op->writes.empty()) ||
              (node.op->effect && !computes(node));
    for (int v : node.out) on = on || needed[size_t(v)];
    keep[i] = on;
    if (on)
      for (int v : node.in) needed[size_t(v)] = true;
  }
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (int v : graph.nodes[i].out) graph.values[size_t(v)].node = keep[i] ? int(kept.size()) : -1;
    if (!keep[i]) continue;
    kept.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(kept);
}

}  // namespace braid
