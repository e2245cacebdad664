// Memory of one tensor with guards on both sides, for tests. Fresh memory holds NaNs, so that a
// kernel that leaves out an element is found.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <braid/core/kernel.h>

namespace braid::test {

using Numbers = std::vector<double>;

/// The upper half of a float, rounded to nearest even.
struct Bf16 {
  uint16_t bits;

  explicit Bf16(double v) {
    const auto u = std::bit_cast<uint32_t>(float(v));
    bits = std::isnan(v) ? 0x7fff : uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16);
  }
  operator double() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

class Tensor {
 public:
  explicit Tensor(Operand o)
      : operand(std::move(o)), bytes_(size_t(operand.bytes())), memory_(bytes_ + 3 * line, guard) {
    auto at = reinterpret_cast<uintptr_t>(memory_.data()) + line;
    offset_ = (at + line - 1) / line * line - reinterpret_cast<uintptr_t>(memory_.data());
    std::memset(data(), fresh, bytes_);
  }
  Tensor(const Tensor&) = delete;

  const Operand operand;

  void* data() { return memory_.data() + offset_; }
  const void* data() const { return memory_.data() + offset_; }
  size_t bytes() const { return bytes_; }
  void copy_from(const Tensor& other) {
    std::memcpy(data(), other.data(), std::min(bytes_, other.bytes_));
  }

  /// Nothing was written before or behind it.
  bool intact() const {
    auto untouched = [](unsigned char c) { return c == guard; };
    auto begin = memory_.begin() + ptrdiff_t(offset_), end = begin + ptrdiff_t(bytes_);
    return std::all_of(memory_.begin(), begin, untouched) &&
           std::all_of(end, memory_.end(), untouched);
  }

  /// Elements as numbers, in the order of memory.
  Numbers numbers() const {
    switch (operand.dtype) {
      case DType::f32:
        return read<float>();
      case DType::f64:
        return read<double>();
      case DType::bf16:
        return read<Bf16>();
      case DType::i64:
        return read<int64_t>();
      case DType::u8:
      case DType::boolean:
        return read<uint8_t>();
      default:
        throw std::runtime_error("no test needs this dtype yet");
    }
  }

  /// Takes numbers [first, first + elements).
  void assign(const Numbers& numbers, size_t first = 0) {
    switch (operand.dtype) {
      case DType::f32:
        return write<float>(numbers, first);
      case DType::f64:
        return write<double>(numbers, first);
      case DType::bf16:
        return write<Bf16>(numbers, first);
      case DType::i64:
        return write<int64_t>(numbers, first);
      case DType::u8:
      case DType::boolean:
        return write<uint8_t>(numbers, first);
      default:
        throw std::runtime_error("no test needs this dtype yet");
    }
  }

 private:
  static constexpr size_t line = 64;  // bytes: the alignment that kernels are promised
  static constexpr unsigned char fresh = 0xFF, guard = 0xA5;

  template <class T>
  Numbers read() const {
    auto* p = static_cast<const T*>(data());
    return Numbers(p, p + operand.storage());
  }
  template <class T>
  void write(const Numbers& numbers, size_t first) {
    auto* p = static_cast<T*>(data());
    for (int64_t i = 0; i < operand.storage(); ++i) p[i] = T(numbers.at(first + size_t(i)));
  }

  size_t bytes_, offset_ = 0;
  std::vector<unsigned char> memory_;
};

using TensorPtr = std::shared_ptr<Tensor>;

}  // namespace braid::test
