// The two hashes. The program hash covers what decides the arithmetic; a change of devices, threads
// or memory must not change it.
#include <algorithm>

#include <braid/core/random.h>

#include "hooks.h"
#include "passes.h"

namespace braid {
namespace {

class Hash {
 public:
  Hash& text(std::string_view s) {
    h_ = hash_text(s, mix64(h_ ^ s.size()));
    return *this;
  }
  Hash& number(int64_t v) {
    h_ = mix64(h_ ^ uint64_t(v));
    return *this;
  }
  uint64_t value() const { return h_; }

 private:
  uint64_t h_ = 0x42726169642d3101ull;
};

// Numbers in the order of their first use: an observer in between changes none of them.
class Numbers {
 public:
  explicit Numbers(size_t size) : of_(size, -1) {}
  int operator()(int v) {
    if (v < 0) return v;
    if (of_[size_t(v)] < 0) of_[size_t(v)] = next_++;
    return of_[size_t(v)];
  }
  int size() const { return next_; }

 private:
  std::vector<int> of_;
  int next_ = 0;
};

}  // namespace

uint64_t program_hash(const Graph& graph, const Expanded& expanded, const Plan& plan) {
  Hash h;
  h.text(plan.traits.kind).text(plan.traits.isa).number(plan.replicas);
  for (auto& micro : expanded.slices)
    for (int64_t n : micro) h.number(n);
  auto observer = find_observers(graph);
  Numbers logical(graph.values.size()), nodes(graph.nodes.size());
  Numbers physical(expanded.values.size()), kernels(plan.kernels.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (observer[i]) continue;
    auto& node = graph.nodes[i];
    h.text(node.op->name).text(node.label);
    for (auto& e : node.attrs)
      if (!node.op->effect || e.key != "hook") h.text(e.key).text(to_string(e.value));
    for (int v : node.in) h.number(logical(v));
    for (int v : node.out) {
      auto& value = graph.values[size_t(v)];
      h.number(logical(v)).text(to_string(value.type)).text(to_string(value.layout));
      h.text(value.format);
    }
  }
  for (auto& state : graph.states) h.text(state.key).text(to_string(state.type));
  for (auto& node : expanded.nodes) {
    if (observer[size_t(node.logical)]) continue;
    h.number(nodes(node.logical)).number(node.replica).number(node.lo).number(node.hi);
    int known = kernels.size(), kernel = kernels(node.kernel);
    h.number(kernel);
    if (kernel == known) {
      auto& use = plan.kernels[size_t(node.kernel)];
      h.text(use.signature.op).text(use.impl);
    }
    for (int v : expanded.in(node)) h.number(physical(v));
  }
  return h.value();
}

uint64_t plan_hash(const Plan& plan) {
  Hash h;
  h.number(int64_t(plan.program_hash));
  for (auto& device : plan.devices) h.text(device);
  for (auto& step : plan.steps) h.number(int64_t(step.kind)).number(step.node).number(step.device);
  for (auto& strand : plan.strands) {
    h.number(strand.lane);
    for (int s : strand.steps) h.number(s);
    for (int s : strand.preds) h.number(s);
  }
  for (auto& slot : plan.slots) h.number(slot.device).number(slot.offset).number(slot.bytes);
  return h.value();
}

}  // namespace braid
