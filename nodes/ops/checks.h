// Checks that layers make on their inputs; each throws a model error at the layer's mark.
#pragma once
#include <braid/core/layer.h>

namespace braid {

/// The input's port name, for messages: "input", or "input 2" of a variadic port.
std::string port_name(const Call& call, size_t input);

/// Input `input` is f32 (E0230).
void require_f32(const Builder& b, const Call& call, size_t input);
/// Input `input` is of class indices, i64 (E0230).
void require_i64(const Builder& b, const Call& call, size_t input);

/// What to do about two images that should have the same sizes.
std::string how_to_match(const Shape& a, const Shape& b);

/// `dim` counted from the front (-1 is the last) when it exists (E0231) and is no batch dimension
/// (E0232): an operation over that would mix samples of different replicas.
size_t resolve_dim(const Builder& b, const Type& type, int64_t dim);

/// The parameter `dim` of a layer that works over several dimensions of its input: the same of
/// each, and none twice (E0231).
std::vector<size_t> resolve_dims(const Builder& b, const Call& call);
/// The shape of a result over them: 1 in their place, or they are gone.
Shape reduced(const Shape& shape, const std::vector<size_t>& dims, bool keepdim);

}  // namespace braid
