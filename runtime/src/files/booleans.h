// A bool of a file must be 0 or 1: any other byte, read as a bool, is undefined behaviour.
#pragma once
#include <algorithm>

#include <braid/runtime/array.h>

namespace braid {

inline bool has_bad_booleans(const Array& array) {
  return array.dtype == DType::boolean && std::any_of(array.bytes.begin(), array.bytes.end(),
                                                      [](std::byte b) { return b > std::byte{1}; });
}

}  // namespace braid
