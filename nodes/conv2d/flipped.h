// The gradient of a convolution's input as a convolution of the result's gradient, with the weight
// turned around: in and out change places, rows and columns run backwards. oneDNN's forward kernels
// are faster than its backward ones where the input has few channels (16 channels of 96x96, 3x3:
// 410 us instead of 540), and a small weight is soon turned around.
#pragma once
#include <braid/core/kernel.h>

namespace braid {

/// For conv2d_grad_input; nothing where it would not pay. To be called inside a onednn::Guard.
std::optional<Offer> flipped_offer(const Signature& signature);

}  // namespace braid
