#pragma once
#include <braid/core/graph.h>

namespace braid {

/// The operand that a value is in a slice of `n` samples, in the value's format.
inline Operand operand_of(const Value& value, int64_t n) {
  return {value.type.dtype, value.type.dims(n), value.format};
}

}  // namespace braid
