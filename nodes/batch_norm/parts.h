// What the files of this folder register, one function each.
#pragma once
#include <braid/core/registry.h>

namespace braid::batch_norm {

void register_ops(Registry& registry);         // ops.cpp
void register_kernels(Registry& registry);     // kernels.cpp: passes over activations
void register_statistics(Registry& registry);  // statistics.cpp: per-channel arithmetic
void register_weights(Registry& registry);     // weights.cpp: masks
void register_reference(Registry& registry);   // batch_norm_ref.cpp

/// As an alias (see Offer): the last input, what normalize_add adds. Backward needs x again.
constexpr int kLastInput = -2;

/// Throws (E0410, E0411) when a channel's statistics come from a single value or from none: a
/// count, or a sum of weights, of at most 1.
void require_spread(const double* moments);

/// The mask of a layer fits its input (E0270) and holds what can be weights (E0271).
void check_mask(const Builder& builder, const Call& call);

}  // namespace braid::batch_norm
