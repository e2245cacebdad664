#include "build.h"

namespace braid {

Summary check(const Model& model, const Registry& registry, Diagnostics& found) {
  Graph graph;
  Builder b(graph, registry, Mode::train);
  Model once = model;
  once.batch.accumulate = 1;
  auto calls = forward(once, b, {.mode = Mode::train}, found);
  check_optimizer(once, registry, found);
  if (model.optimizer && model.eval_only.empty() && !found.has_errors()) {
    differentiate(b, found);
    optimize(once, b, found);
  }
  Summary summary{.name = model.name};
  std::vector<int64_t> parameters(graph.calls.size(), 0);
  for (auto& state : graph.states) {
    int64_t count = state.type.elements(0);
    if (state.kind == StateVar::Kind::optimizer) continue;
    summary.states.push_back(state);
    if (state.kind == StateVar::Kind::buffer) {
      summary.buffers += count;
      continue;
    }
    summary.parameters += count;
    parameters[size_t(state.call)] += count;
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i] < 0) continue;
    auto& call = graph.calls[size_t(calls[i])];
    LayerSummary row{.name = call.path, .type = call.def->name};
    if (call.mark) row.file = call.mark.source->name, row.line = call.mark.line;
    if (!call.out.empty()) row.shape = b.type(call.out[0]).shape;
    row.parameters = parameters[size_t(calls[i])];
    if (call.def->flops) row.flops = call.def->flops(call, b);
    summary.flops += row.flops;
    summary.layers.push_back(std::move(row));
  }
  return summary;
}

}  // namespace braid
