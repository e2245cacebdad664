// The operation of Expand, which is the gradient of sums too.
//   expand  x -> y   attribute shape: y's, of x's rank; where x has 1 cell its value is repeated
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_expand_ops(Registry& registry);
void register_expand_kernels(Registry& registry);
void register_expand_reference(Registry& registry);

/// The gradient of x expanded to the shape of g.
int expand_gradient(Builder& b, int x, int g);

}  // namespace braid
