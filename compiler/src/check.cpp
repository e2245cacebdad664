#include <braid/compiler/phases.h>
#include <braid/compiler/sizes.h>
#include <braid/compiler/stages.h>

#include "build.h"

namespace braid {
namespace {

Summary summarize(const Model& model, const Registry& registry, Diagnostics& found) {
  Graph graph;
  Builder b(graph, registry, Mode::train);
  Model once = model;
  once.batch.accumulate = 1;
  auto calls = forward(once, b, {.mode = Mode::train}, found);
  check_optimizer(once, registry, found);
  if (!found.has_errors()) check_phases(model, graph.states, found);
  const bool trains = model.eval_only.empty();
  for (size_t p = 0; trains && p < model.phases.size() && !found.has_errors(); ++p) {
    const Model phase = in_phase(once, registry, int(p), {});
    build(phase, registry, {.mode = Mode::train}, found);
  }
  if (model.optimizer && trains && !found.has_errors()) {
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
    if (!call.out.empty())
      row.shape = b.type(call.out[0]).shape, row.dtype = b.type(call.out[0]).dtype;
    row.parameters = parameters[size_t(calls[i])];
    if (call.def->flops) row.flops = call.def->flops(call, b);
    summary.flops += row.flops;
    summary.layers.push_back(std::move(row));
  }
  return summary;
}

// A dimension that differs between two checks follows a free one: L, 128*L; else it is some "?".
Dim named(const std::vector<FreeDim>& free, const std::vector<int64_t>& one, Dim a,
          const std::vector<int64_t>& two, Dim b) {
  if (a == b || a.is_free()) return a;
  for (size_t i = 0; i < free.size(); ++i) {
    const int64_t factor = a.value / one[i];
    if (factor * one[i] != a.value || factor * two[i] != b.value) continue;
    std::string text = (factor == 1 ? "" : std::to_string(factor) + "*") + free[i].name;
    if (text.size() <= a.name.size() && !a.batched) return Dim::free(text, a.value);
  }
  return Dim::free("?", a.value);
}

/// Layers know numbers only: free dimensions are tried with two sizes each, from `least` on.
Summary try_sizes(const Model& model, const Registry& registry, int64_t least, Diagnostics& found) {
  std::vector<int64_t> one, two;
  for (size_t i = 0; i < model.free.size(); ++i) {
    const int64_t known = model.free[i].size, last = int64_t(model.free.size() - 1);
    one.push_back(known ? known : least * (1 + int64_t(i)));
    two.push_back(known ? known : least + least / 2 + least * (last - int64_t(i)));
  }
  Summary summary = summarize(with_sizes(model, one), registry, found);
  summary.free = model.free;
  for (size_t i = 0; i < one.size(); ++i) summary.free[i].size = one[i];
  if (found.has_errors()) return summary;
  const Summary other = summarize(with_sizes(model, two), registry, found);
  for (size_t i = 0; i < summary.layers.size() && i < other.layers.size(); ++i) {
    Shape& a = summary.layers[i].shape;
    const Shape& b = other.layers[i].shape;
    for (size_t d = 0; d < a.size() && d < b.size(); ++d)
      a[d] = named(model.free, one, a[d], two, b[d]);
  }
  return summary;
}

Summary check_layers(const Model& model, const Registry& registry, Diagnostics& found) {
  if (model.free.empty()) return summarize(model, registry, found);
  Diagnostics first = found, second = found;
  Summary summary = try_sizes(model, registry, 64, first);
  if (first.errors() > found.errors()) {
    // Positions that are learned end somewhere: a text of 64 words may be too long.
    Summary shorter = try_sizes(model, registry, 8, second);
    if (second.errors() == found.errors()) {
      found = std::move(second);
      return shorter;
    }
  }
  found = std::move(first);
  return summary;
}

}  // namespace

Summary check(const Model& model, const Registry& registry, Diagnostics& found) {
  Summary summary = check_layers(model, registry, found);
  check_stages(model, found);
  return summary;
}

}  // namespace braid
