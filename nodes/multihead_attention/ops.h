// The operation of MultiheadAttention that no other layer has:
//   scaled_scores  x[, mask] -> y   attributes scale, masked: y = x * scale, `masked` where the
//                                   key's mask is true; x is [N, ..., S], mask bool [N, S]
#pragma once
#include <braid/core/registry.h>

namespace braid {

/// What a masked score is: its exponential is 0 beside any other, and it is no infinity.
constexpr double kMaskedScore = -1e30;

/// x as [samples, rows, keys].
struct ScoreSize {
  int64_t samples, rows, keys;
};
ScoreSize score_size(const Operand& x);

void register_scaled_scores(Registry& registry);
void register_scaled_scores_reference(Registry& registry);

}  // namespace braid
