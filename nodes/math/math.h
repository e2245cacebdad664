// Operations of Math:
//   math(inputs...)   `program` on every element, inputs broadcast to one shape
//   sum_to(g)         the sum of what one input's elements were broadcast to, to `shape`
#pragma once
#include <optional>

#include <braid/core/registry.h>

#include "math/program.h"

namespace braid {

void register_math(Registry&);
void register_math_operations(Registry&);
void register_math_references(Registry&);

namespace math {

/// The shape that all are broadcast to, or nothing. N stays dimension 0.
std::optional<Shape> broadcast(std::span<const Type> types);

// ---- for layers that are an expression ----

/// The inputs of the call are f32 (E0230) and fit each other (E0203).
void require_fit(const Builder& b, const Call& c);
/// `program` of values, of which it need not read all.
int evaluate(Builder& b, Program program, const std::vector<int>& values);
/// The gradient of `value`, which was broadcast to what `whole` is the gradient of.
int sum_to(Builder& b, int whole, int value);

}  // namespace math
}  // namespace braid
