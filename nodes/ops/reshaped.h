// Another shape for the same cells in the same order.
#pragma once
#include <braid/core/builder.h>

namespace braid {

/// `value` under `shape`; itself where that is its shape already.
int reshaped(Builder& b, int value, const Shape& shape);

}  // namespace braid
