// Sums over an image's points and over a matrix's rows, in f64, and the bias that is added where
// such a sum is the gradient. A sum goes by tiles that follow from the shape alone: each is summed
// by one block, and the tiles' sums are added in their order.
#pragma once
#include <braid/core/kernel.h>

namespace braid::cuda {

/// A plain tensor [samples, channels, points]; with one point a matrix whose columns are summed.
struct Channels {
  int64_t samples, channels, points;
};
inline Channels channels_of(const Operand& image) {
  Channels c{image.dim(0), image.dim(1), 1};
  for (size_t i = 2; i < image.dims.size(); ++i) c.points *= image.dim(i);
  return c;
}
/// Every leading dimension is rows.
inline Channels columns_of(const Operand& matrix) {
  const int64_t columns = matrix.dims.back();
  return {matrix.elements() / columns, columns, 1};
}

struct ChannelSum {
  Channels size;
  const float* x;
  float* sums;  ///< [channels]
};
int64_t sum_workspace(const Channels& size);  ///< bytes, of one part
/// All parts at once; `workspace` holds the parts' one after another.
void sum_channels(Queue* queue, std::span<const ChannelSum> parts, void* workspace);

/// The launch of an operation that makes the sums [channels] of its input, whose size `of` tells.
Launch sum_launch(std::span<const Signature> parts, Channels (*of)(const Operand&));

/// y[n, c, p] += bias[c]
void add_bias(Queue* queue, const Channels& size, const float* bias, float* y);

}  // namespace braid::cuda
