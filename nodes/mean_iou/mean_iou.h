#pragma once
#include <span>

#include <braid/core/registry.h>

namespace braid {

void register_mean_iou(Registry&);

/// From [3, C] counts (intersections, predicted, targets): the mean over classes that occur.
double mean_iou(std::span<const double> counts);

/// Whether a class's score takes the lead from `most`, that of an earlier one: the first of equal
/// scores keeps it, and a NaN is above all.
template <class T>
constexpr bool leads(T own, T most) {
  return own > most || (own != own && most == most);
}

}  // namespace braid
