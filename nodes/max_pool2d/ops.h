// The operations of MaxPool2d:
//   max_pool2d       x        -> y[, index]   attribute indices: bool
//   max_pool2d_grad  g, index -> dx           attribute input_size: [H, W]
// index is the place of the maximum in its window, row by row, the first of equals: u8 for windows
// of up to 255 cells, else i32.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_max_pool2d_ops(Registry& registry);
void register_max_pool2d_reference(Registry& registry);

}  // namespace braid
