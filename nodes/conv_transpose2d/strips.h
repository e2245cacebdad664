// Sums and additions per channel over an image in memory. A strip is the memory of one sample and
// one group of channels; within it the channels of the group alternate.
#pragma once
#include <optional>

#include <braid/core/kernel.h>

namespace braid {

struct Strips {
  int64_t samples, channels, points;
  int64_t lanes;  ///< channels of a group: 1 in plain memory, 8 or 16 in blocks, all in "acdb"

  static constexpr int64_t row = 16;  ///< channel_sum keeps so many sums side by side

  int64_t groups() const { return (channels + lanes - 1) / lanes; }
  int64_t length() const { return points * lanes; }  ///< floats of a strip
};

/// Nothing for formats that do not come apart this way.
std::optional<Strips> strips_of(const Operand& image);

/// y += bias of each channel; padded channels stay zero.
void add_bias(const Strips& strips, const float* bias, float* y);

/// sums[c] = sum of channel c. In short chains of f32, then f64, in an order that follows from the
/// shape and format alone. Lanes are 1, 8 or 16. `workspace` holds channel_sum_workspace bytes.
void channel_sum(const Strips& strips, const float* g, float* sums, void* workspace);
int64_t channel_sum_workspace(const Strips& strips);

}  // namespace braid
