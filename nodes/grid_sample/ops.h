// The operations of GridSample, over images or volumes; attributes mode, padding_mode,
// align_corners:
//   grid_sample             x, grid     -> y
//   grid_sample_grad_input  grid, g     -> dx      attribute input_size: spatial
//   grid_sample_grad_grid   x, grid, g  -> dgrid
//
// What a position sees, along one axis, is arithmetic that all devices share.
#pragma once
#include <cstdint>

#include <braid/core/registry.h>

namespace braid {

/// How positions are read: of an operation's attributes.
struct GridRule {
  bool nearest = false, border = false, align_corners = false;
};
GridRule grid_rule(const Dict& attrs);

/// The two cells of an axis that a position lies between, and how the share of the upper one grows
/// with the coordinate. Cells outside are not there, so that their shares are lost.
struct Between {
  int64_t low = 0;
  float share = 0;  ///< of cell low + 1; low has the rest
  float slope = 0;  ///< of `share`; 0 in mode nearest, and where the border holds a position
};

constexpr Between between(const GridRule& rule, float coordinate, int64_t cells) {
  const double last = double(cells - 1);
  double slope = rule.align_corners ? last / 2 : double(cells) / 2;
  double at = rule.align_corners ? (double(coordinate) + 1) * slope
                                 : (double(coordinate) + 1) * slope - 0.5;
  if (rule.border && !(at > 0 && at < last)) {
    at = at > 0 ? last : 0;
    slope = 0;
  }
  // Positions far outside, and those that are no numbers, see nothing.
  if (!(at > -2 && at < last + 2)) return {-2, 0, 0};
  int64_t low = int64_t(at + 2) - 2;  // rounds down
  const double share = at - double(low);
  if (!rule.nearest) return {low, float(share), float(slope)};
  const bool up = share > 0.5 || (share == 0.5 && low % 2 != 0);  // half to even
  return {low + (up ? 1 : 0), 0, 0};
}

/// The sizes of one question; a missing depth is one cell.
struct GridSize {
  int64_t samples, channels;
  int axes;                           ///< 2 or 3
  int64_t cells[3], inputs, results;  ///< spatial, innermost first; of a channel
};
GridSize grid_size(const Operand& x, const Operand& grid);

/// Calls visit(cell, weight, slopes) for the 2^axes cells around the position at `grid` that are
/// there: weight is the product of shares, slopes[a] its derivative along axis a.
template <class Visit>
constexpr void for_each_corner(const GridRule& rule, const GridSize& s, const float* grid,
                               Visit visit) {
  Between at[3] = {};
  for (int a = 0; a < s.axes; ++a) at[a] = between(rule, grid[a], s.cells[a]);
  for (int corner = 0; corner < 1 << s.axes; ++corner) {
    int64_t cell = 0, stride = 1;
    float weight = 1, slopes[3] = {1, 1, 1};
    bool there = true;
    for (int a = 0; a < s.axes; ++a) {
      const bool high = (corner >> a & 1) != 0;
      const int64_t index = at[a].low + (high ? 1 : 0);
      const float share = high ? at[a].share : 1 - at[a].share;
      const float slope = high ? at[a].slope : -at[a].slope;
      there = there && index >= 0 && index < s.cells[a];
      weight *= share;
      for (int k = 0; k < s.axes; ++k) slopes[k] *= k == a ? slope : share;
      cell += index * stride;
      stride *= s.cells[a];
    }
    if (there) visit(cell, weight, slopes);
  }
}

void register_grid_sample_ops(Registry& registry);
void register_grid_sample_kernels(Registry& registry);
void register_grid_sample_reference(Registry& registry);

}  // namespace braid
