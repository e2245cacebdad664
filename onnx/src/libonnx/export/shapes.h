// The graph that is exported, and the shapes of its values with their free dimensions.
#pragma once
#include <string>
#include <vector>

#include <braid/core/graph.h>
#include <braid/core/registry.h>

namespace braid::onnx_export {

struct Shaped {
  Graph graph;
  std::vector<Shape> shapes;  ///< by value
};

/// Throws Error(model) for what `check` refuses, E0218 and E0219 for outputs that are not there,
/// and E0371 where parameters of a layer follow from a free dimension.
Shaped shape_network(const Model& model, const Registry& registry,
                     const std::vector<std::string>& outputs);

}  // namespace braid::onnx_export
