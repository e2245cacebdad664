// What is dropped and what is kept of a segment:
// * kept: what enters it, what others read of it, State, and all that is small: partial values and
//   their merges (moments), which are saved, so that nothing is synchronized twice;
// * dropped: the other values, which are as large as the batch.
// Operations that write State are not repeated. Random masks follow from seed, step, layer and row,
// so that the second dropout drops the same elements. The bits are those of the first time, because
// the operations, their inputs and kernels are.
#include "recompute.h"

#include <algorithm>

namespace braid {

std::vector<int> segments_of(const Model& model) {
  std::vector<int> segments;
  for (size_t i = 0; i < model.layers.size(); ++i) {
    auto& item = model.layers[i];
    bool goes_on = i > 0 && segments[i - 1] >= 0 && model.layers[i - 1].segment == item.segment;
    segments.push_back(!item.recompute ? -1 : goes_on ? segments[i - 1] : int(i));
  }
  return segments;
}

Recompute::Recompute(const Graph& graph) : read_outside_(graph.values.size(), false) {
  auto segment_of = [&](const Node& node) {
    return node.call < 0 ? -1 : graph.calls[size_t(node.call)].segment;
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    int segment = segment_of(graph.nodes[i]);
    if (segment >= 0) segments_[segment].push_back(int(i));
    for (int v : graph.nodes[i].in)
      if (int made = graph.values[size_t(v)].node;
          made >= 0 && segment_of(graph.nodes[size_t(made)]) != segment)
        read_outside_[size_t(v)] = true;
  }
  for (auto& node : graph.nodes)
    if (node.op->effect)  // a hook that writes is not called twice
      for (int v : node.out) read_outside_[size_t(v)] = true;
  for (auto& result : graph.results) read_outside_[size_t(result.value)] = true;
}

bool Recompute::dropped(const Graph& graph, int value) const {
  return graph.values[size_t(value)].layout.kind == Layout::Kind::split &&
         !read_outside_[size_t(value)];
}

int Recompute::now(int value) const {
  auto found = again_.find(value);
  return found == again_.end() ? value : found->second;
}

Call Recompute::seen_by_gradient(Builder& b, const Call& call) {
  if (call.segment < 0) return call;
  again(b, call.segment);
  Call seen = call;
  for (int& v : seen.in) v = now(v);
  for (int& v : seen.out) v = now(v);
  for (auto& [name, v] : seen.saved) v = now(v);
  return seen;
}

void Recompute::again(Builder& b, int segment) {
  auto found = segments_.find(segment);
  if (found == segments_.end()) return;
  Graph& graph = b.graph();
  // Without an order it would run at once, beside the forward pass, and save nothing. Those who
  // read the segment come later in the model, so all their contributions are there.
  std::vector<int> after;
  for (int i : found->second)
    for (int v : graph.nodes[size_t(i)].out)
      for (int gradient : b.contributions(v)) after.push_back(gradient);
  for (int i : found->second) again(graph, Node(graph.nodes[size_t(i)]), after);
  segments_.erase(found);
}

void Recompute::again(Graph& graph, const Node& node, const std::vector<int>& after) {
  bool any = std::ranges::any_of(node.out, [&](int v) { return dropped(graph, v); });
  if (!any) return;
  ensure(node.op->writes.empty(), "an operation that writes State cannot be computed again");
  Node copy = node;
  copy.backward = true;
  copy.after = after;
  for (int& v : copy.in) {
    if (now(v) != v) copy.after.clear();  // waits for the one that it reads
    v = now(v);
  }
  for (int& v : copy.out) {
    Value value = graph.values[size_t(v)];
    value.node = int(graph.nodes.size());
    value.again = v;
    if (dropped(graph, v)) again_[v] = int(graph.values.size());
    v = int(graph.values.size());
    graph.values.push_back(std::move(value));
  }
  graph.nodes.push_back(std::move(copy));
}

}  // namespace braid
