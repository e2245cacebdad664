// Crops and flips: which part of a stored picture a sample is, this time.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include <braid/core/mark.h>

namespace braid {

/// What was declared: `augment: {crop: [h, w], padding: p, flip: both}`.
struct AugmentSpec {
  std::optional<std::array<int64_t, 2>> crop = {};  ///< height, width
  int64_t padding = 0;                              ///< on each side, before the crop
  bool mirror = false;                              ///< left and right, half of the time
  bool upset = false;                               ///< top and bottom, half of the time
  Mark mark = {};
  bool any() const { return crop || mirror || upset; }
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

}  // namespace braid
