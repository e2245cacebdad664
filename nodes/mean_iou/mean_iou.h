#pragma once
#include <span>

#include <braid/core/registry.h>

namespace braid {

void register_mean_iou(Registry&);

/// From [3, C] counts (intersections, predicted, targets): the mean over classes that occur.
double mean_iou(std::span<const double> counts);

}  // namespace braid
