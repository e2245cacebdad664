#pragma once
#include <braid/core/registry.h>

namespace braid {

void register_accuracy(Registry&);

/// Among equal scores the first class is ahead; a NaN is ahead of everything, and nothing is ahead
/// of a class less than a NaN that it has itself.
template <class T>
constexpr bool ahead(T other, T own, bool stands_first) {
  return stands_first ? !(other < own) : !(other <= own);
}

}  // namespace braid
