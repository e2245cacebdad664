// The judge of CoordinateGrid: one loop for each dimension.
#include "coordinate_grid/ops.h"

namespace braid {

void register_coordinate_grid_reference(Registry& registry) {
  registry.add(plain_kernel("coordinate_grid", "reference", [](const Signature& s) -> KernelBody {
    return [size = get_ints(s.attrs, "size")](const KernelArgs& a) {
      const bool deep = size.size() > 2;
      const int64_t depth = deep ? size[0] : 1, height = size[deep], width = size[deep + 1];
      double* y = a.out<double>(0);
      auto put = [&](int64_t at, int64_t cells) {
        *y++ = cells == 1 ? 0 : -1 + double(at) * (2 / double(cells - 1));
      };
      for (int64_t z = 0; z < depth; ++z)
        for (int64_t row = 0; row < height; ++row)
          for (int64_t column = 0; column < width; ++column) {
            put(column, width);
            put(row, height);
            if (deep) put(z, depth);
          }
    };
  }));
}

}  // namespace braid
