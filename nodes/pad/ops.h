// The operations of Pad; with padding below 0 it cuts off, and so is its own transpose.
//   pad       x -> y   attributes before: cells in front of each dimension, shape: y's, value
//   pad_grad  g -> dx  the same with zeros: linear, which makes it the gradient of Slice too
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_pad_ops(Registry& registry);
void register_pad_kernels(Registry& registry);
void register_pad_reference(Registry& registry);

/// x between `before` and as many cells of `value` as `shape` asks for.
int pad(Builder& b, int x, const std::vector<int64_t>& before, const Shape& shape, double value);
int pad_gradient(Builder& b, int g, const std::vector<int64_t>& before, const Shape& shape);

}  // namespace braid
