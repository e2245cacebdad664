// The operation of Pad; with padding below 0 it cuts off, and so is its own transpose. The gradient
// of Slice is one too.
//   pad  x -> y   attributes before: cells in front of each dimension, shape: y's, value
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_pad_ops(Registry& registry);
void register_pad_kernels(Registry& registry);
void register_pad_reference(Registry& registry);

/// x between `before` and as many cells of `value` as `shape` asks for.
int pad(Builder& b, int x, const std::vector<int64_t>& before, const Shape& shape, double value);

}  // namespace braid
