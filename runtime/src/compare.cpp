#include "braid/runtime/compare.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace braid {
namespace {

// IEEE 754 binary16: 1 sign bit, 5 of exponent with bias 15, 10 of fraction.
double from_half(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  double value = exponent == 31  ? (fraction ? std::numeric_limits<double>::quiet_NaN()
                                             : std::numeric_limits<double>::infinity())
                 : exponent == 0 ? std::ldexp(fraction, -24)
                                 : std::ldexp(1024 + fraction, exponent - 25);
  return h >> 15 ? -value : value;
}

// The upper half of an f32.
double from_bf16(uint16_t h) { return std::bit_cast<float>(uint32_t(h) << 16); }

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

double value_of(DType dtype, const std::byte* from) {
  switch (dtype) {
    case DType::f32:
      return load<float>(from);
    case DType::f64:
      return load<double>(from);
    case DType::f16:
      return from_half(load<uint16_t>(from));
    case DType::bf16:
      return from_bf16(load<uint16_t>(from));
    case DType::i64:
      return double(load<int64_t>(from));
    case DType::i32:
      return load<int32_t>(from);
    case DType::u8:
    case DType::boolean:
      return load<uint8_t>(from);
  }
  bug("a dtype without values");
}

double distance(double a, double b) {
  if (std::isnan(a) && std::isnan(b)) return 0;
  const double d = a == b ? 0 : std::abs(a - b);  // inf - inf is no number
  return std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
}

std::vector<int64_t> position(int64_t index, const std::vector<int64_t>& dims) {
  std::vector<int64_t> at(dims.size());
  for (size_t k = dims.size(); k-- > 0; index /= dims[k]) at[k] = index % dims[k];
  return at;
}

TensorDifference compare_values(const std::string& name, const Array& a, const Array& b) {
  TensorDifference d{.name = name, .elements = a.elements()};
  const size_t size = size_of(a.dtype);
  double scale = 0;
  for (int64_t i = 0; i < d.elements; ++i) {
    const std::byte *from = a.bytes.data() + size_t(i) * size,
                    *to = b.bytes.data() + size_t(i) * size;
    const double y = value_of(b.dtype, to);
    if (!std::isnan(y)) scale = std::max(scale, std::abs(y));
    if (std::memcmp(from, to, size) == 0) continue;
    const double x = value_of(a.dtype, from);
    if (d.different++ == 0) d.at = position(i, a.dims), d.a = x, d.b = y;
    d.largest = std::max(d.largest, distance(x, y));
  }
  d.relative = d.largest == 0          ? 0
               : scale == 0            ? std::numeric_limits<double>::infinity()
               : std::isinf(d.largest) ? d.largest
                                       : d.largest / scale;
  return d;
}

}  // namespace

std::vector<TensorDifference> differences(const std::map<std::string, Array>& a,
                                          const std::map<std::string, Array>& b) {
  using Kind = TensorDifference::Kind;
  std::vector<TensorDifference> found;
  for (auto& [name, first] : a) {
    auto other = b.find(name);
    if (other == b.end())
      found.push_back({.name = name, .kind = Kind::only_first, .first = to_string(first)});
    else if (auto& second = other->second; first.dtype != second.dtype || first.dims != second.dims)
      found.push_back({.name = name,
                       .kind = Kind::type,
                       .first = to_string(first),
                       .second = to_string(second)});
    else if (first.bytes != second.bytes)
      found.push_back(compare_values(name, first, second));
  }
  for (auto& [name, second] : b)
    if (!a.contains(name))
      found.push_back({.name = name, .kind = Kind::only_second, .second = to_string(second)});
  std::ranges::sort(found, {}, &TensorDifference::name);
  return found;
}

}  // namespace braid
