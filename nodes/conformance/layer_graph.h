// The Graph of one layer alone, with its gradient: from a LayerDef's sample, for the checks of
// conformance.h. Inputs that are floating point need a gradient, and every output has an upstream
// gradient, an input of its own.
#pragma once
#include <braid/core/random.h>

#include "conformance/interpreter.h"

namespace braid::test {

class LayerGraph {
 public:
  LayerGraph(const Registry& registry, const LayerDef& def, const Sample& sample, Mode mode,
             Freeze freeze = Freeze::none)
      : def(def), graph_(std::make_unique<Graph>()), b_(*graph_, registry, mode) {
    Graph& graph = *graph_;
    Diagnostics found;
    Call call{.def = &def, .path = "it", .owner = "it", .freeze = freeze};
    call.params = check_params(def.params, sample.params, def.name, {}, found);
    found.raise();
    for (auto& type : sample.inputs) call.in.push_back(input(type));
    for (int v : call.in) graph.values[size_t(v)].needs_gradient = is_floating(b_.type(v).dtype);
    graph.calls.push_back(call);
    b_.enter(0);
    call.out = def.forward(b_, call);
    graph.calls[0] = call;
    inputs = call.in;
    outputs = call.out;
    if (mode == Mode::train && def.gradient) differentiate();
  }

  Graph& operator*() const { return *graph_; }
  Graph* operator->() const { return graph_.get(); }

  const LayerDef& def;
  std::vector<int> inputs, outputs;
  std::vector<int> upstream;       ///< gradient of each output; none for losses
  std::map<int, int> gradient_of;  ///< input or variable -> its gradient, where one was made

 private:
  int input(const Type& type) {
    Graph& graph = *graph_;
    graph.inputs.push_back({"input" + std::to_string(graph.inputs.size()), type});
    return b_.input(int(graph.inputs.size()) - 1, 0);
  }

  void differentiate() {
    std::vector<int> g(outputs.size(), -1);
    if (def.role != Role::loss)
      for (size_t i = 0; i < outputs.size(); ++i)
        upstream.push_back(g[i] = input(b_.type(outputs[i])));
    b_.backward(true);
    const Call call = graph_->calls[0];
    auto back = def.gradient(b_, call, g);
    for (size_t i = 0; i < back.size(); ++i) b_.add_gradient(inputs.at(i), back[i]);
    auto ends = inputs;
    ends.insert(ends.end(), graph_->state_values.begin(), graph_->state_values.end());
    for (int v : ends)
      if (int made = b_.needs_gradient(v) ? b_.gradient_of(v) : -1; made >= 0)
        gradient_of[v] = made;
  }

  std::unique_ptr<Graph> graph_;
  Builder b_;
};

/// Numbers that floats hold exactly, drawn from a standard normal law; class indices for integers.
inline Numbers draw(const Type& type, int64_t batch, int64_t classes, uint64_t key) {
  Numbers numbers(size_t(type.elements(batch)));
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = is_floating(type.dtype) ? double(float(normal(key, i)))
                                         : double(uniform_below(key, i, uint64_t(classes)));
  return numbers;
}

/// Every input of the graph, upstream gradients included.
inline std::map<int, Numbers> draw_inputs(const LayerGraph& g, int64_t batch,
                                          const Sample& sample) {
  std::map<int, Numbers> drawn;
  for (size_t v = 0; v < g->values.size(); ++v)
    if (int index = g->values[v].input; index >= 0)
      drawn[int(v)] = draw(g->values[v].type, batch, sample.classes, uint64_t(index) + 100);
  if (sample.positive)
    for (int v : g.inputs)
      for (double& number : drawn.at(v)) number = std::abs(number) + 0.25;
  return drawn;
}

}  // namespace braid::test
