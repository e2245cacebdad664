// "dropout" (x) drops elements and scales the rest up; its gradient is the same operation on g, so
// that no mask has to be kept: which elements fall is a function of seed, step, layer, sample and
// the element's logical index.
#pragma once
#include <braid/core/random.h>
#include <braid/core/registry.h>

namespace braid {

void register_dropout(Registry&);
void register_dropout_references(Registry&);

/// What decides whether an element falls.
struct DropoutRule {
  uint64_t name;      ///< hash of the layer's path
  uint64_t below;     ///< of 53 random bits: those below fall
  double scale;       ///< of those that stay
  int64_t rows_each;  ///< rows of dim 0 that one sample has; 0 = the value has no batch
  int64_t features;   ///< elements of one row

  DropoutRule(const Dict& attrs, const Operand& x);

  constexpr uint64_t key(const Scalars& s) const {
    return random_key(s.seed, uint64_t(s.step), name);
  }
  /// Logical index of the slice's first element within the whole batch.
  constexpr int64_t first(int64_t first_sample) const {
    return first_sample * rows_each * features;
  }
  constexpr bool falls(uint64_t key, int64_t index) const {
    return (random_bits(key, uint64_t(index)) >> 11) < below;
  }
};

}  // namespace braid
