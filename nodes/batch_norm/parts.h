// What the files of this folder register, one function each.
#pragma once
#include <braid/core/registry.h>

namespace braid::batch_norm {

void register_ops(Registry& registry);         // ops.cpp
void register_kernels(Registry& registry);     // kernels.cpp: passes over activations
void register_statistics(Registry& registry);  // statistics.cpp: per-channel arithmetic
void register_reference(Registry& registry);   // batch_norm_ref.cpp

/// Throws when a channel's statistics come from a single value.
void require_spread(const double* moments);

}  // namespace braid::batch_norm
