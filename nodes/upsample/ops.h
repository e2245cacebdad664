// The operations of Upsample. Both carry the same attributes: mode ("nearest" or "bilinear"),
// align_corners, image_size: [H, W], output_size: [H', W'], and, where it was given, factor: [h,
// w].
//   upsample       x -> y
//   upsample_grad  g -> dx
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_upsample_ops(Registry& registry);
void register_upsample_kernels(Registry& registry);
void register_upsample_reference(Registry& registry);

}  // namespace braid
