// The operations of Conv2d:
//   conv2d              x, w[, b]  -> y
//   conv2d_grad_input   g, w       -> dx         attribute input_size: [H, W]
//   conv2d_grad_weight  x, g       -> dw[, db]   attributes kernel_size: [h, w], bias: bool
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_conv2d_ops(Registry& registry);
void register_conv2d_kernels(Registry& registry);
void register_conv2d_reference(Registry& registry);

/// What oneDNN offers for conv2d_grad_input, for layers that are the transpose of a convolution.
/// To be called inside a onednn::Guard.
std::optional<Offer> conv2d_grad_input_offer(const Signature& signature);

}  // namespace braid
