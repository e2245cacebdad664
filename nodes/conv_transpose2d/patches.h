// The transposed convolution whose windows do not overlap, on images and weights in blocks.
#pragma once
#include <braid/core/kernel.h>

namespace braid {

struct Patches {
  int64_t samples, in_groups, out_groups, out;  ///< groups of channels; channels of the result
  int64_t height, width, kernel_h, kernel_w;  ///< of the input; of the kernel, which is the stride
};

/// For conv_transpose2d; nothing where windows overlap, or where blocks would be mostly padding.
std::optional<Offer> patches_offer(const Signature& signature, const DeviceTraits& traits);

}  // namespace braid
