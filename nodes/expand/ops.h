// The operation of Expand, which is the gradient of sums too.
//   expand  x[, like] -> y   attribute shape: y's, of x's rank; where x has 1 cell it is repeated
// With N in the shape and not in x there is a `like`, a value that has N: the slices are its own.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_expand_ops(Registry& registry);
void register_expand_kernels(Registry& registry);
void register_expand_reference(Registry& registry);

/// x repeated to `shape`, which may have more dimensions in front; x itself where it fits.
int expand(Builder& b, int x, const Shape& shape, int like = -1);

/// The gradient of x expanded to the shape of g.
int expand_gradient(Builder& b, int x, int g);

}  // namespace braid
