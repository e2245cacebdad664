// Shapes as they are typed: `[N, 3, 224, 224]`, `16*N`, and `_` in an `expect:`.
#pragma once
#include <optional>
#include <vector>

#include <braid/core/model.h>

#include "values.h"

namespace braid::dsl {

/// N only in dimension 0; `_` only where `any` allows it. The shapes of inputs bring in free
/// dimensions; an `expect` (`any`) knows those alone.
std::optional<std::vector<ExpectDim>> read_dims(const Env& env, const Node& node, bool any);

/// `L`, `HEIGHT`: what may name a free dimension.
bool is_free_name(const std::string& text);

/// The shape of an input: every dimension is known and at least 1.
std::optional<Shape> read_shape(const Env& env, const Node& node);

}  // namespace braid::dsl
