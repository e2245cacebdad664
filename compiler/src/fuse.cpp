// normalize + relu becomes one operation: the activation is written once instead of twice, and the
// mask of the backward pass is recomputed from x, so that the value between them is never stored.
#include <algorithm>
#include <map>

#include "hooks.h"
#include "passes.h"

namespace braid {
namespace {

// Who takes a value; hooks that only watch it are kept apart, since they must change nothing.
struct Uses {
  std::vector<std::vector<int>> of, watched;
  explicit Uses(const Graph& graph) : of(graph.values.size()), watched(graph.values.size()) {
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      for (int v : graph.nodes[i].in)
        (observes(graph.nodes[i]) ? watched : of)[size_t(v)].push_back(int(i));
    for (auto& result : graph.results) of[size_t(result.value)].push_back(-1);
  }
};

// Of a value that is computed again: the one of the forward pass.
int first(const Graph& graph, int value) {
  int again = graph.values[size_t(value)].again;
  return again < 0 ? value : again;
}

bool is(const Node& node, std::string_view op) { return node.op && node.op->name == op; }

// The operations of a batch norm's gradient, with live or frozen statistics.
bool takes_mask(const Node& node) {
  return is(node, "bn_reduce") || is(node, "bn_dx") || is(node, "bn_eval_reduce") ||
         is(node, "bn_eval_dx");
}

// What only hooks see is worked out for them alone, beside the fused operation.
void keep_for_hooks(Graph& graph, const Uses& uses, const Node& norm, int between,
                    std::vector<Node>& extra) {
  if (uses.watched[size_t(between)].empty()) return;
  Node copy = norm;
  copy.out = {int(graph.values.size())};
  graph.values.push_back(graph.values[size_t(between)]);
  for (int user : uses.watched[size_t(between)])
    std::ranges::replace(graph.nodes[size_t(user)].in, between, copy.out[0]);
  extra.push_back(std::move(copy));
}

}  // namespace

void fuse(Graph& graph) {
  Uses uses(graph);
  std::map<size_t, std::vector<Node>> watched;  // by the node before which they stand
  std::map<int, int> replaced;  // gradients behind a relu that is fused -> those before it
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& norm = graph.nodes[i];
    if (!is(norm, "normalize") && !is(norm, "normalize_eval")) continue;
    int between = norm.out[0];
    auto& users = uses.of[size_t(between)];
    if (users.size() != 1 || users[0] < 0 || !is(graph.nodes[size_t(users[0])], "relu")) continue;
    Node& relu = graph.nodes[size_t(users[0])];
    int y = relu.out[0], backward = -1;
    bool possible = true;
    for (int user : uses.of[size_t(y)])
      if (user >= 0 && is(graph.nodes[size_t(user)], "relu_grad") &&
          graph.nodes[size_t(user)].in[1] == y)
        backward = user;
    if (backward >= 0)  // its result may only go into this batch norm's own gradient
      for (int user : uses.of[size_t(graph.nodes[size_t(backward)].out[0])])
        possible &= user >= 0 && takes_mask(graph.nodes[size_t(user)]) &&
                    first(graph, graph.nodes[size_t(user)].in[1]) == first(graph, norm.in[0]);
    if (!possible) continue;
    if (backward >= 0) {
      int g = graph.nodes[size_t(backward)].in[0], masked = graph.nodes[size_t(backward)].out[0];
      for (int user : uses.of[size_t(masked)]) {
        graph.nodes[size_t(user)].in[0] = g;
        set(graph.nodes[size_t(user)].attrs, "relu", true);
      }
      replaced.emplace(masked, g);
      if (uses.watched[size_t(masked)].empty()) graph.nodes[size_t(backward)].op = nullptr;
    }
    keep_for_hooks(graph, uses, norm, between, watched[i]);
    set(norm.attrs, "relu", true);
    norm.out[0] = y;
    relu.op = nullptr;
  }
  std::vector<Node> kept;
  auto keep = [&](Node node) {
    for (int& v : node.after)
      if (auto found = replaced.find(v); found != replaced.end()) v = found->second;
    for (int v : node.out) graph.values[size_t(v)].node = int(kept.size());
    kept.push_back(std::move(node));
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (auto extra = watched.find(i); extra != watched.end())
      for (auto& node : extra->second) keep(std::move(node));
    if (graph.nodes[i].op) keep(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(kept);
}

}  // namespace braid
