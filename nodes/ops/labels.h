// What losses and metrics over class indices share.
#pragma once
#include <braid/core/layer.h>

namespace braid {

/// Checks the two inputs of such a layer: f32 [N, C, d1, ...] and i64 [N, d1, ...] (E0234).
void require_classes_and_target(const Builder& b, const Call& call);

/// Throws E0420: a label outside the classes is the data's fault.
[[noreturn]] void label_outside(int64_t label, int64_t classes, int64_t sample);

}  // namespace braid
