// Where two sets of named tensors differ, and by how much.
//
//   TensorFile a = read_safetensors("a.safetensors"), b = read_safetensors("b.safetensors");
//   for (auto& d : differences(a.tensors, b.tensors))
//     fmt::print("{}: {} of {} elements, {:.1e} of the largest\n", d.name, d.different, d.elements,
//                d.relative);
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <braid/runtime/array.h>

namespace braid {

struct TensorDifference {
  enum class Kind { only_first, only_second, type, values };

  std::string name;
  Kind kind = Kind::values;
  std::string first = {}, second = {};  ///< of `type`: dtype and sizes of each

  // Of `values`.
  int64_t elements = 0, different = 0;  ///< by their bits
  double largest = 0;                   ///< max |a - b|; infinite where one alone is no number
  double relative = 0;                  ///< largest / max |b|; infinite where b is all zeros
  std::vector<int64_t> at = {};         ///< the first element that differs
  double a = 0, b = 0;                  ///< its values
};

/// Of all tensors that are not the same bit for bit, in the order of their names. NaNs of equal
/// bits are the same, 0 and -0 are not (their `largest` is 0).
std::vector<TensorDifference> differences(const std::map<std::string, Array>& a,
                                          const std::map<std::string, Array>& b);

}  // namespace braid
