// View: an activation as samples, channels and the points of one image, and how they lie in memory:
// what kernels see that work in plain and in channel-blocked formats alike. A slice is the memory
// of one sample and one group of channels; within it the channels of the group alternate.
//
//   plain NCHW    group 1:  slice = the image of one channel
//   nChw16c       group 16: slice = points times 16 channels, side by side
//   plain (N, C)  one row a sample: `rows()`
#pragma once
#include <cstdint>

#include <braid/core/kernel.h>

namespace braid {

struct View {
  int64_t samples = 0, channels = 0, points = 1;
  int64_t group = 1;

  bool rows() const { return points == 1 && group == 1; }
  int64_t groups() const { return (channels + group - 1) / group; }
  int64_t padded() const { return groups() * group; }
  int64_t slice() const { return points * group; }       ///< floats of one slice
  int64_t sample() const { return groups() * slice(); }  ///< floats of one sample
  int64_t floats() const { return samples * sample(); }  ///< of the whole tensor, padding too
  int64_t count() const { return samples * points; }     ///< values per channel
  int64_t at(int64_t n, int64_t c, int64_t p) const {
    return n * sample() + c / group * slice() + p * group + c % group;
  }
};

inline View view_of(const Operand& x) {
  View v{.samples = x.dim(0), .channels = x.dim(1), .group = channel_block(x.format)};
  for (size_t i = 2; i < x.dims.size(); ++i) v.points *= x.dims[i];
  return v;
}

}  // namespace braid
