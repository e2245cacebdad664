// One picture of bytes, and what is done to it between its file and a batch.
//
// The arithmetic is Pillow's (9.4), with which torchvision works on images of bytes, so that a
// network sees here what it was trained on there: equal bytes, which tests/runtime/transforms
// holds against Pillow's own.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace braid {

/// A part of a picture, in pixels.
struct Box {
  int64_t top = 0, left = 0, height = 0, width = 0;
};

struct Pixels {
  int64_t planes = 0, height = 0, width = 0;
  std::vector<uint8_t> values = {};  ///< [planes, height, width]
  /// [height, width]: 0 where there is no picture but what lies around it; empty = all picture.
  std::vector<uint8_t> inside = {};

  int64_t in_plane() const { return height * width; }
};

/// The part of a picture, which may reach over its edges.
Pixels cut(std::span<const uint8_t> values, int64_t planes, int64_t height, int64_t width,
           const Box& box);

/// Scaled to another size. Bilinear over as many pixels as one of the result covers (Pillow's
/// BILINEAR, torchvision's antialias); with `nearest` the pixel in the middle: for classes.
Pixels resized(const Pixels& from, int64_t height, int64_t width, bool nearest);

void flip_horizontally(Pixels& pixels);  ///< left and right
void flip_vertically(Pixels& pixels);    ///< top and bottom

/// Turned counter-clockwise around the middle, in degrees; the size stays, and each pixel is the
/// nearest of those before (torchvision's default).
Pixels rotated(const Pixels& from, double degrees);

/// What ColorJitter does: factors of brightness, contrast and saturation, a shift of hue in turns,
/// and the order of the four (0 brightness, 1 contrast, 2 saturation, 3 hue).
struct Jitter {
  double brightness = 1, contrast = 1, saturation = 1, hue = 0;
  std::array<int, 4> order = {0, 1, 2, 3};
};

/// Of a picture with one plane or three: red, green, blue. Means are over what is picture.
void jitter(Pixels& pixels, const Jitter& by);

}  // namespace braid
