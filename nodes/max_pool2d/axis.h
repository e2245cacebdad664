// One axis of pooling, as kernels on a GPU see it: in 32 bits.
#pragma once
#include "max_pool2d/window.h"

namespace braid {

struct PoolAxis {
  int size, pooled;  ///< cells of the image, windows
  int kernel, stride, padding, dilation;

  /// The cell of the image that place k of a window sees; outside of [0, size) it is padding.
  constexpr int cell(int window, int k) const { return window * stride - padding + k * dilation; }

  /// The windows [first, last] that reach over a cell.
  constexpr int first(int cell) const {
    const int reach = cell + padding - dilation * (kernel - 1);
    return reach <= 0 ? 0 : (reach + stride - 1) / stride;
  }
  constexpr int last(int cell) const {
    const int window = (cell + padding) / stride;
    return window < pooled ? window : pooled - 1;
  }
  /// The place where one of these windows sees the cell; -1 where it looks past it.
  constexpr int place(int window, int cell) const {
    const int offset = cell + padding - window * stride;
    if (dilation == 1) return offset;
    return offset % dilation ? -1 : offset / dilation;
  }
};

struct PoolAxes {
  PoolAxis row, column;
};

inline PoolAxes pool_axes(const Dict& attrs, const Operand& image, const Operand& pooled) {
  const PoolWindow w = pool_window(attrs);
  auto axis = [&](size_t d) {
    return PoolAxis{int(image.dim(2 + d)), int(pooled.dim(2 + d)), int(w.kernel[d]),
                    int(w.stride[d]),      int(w.padding[d]),      int(w.dilation[d])};
  };
  return {axis(0), axis(1)};
}

}  // namespace braid
