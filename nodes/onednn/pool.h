// Pooling through oneDNN, for the layers that pool. Formats follow the image's.
#pragma once
#include "onednn/kernel.h"

namespace braid::onednn {

struct PoolQuestion {
  dnnl::algorithm algorithm;
  Operand image, pooled;
  Dims kernel, stride, dilation, begin, end;  ///< begin, end: padding; dilation 1 = dense
};

/// x -> y, or x -> y, index (the place of the maximum in its window) when `indices`.
std::optional<Offer> pool(const PoolQuestion& question, bool indices);

/// g -> dx, or g, index -> dx.
std::optional<Offer> pool_gradient(const PoolQuestion& question, bool indices);

}  // namespace braid::onednn
