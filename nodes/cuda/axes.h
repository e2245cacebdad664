// Offsets in memory of the cells of a box: `at(index)`, in row-major order of the box, whose axes
// have any strides. Neighbouring axes that one stride covers are one.
#pragma once
#include <braid/core/error.h>

#include "cuda/index.h"

namespace braid::cuda {

struct Axes {
  static constexpr int most = 6;
  int count = 0;
  int64_t size[most] = {}, stride[most] = {};  ///< outermost first

  /// Adds the next axis, inside of those there are.
  void push(int64_t cells, int64_t step) {
    if (cells == 1) return;
    if (count > 0 && stride[count - 1] == cells * step) {
      size[count - 1] *= cells;
      stride[count - 1] = step;
      return;
    }
    ensure(count < most, "a tensor has too many dimensions for this kernel");
    size[count] = cells;
    stride[count++] = step;
  }

  int64_t cells() const {
    int64_t all = 1;
    for (int k = 0; k < count; ++k) all *= size[k];
    return all;
  }

  __device__ int64_t at(int64_t index) const {
    int64_t offset = 0;
    for (int k = count - 1; k > 0; --k) {
      const int64_t next = quotient(index, size[k]);
      offset += (index - next * size[k]) * stride[k];
      index = next;
    }
    return count > 0 ? offset + index * stride[0] : 0;
  }
};

}  // namespace braid::cuda
