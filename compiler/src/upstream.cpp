// Gradients that come from outside and go back there: for losses and optimizers that are not ours.
// The upstream gradients are inputs of the program, what they turn into are results of it.
#include "build.h"

namespace braid {

void seed_gradients(Builder& b) {
  auto& graph = b.graph();
  const std::vector<Result> outputs = graph.results;
  for (auto& output : outputs) {
    if (output.kind != Result::Kind::output) continue;
    const Type type = b.type(output.value);
    if (!is_floating(type.dtype)) continue;
    graph.inputs.push_back({.name = "grad:" + output.name, .type = type});
    b.add_gradient(output.value, b.input(int(graph.inputs.size()) - 1, 0));
  }
}

void add_gradient_results(Builder& b, int inputs) {
  auto& graph = b.graph();
  auto add = [&](int value, const std::string& name) {
    b.enter(-1);
    b.label(name);
    if (int gradient = b.gradient_of(value); gradient >= 0)
      graph.results.push_back({"grad:" + name, Result::Kind::gradient, gradient});
  };
  for (int v = 0; v < int(graph.values.size()); ++v)
    if (int input = graph.values[size_t(v)].input; input >= 0 && input < inputs)
      add(v, graph.inputs[size_t(input)].name);
  for (size_t s = 0; s < graph.states.size(); ++s)
    if (graph.states[s].trainable) add(graph.state_values[s], graph.states[s].key);
}

}  // namespace braid
