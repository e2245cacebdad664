// What losses and metrics over class indices share.
#pragma once
#include <vector>

#include <braid/core/layer.h>

#include "ops/view.h"

namespace braid {

/// Checks the two inputs of such a layer: f32 [N, C, d1, ...] and i64 [N, d1, ...] (E0234).
void require_classes_and_target(const Builder& b, const Call& call);

/// Calls f(target, first, sample) for each point: the index of its target, and where in memory the
/// score of class c stands, at first + offsets[c].
template <class F>
void each_target(const View& v, const F& f) {
  for (int64_t n = 0; n < v.samples; ++n)
    for (int64_t p = 0; p < v.points; ++p) f(n * v.points + p, n * v.sample() + p * v.group, n);
}
std::vector<int64_t> class_offsets(const View& v);

/// Throws E0420: a label outside the classes is the data's fault.
[[noreturn]] void label_outside(int64_t label, int64_t classes, int64_t sample);

}  // namespace braid
