// Types of values: a dtype and a shape whose dimensions are constants or multiples of the batch.
//
//   Type image{DType::f32, {N, 3, 224, 224}};
//   image.batched();            // true
//   image.elements(64);         // 64 * 3 * 224 * 224
//   to_string(image.shape);     // "[N, 3, 224, 224]"
//   Dim::free("L", 64);         // 64, shown as L
//
// Shapes are inferred once per layer and hold for every slice of the batch.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace braid {

enum class DType : uint8_t { f32, f64, f16, bf16, i64, i32, u8, boolean };
size_t size_of(DType dtype);
std::string_view to_string(DType dtype);
std::optional<DType> parse_dtype(std::string_view name);
inline bool is_floating(DType t) { return t <= DType::bf16; }

/// A constant, or `value`·N where N is the number of samples in the slice.
struct Dim {
  int64_t value = 1;
  bool batched = false;
  std::array<char, 7> name = {};  ///< of the free dimension that this is; empty = none

  constexpr Dim() = default;
  constexpr Dim(int64_t constant) : value(constant) {}
  constexpr Dim(int64_t factor, bool times_n) : value(factor), batched(times_n) {}
  /// A free dimension: its name is for messages, its size is what counts.
  static constexpr Dim free(std::string_view name, int64_t size) {
    Dim dim(size);
    for (size_t i = 0; i < name.size() && i < dim.name.size(); ++i) dim.name[i] = name[i];
    return dim;
  }
  constexpr bool is_free() const { return name[0] != 0; }
  constexpr std::string_view free_name() const {
    std::string_view text(name.data(), name.size());
    return text.substr(0, text.find('\0'));
  }
  constexpr int64_t at(int64_t n) const { return batched ? value * n : value; }
  constexpr bool operator==(const Dim& other) const {
    return value == other.value && batched == other.batched;
  }
};
inline constexpr Dim N{1, true};

using Shape = std::vector<Dim>;
std::string to_string(const Shape& shape);
std::string to_string(Dim dim);

struct Type {
  DType dtype = DType::f32;
  Shape shape = {};

  int64_t elements(int64_t n) const;
  int64_t bytes(int64_t n) const { return elements(n) * int64_t(size_of(dtype)); }
  size_t rank() const { return shape.size(); }
  /// Only dimension 0 may carry N.
  bool batched() const { return !shape.empty() && shape[0].batched; }
  std::vector<int64_t> dims(int64_t n) const;
  bool operator==(const Type&) const = default;
};
std::string to_string(const Type& type);

/// a·b, or nothing when it overflows or a factor is negative.
std::optional<int64_t> checked_product(int64_t a, int64_t b);

}  // namespace braid
