// The operations of Conv3d; stride, padding and dilation are lists of three, and groups a number:
//   conv3d              x, w[, b]  -> y
//   conv3d_grad_input   g, w       -> dx         attribute input_size: [D, H, W]
//   conv3d_grad_weight  x, g       -> dw[, db]   attributes kernel_size: [d, h, w], bias: bool
#pragma once
#include <array>

#include <braid/core/registry.h>

namespace braid {

using Three = std::array<int64_t, 3>;

struct Conv3dSize {
  Three stride, padding, dilation;
  int64_t groups;
  int64_t volumes = 0, in_channels = 0, out_channels = 0;
  Three input = {}, kernel = {}, result = {};  ///< spatial sizes

  constexpr int64_t group_in() const { return in_channels / groups; }
  constexpr int64_t group_out() const { return out_channels / groups; }
  int64_t reach(size_t d) const { return dilation[d] * (kernel[d] - 1) + 1; }
  /// Of the result along d; less than 1 when the kernel does not fit.
  int64_t output(size_t d) const {
    const int64_t room = input[d] + 2 * padding[d] - reach(d);
    return room < 0 ? 0 : room / stride[d] + 1;
  }
};
/// The attributes alone.
Conv3dSize conv3d_size(const Dict& attrs);
/// x is [N, in, D, H, W], w [out, in / groups, d, h, w], y [N, out, D', H', W'].
Conv3dSize conv3d_size(const Dict& attrs, const Operand& x, const Operand& w, const Operand& y);

void register_conv3d_ops(Registry& registry);
void register_conv3d_kernels(Registry& registry);
void register_conv3d_reference(Registry& registry);

}  // namespace braid
