#include "finite.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace braid {
namespace {

// All bits of the exponent are set. Without branches within a block, so that it becomes vectors.
template <class Bits, Bits kExponent, class T>
int64_t first_of(const T* p, int64_t count) {
  constexpr int64_t block = 256;
  for (int64_t from = 0; from < count; from += block) {
    const int64_t end = std::min(count, from + block);
    Bits found = 0;
    for (int64_t i = from; i < end; ++i)
      found |= Bits((std::bit_cast<Bits>(p[i]) & kExponent) == kExponent);
    for (int64_t i = from; found && i < end; ++i)
      if (!std::isfinite(p[i])) return i;
  }
  return -1;
}

template <class T>
std::string counts(const T* p, int64_t count) {
  const auto nan = std::count_if(p, p + count, [](T v) { return std::isnan(v); });
  const auto infinite = std::count_if(p, p + count, [](T v) { return std::isinf(v); });
  std::string text = nan ? std::to_string(nan) + " NaN" : "";
  if (infinite) text += (nan ? ", " : "") + std::to_string(infinite) + " infinite";
  return text;
}

}  // namespace

int64_t first_not_finite(const void* data, DType dtype, int64_t count) {
  if (dtype == DType::f32)
    return first_of<uint32_t, 0x7f800000>(static_cast<const float*>(data), count);
  if (dtype == DType::f64)
    return first_of<uint64_t, 0x7ff0000000000000>(static_cast<const double*>(data), count);
  return -1;
}

bool all_finite(const void* data, DType dtype, int64_t count) {
  return first_not_finite(data, dtype, count) < 0;
}

std::string what_is_not_finite(const void* data, DType dtype, int64_t count) {
  if (dtype == DType::f32) return counts(static_cast<const float*>(data), count);
  if (dtype == DType::f64) return counts(static_cast<const double*>(data), count);
  return {};
}

}  // namespace braid
