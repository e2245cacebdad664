#include "upsample/axis.h"

#include <braid/core/error.h>

namespace braid {

Taps Axis::taps() const {
  Taps taps;
  for (int64_t i = 0; i < result; ++i) {
    Origin s = origin(i);
    taps.cell.push_back(s.low);
    taps.weight.push_back(float(1 - s.weight));
    if (s.weight > 0) {
      taps.cell.push_back(s.high);
      taps.weight.push_back(float(s.weight));
    }
    taps.first.push_back(int64_t(taps.cell.size()));
  }
  return taps;
}

Taps transposed(const Taps& taps, int64_t rows) {
  std::vector<std::vector<std::pair<int64_t, float>>> of(static_cast<size_t>(rows));
  for (int64_t i = 0; i < taps.rows(); ++i)
    for (int64_t k = taps.first[size_t(i)]; k < taps.first[size_t(i + 1)]; ++k)
      of[size_t(taps.cell[size_t(k)])].push_back({i, taps.weight[size_t(k)]});
  Taps turned;
  for (auto& row : of) {
    for (auto& [cell, weight] : row) {
      turned.cell.push_back(cell);
      turned.weight.push_back(weight);
    }
    turned.first.push_back(int64_t(turned.cell.size()));
  }
  return turned;
}

Axis axis_of(const Dict& attrs, size_t dim) {
  auto image = get_ints(attrs, "image_size"), result = get_ints(attrs, "output_size");
  ensure(image.size() == 2 && result.size() == 2, "upsample: sizes are lists of two");
  Axis axis{get_text(attrs, "mode") == "bilinear",
            get_bool(attrs, "align_corners"),
            image[dim],
            result[dim],
            double(image[dim]),
            double(result[dim])};
  if (const Attr* factor = find(attrs, "factor")) {
    axis.from = 1;
    axis.to = factor->as_list()[dim].as_double();
  }
  return axis;
}

}  // namespace braid
