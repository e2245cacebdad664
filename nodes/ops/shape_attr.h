// Shapes as attributes of operations and as users type them.
#pragma once
#include <optional>

#include <braid/core/attr.h>
#include <braid/core/type.h>

namespace braid {

/// A constant is a number, k·N is a text as in messages: [N, 3] is ["N", 3].
Attr to_attr(const Shape& shape);

/// One dimension: a number, "N", or "16*N"; nothing when it is something else.
std::optional<Dim> parse_dim(const Attr& attr);

/// A shape that to_attr made.
Shape shape_of(const Attr& attr);

}  // namespace braid
