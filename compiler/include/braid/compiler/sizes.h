// Free dimensions: `tokens: {shape: [N, L]}` names a size that is known when the network runs.
//
//   Model m = with_sizes(model, {128});   // L = 128, everywhere that L stands
#pragma once
#include <vector>

#include <braid/core/error.h>
#include <braid/core/model.h>

namespace braid {

/// The model with one size for each of Model::free, in shapes, in `expect` and in what layers take
/// as parameters (`end: L`, `size: [N, 2*L]`). It has no free dimensions then.
Model with_sizes(Model model, const std::vector<int64_t>& sizes);

/// The sizes that the model itself names. Throws Error(model, "E0151") where one is not known.
std::vector<int64_t> known_sizes(const Model& model);

}  // namespace braid
