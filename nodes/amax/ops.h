// The operations of Max and Min:
//   amax  x -> y   attribute dims: those that are gone over, of which y has one cell each
//   amin  x -> y
// A NaN wins.
#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_amax(Registry& registry);
void register_amax_ops(Registry& registry);
void register_amax_kernels(Registry& registry);
void register_amax_reference(Registry& registry);

/// `op` is "amax" or "amin".
int extreme(Builder& b, const char* op, int x, const std::vector<size_t>& dims);

}  // namespace braid
