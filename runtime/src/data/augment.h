// What training sees of a stored picture, this time: a part of it, flipped, turned, recolored.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include <braid/core/mark.h>

#include "data/pixels.h"

namespace braid {

using Range = std::array<double, 2>;

/// torchvision's RandomResizedCrop: its share of the area, and width / height.
struct ResizedCropSpec {
  Range scale = {0.08, 1}, ratio = {3.0 / 4, 4.0 / 3};
};

/// torchvision's ColorJitter, as ranges of what it draws.
struct JitterSpec {
  Range brightness = {1, 1}, contrast = {1, 1}, saturation = {1, 1}, hue = {0, 0};
};

/// What was declared: `augment: {crop: [h, w], padding: p, flip: both}`.
struct AugmentSpec {
  std::optional<std::array<int64_t, 2>> crop = {};  ///< height, width
  int64_t padding = 0;                              ///< on each side, before the crop
  bool mirror = false, upset = false;               ///< left and right; top and bottom
  double flip_p = 0.5;                              ///< how likely each of the two is
  std::optional<ResizedCropSpec> resized_crop = {};
  Range rotate = {0, 0};  ///< degrees
  std::optional<JitterSpec> jitter = {};
  Mark mark = {};

  bool rotates() const { return rotate != Range{0, 0}; }
  /// Whether more than the choice of pixels is drawn: for pictures of bytes alone.
  bool needs_bytes() const { return resized_crop || rotates() || jitter; }
  bool any() const { return crop || mirror || upset || needs_bytes(); }
  /// Whether pictures may have other sizes than their input.
  bool cuts() const { return crop || resized_crop; }
};

struct Placement {
  int64_t top = 0, left = 0;  ///< of the part in what is stored; below 0 in the padding
  bool mirror = false, upset = false;
};

/// The middle of the stored picture, unflipped; an odd rest leaves one more pixel below and right.
Placement middle(const AugmentSpec& spec, int64_t height, int64_t width);

/// A pure function of its arguments: the same for all inputs of the sample, in any order, batch
/// and thread. `key` is of (seed, epoch).
Placement drawn(const AugmentSpec& spec, int64_t height, int64_t width, uint64_t key,
                int64_t sample);

/// The part that a resized crop scales, in the middle: as much as `ratio` allows.
Box middle_part(const ResizedCropSpec& spec, int64_t height, int64_t width);
/// The part by RandomResizedCrop's law: ten tries, then the middle. `key` is of (seed, epoch).
Box drawn_part(const ResizedCropSpec& spec, int64_t height, int64_t width, uint64_t key,
               int64_t sample);
double drawn_degrees(const AugmentSpec& spec, uint64_t key, int64_t sample);
Jitter drawn_jitter(const JitterSpec& spec, uint64_t key, int64_t sample);

}  // namespace braid
