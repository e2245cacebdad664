// The operation of CoordinateGrid:
//   coordinate_grid  -> y   attribute size: [H, W] or [D, H, W]; y is [size..., dimensions]
#pragma once
#include <vector>

#include <braid/core/registry.h>

namespace braid {

void register_coordinate_grid_reference(Registry& registry);

/// Of cell `at` of `cells`: from -1 to 1; a single cell lies in the middle.
constexpr double coordinate(int64_t at, int64_t cells) {
  return cells > 1 ? 2 * double(at) / double(cells - 1) - 1 : 0;
}

}  // namespace braid
