// Where the cells of a resized image come from, along one of its two axes.
//
//   Axis rows = axis_of(attrs, 0);
//   Origin s = rows.origin(3);    // result cell 3 is (1 - s.weight) x[s.low] + s.weight x[s.high]
//   Taps taps = rows.taps();      // of every result cell
//   Taps back = transposed(taps, rows.image);    // of every image cell
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include <braid/core/attr.h>

namespace braid {

struct Origin {
  int64_t low, high;
  double weight;  ///< of `high`; 0 where both are the same cell
};

/// A sparse matrix: row i is the cells that i sums up, each with its weight, in rising order.
struct Taps {
  std::vector<int64_t> first = {0};  ///< row i is [first[i], first[i + 1])
  std::vector<int64_t> cell;
  std::vector<float> weight;

  int64_t rows() const { return int64_t(first.size()) - 1; }
};
/// The same weights seen from the other side; `rows` = number of image cells.
Taps transposed(const Taps& taps, int64_t rows);

struct Axis {
  bool bilinear, align_corners;
  int64_t image, result;  ///< cells
  double from, to;        ///< `to` cells of the result lie over `from` of the image

  constexpr Origin origin(int64_t i) const {
    if (!bilinear) {
      const auto cell = std::min(int64_t(double(i) * from / to), image - 1);
      return {cell, cell, 0};
    }
    double at = std::max(0.0, (double(i) + 0.5) * from / to - 0.5);
    if (align_corners) at = result > 1 ? double(i) * double(image - 1) / double(result - 1) : 0;
    const auto low = std::min(int64_t(at), image - 1), high = std::min(low + 1, image - 1);
    return {low, high, high > low ? at - double(low) : 0};
  }
  Taps taps() const;
};
/// `dim` 0 = height, 1 = width.
Axis axis_of(const Dict& attrs, size_t dim);

}  // namespace braid
