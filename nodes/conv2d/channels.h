// What convolutions ask of their input.
#pragma once
#include <braid/core/builder.h>

namespace braid {

/// The channels of the call's input. Throws a model error for an input that is no f32 image
/// (E0201), another `in_channels` (E0202), or `groups` that do not divide the channels (E0204).
int64_t checked_channels(Builder& b, const Call& call);

/// The same for an input x of any number of dimensions, which was looked at.
int64_t checked_channels(const Builder& b, const Call& call, const Shape& x);

}  // namespace braid
