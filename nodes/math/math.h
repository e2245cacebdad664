// Operations of Math:
//   math(inputs...)   `program` on every element, inputs broadcast to one shape
//   sum_to(g)         the sum of what one input's elements were broadcast to, to `shape`
#pragma once
#include <optional>

#include <braid/core/registry.h>

namespace braid {

void register_math(Registry&);
void register_math_operations(Registry&);
void register_math_references(Registry&);

namespace math {

/// The shape that all are broadcast to, or nothing. N stays dimension 0.
std::optional<Shape> broadcast(std::span<const Type> types);

}  // namespace math
}  // namespace braid
