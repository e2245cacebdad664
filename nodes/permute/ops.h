// Dimensions in another order, for layers that need them so: a `sum` of one operand that sums over
// nothing (einsum/ops.h).
#pragma once
#include <braid/core/registry.h>

namespace braid {

/// y, whose dimension d is dimension order[d] of x. f32, at most 12 dimensions; N stays first.
int permute(Builder& b, int x, const std::vector<size_t>& order);

}  // namespace braid
