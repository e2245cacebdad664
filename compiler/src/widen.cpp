// The reference engine computes everything in f64: every f32 of the graph becomes f64.
#include "passes.h"

namespace braid {

void widen(Graph& graph) {
  auto wide = [](Type& type) {
    if (type.dtype == DType::f32) type.dtype = DType::f64;
  };
  for (auto& value : graph.values) wide(value.type);
  for (auto& state : graph.states) wide(state.type);
  for (auto& input : graph.inputs) wide(input.type);
}

}  // namespace braid
