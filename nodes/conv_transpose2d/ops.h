// The operations of ConvTranspose2d. It is the transpose of a convolution, so the gradients of x
// and w are a convolution's own: conv2d(g, w) and conv2d_grad_weight(g, x).
//   conv_transpose2d            x, w[, b]  -> y    attributes of conv2d and output_size: [H, W]
//   conv_transpose2d_grad_bias  g          -> db
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_conv_transpose2d_ops(Registry& registry);
void register_conv_transpose2d_kernels(Registry& registry);
void register_conv_transpose2d_reference(Registry& registry);

}  // namespace braid
