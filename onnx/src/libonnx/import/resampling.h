#pragma once
#include "libonnx/import/importing.h"

namespace braid::onnx_import {

/// How a Resize looks at its input, in ONNX's words.
struct Looks {
  std::string mode, positions, rounding;
};

/// A Resize that no layer does: products with constant matrices along both dimensions, whose rows
/// say which cells a cell of the result is made of. `ratios` for each dimension behind [N, C];
/// `sizes`, too, or none where they follow from the ratios.
void emit_resampling(Importing& i, const Looks& looks, const Floats& ratios, const Ints& sizes);

}  // namespace braid::onnx_import
