// The parts of register_ops, each in its own file.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_ops(Registry&);
void register_arithmetic(Registry&);  ///< add, merge_sum
void register_arithmetic_references(Registry&);
void register_count(Registry&);  ///< count_elements: what losses divide by
void register_full(Registry&);   ///< full: a constant in every element
void register_pair(Registry&);   ///< pair: (sum, count) of losses and metrics

}  // namespace braid
