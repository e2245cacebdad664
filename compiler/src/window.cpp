// Nothing but the optimizer follows the merge of a gradient, so a static plan would never reuse the
// memory of the replicas' parts. Control edges bound how many gradients are in flight: the
// producers of gradient k+2 wait for the merges of gradient k. Gradients that share a sync count as
// one, whose producer is the last of theirs. The edges only ever point from an earlier producer to
// a later one, so they close no cycle.
#include <algorithm>
#include <unordered_map>

#include "passes.h"

namespace braid {

void window(const Graph& graph, const Expanded& expanded, const Plan& plan, Order& order) {
  constexpr size_t in_flight = 2;
  struct Gradient {
    std::vector<int> producers = {}, merges = {};
    int last = -1;  // producer
  };
  std::vector<Gradient> gradients;
  std::unordered_map<int, size_t> by_sync, by_producer;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    auto& node = graph.nodes[i];
    if (node.op != &sync_op() || !node.backward) continue;
    Gradient gradient;
    for (int v : node.in) {
      auto& part = graph.values[size_t(v)];
      gradient.last = std::max(gradient.last, part.node);
      if (part.type.dtype == DType::f32 && part.type.elements(0) >= 256)
        gradient.producers.push_back(part.node);
    }
    if (gradient.producers.empty()) continue;
    by_sync[int(i)] = gradients.size();
    gradients.push_back(std::move(gradient));
  }
  if (expanded.nodes.empty() || gradients.size() <= in_flight) return;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    auto& step = plan.steps[i];
    if (step.hi <= step.lo) continue;
    if (auto found = by_sync.find(step.node); found != by_sync.end())
      gradients[found->second].merges.push_back(int(i));
  }
  std::ranges::stable_sort(gradients, {}, &Gradient::last);
  for (size_t k = 0; k < gradients.size(); ++k)
    for (int producer : gradients[k].producers) by_producer.try_emplace(producer, k);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    auto& step = plan.steps[i];
    if (step.replica < 0 || step.kind != StepKind::kernel) continue;
    auto found = by_producer.find(step.node);
    if (found == by_producer.end() || found->second < in_flight) continue;
    auto& earlier = gradients[found->second - in_flight];
    if (earlier.last >= step.node) continue;
    for (int merge : earlier.merges) order.add(int(i), merge);
  }
}

}  // namespace braid
