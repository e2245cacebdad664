// The sizes of a 2-d convolution, read from an operation's attributes and operands. All three
// operations of Conv2d (conv2d, conv2d_grad_input, conv2d_grad_weight) speak of the same ones.
//
//   stride, dilation: [h, w];  padding: [top, left, bottom, right];  groups
#pragma once
#include <array>
#include <span>

#include <braid/core/kernel.h>

namespace braid {

struct ConvWindow {
  std::array<int64_t, 2> stride, dilation, begin, end;  ///< begin, end: padding
  int64_t groups;

  /// Output size along spatial dimension d; less than 1 when the kernel does not fit.
  int64_t output(int d, int64_t input, int64_t kernel) const {
    int64_t reach = dilation[d] * (kernel - 1) + 1, room = input + begin[d] + end[d] - reach;
    return room < 0 ? 0 : room / stride[d] + 1;
  }
};
ConvWindow conv_window(const Dict& attrs);

struct ConvSize : ConvWindow {
  int64_t images, in_channels, out_channels;
  std::array<int64_t, 2> input, kernel, result;  ///< spatial sizes

  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
};
/// x is [N, in, H, W], w [out, in / groups, h, w], y [N, out, H', W'].
ConvSize conv_size(const Dict& attrs, const Operand& x, const Operand& w, const Operand& y);

}  // namespace braid
