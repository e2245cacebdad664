// The two hashes. The program hash covers what decides the arithmetic; a change of devices, threads
// or memory must not change it.
#include <braid/core/random.h>

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

}  // namespace

uint64_t program_hash(const Graph& graph, const Expanded& expanded, const Plan& plan) {
  Hash h;
  h.text(plan.traits.kind).text(plan.traits.isa).number(plan.replicas);
  for (auto& micro : expanded.slices)
    for (int64_t n : micro) h.number(n);
  for (auto& node : graph.nodes) {
    h.text(node.op->name).text(node.label);
    for (auto& e : node.attrs) h.text(e.key).text(to_string(e.value));
    for (int v : node.in) h.number(v);
    for (int v : node.out) {
      auto& value = graph.values[size_t(v)];
      h.number(v).text(to_string(value.type)).text(to_string(value.layout)).text(value.format);
    }
  }
  for (auto& state : graph.states) h.text(state.key).text(to_string(state.type));
  for (auto& kernel : plan.kernels) h.text(kernel.signature.op).text(kernel.impl);
  for (auto& node : expanded.nodes) {
    h.number(node.logical).number(node.replica).number(node.lo).number(node.hi).number(node.kernel);
    for (int v : expanded.in(node)) h.number(v);
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
