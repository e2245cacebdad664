// Windows of convolutions and pools, and the padding around them.
#pragma once
#include "libonnx/import/importing.h"

namespace braid::onnx_import {

struct Window {
  Ints strides, dilations, before, after;
  bool even() const { return before == after; }
};

/// Strides, dilations and pads; with `automatic`, auto_pad is worked out from the input's sizes.
Window window_of(Importing& i, const Ints& kernel, bool automatic = true);

/// As the layer Pad wants it: the last dimension first.
Attr pad_list(const Window& window);
Value padded(Importing& i, const Value& from, const Window& window, double value);

}  // namespace braid::onnx_import
