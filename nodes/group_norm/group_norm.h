// Three operations: "group_norm" (x[, weight, bias] -> y and, by sample, mean and 1/deviation of
// each group), "group_norm_grad" (g, x, those[, weight] -> dx and, by sample, the sums of g and g·x̂
// of each channel) and "group_norm_sums" (these summed over samples). Only the last crosses
// samples.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_group_norm(Registry&);

}  // namespace braid
