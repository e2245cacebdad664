// A scene and what is painted on it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dice.h"
#include "garment.h"

namespace garments {

constexpr int side = 96;  // of a scene, in pixels

struct Scene {
  std::vector<Color> canvas = std::vector<Color>(side * side);
  std::vector<uint8_t> mask = std::vector<uint8_t>(side * side, 0);

  template <class F>
  void each(F&& f) {
    each_near(side / 2, side / 2, side, side, f);
  }

  /// The pixels that are at most `rx`, `ry` from a point.
  template <class F>
  void each_near(double cx, double cy, double rx, double ry, F&& f) {
    int right = std::min(int(cx + rx) + 2, side), below = std::min(int(cy + ry) + 2, side);
    for (int y = std::max(int(cy - ry) - 1, 0); y < below; ++y) {
      for (int x = std::max(int(cx - rx) - 1, 0); x < right; ++x) f(x, y, size_t(y * side + x));
    }
  }
};

void paint_ground(Scene& scene, Dice& dice);

/// A rectangle or an ellipse, plain, striped or textured.
void paint_shape(Scene& scene, Dice& dice);

/// Writes `label` where the garment is solid and 255 along its edge; 0 paints without a trace in
/// the mask, as if it were the ground.
void paint_garment(Scene& scene, const Garment& garment, uint8_t label, Dice& dice);

/// Light from one side, and a sensor's noise: RGB, [96, 96, 3].
std::vector<uint8_t> photograph(Scene& scene, Dice& dice);

}  // namespace garments
