// Array: what goes into and comes out of the runtime: a dtype, sizes and the bytes, row-major.
// A value that owns its memory; .npy files of NumPy are its form on disk.
//
//   Array image = Array::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
//   image.as<float>()[4];              // 5
//   write_npy("image.npy", image);
//   Array again = read_npy("image.npy");
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/type.h>

namespace braid {

/// The DType of a C++ type; f16 and bf16 have none and are handled as bytes.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, double>) return DType::f64;
  if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  if constexpr (std::is_same_v<T, int32_t>) return DType::i32;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::u8;
  if constexpr (std::is_same_v<T, bool>) return DType::boolean;
}

struct Array {
  DType dtype = DType::f32;
  std::vector<int64_t> dims = {};  ///< empty = one element
  std::vector<std::byte> bytes = {};

  /// Zeros. Throws Error(Fault::usage) for negative sizes or more bytes than 63 bits can count.
  static Array zeros(DType dtype, std::vector<int64_t> dims);
  template <class T>
  static Array of(std::vector<int64_t> dims, std::span<const T> values);
  template <class T>
  static Array of(std::vector<int64_t> dims, const std::vector<T>& values) {
    return of(std::move(dims), std::span<const T>(values));
  }

  int64_t elements() const;
  /// The elements; throws Error(Fault::usage) when T is not the array's dtype.
  template <class T>
  std::span<T> as();
  template <class T>
  std::span<const T> as() const;
  bool operator==(const Array&) const = default;
};

/// An array that lies elsewhere, row-major; its owner keeps it for as long as it is used.
///
///   std::array<float, 64> image;
///   ArrayView view = ArrayView::of<float>({1, 64}, image);
struct ConstView {
  DType dtype = DType::f32;
  std::vector<int64_t> dims = {};
  std::span<const std::byte> bytes = {};

  ConstView() = default;
  /// Throws Error(Fault::usage) when there are not as many bytes as `dims` say.
  ConstView(DType dtype, std::vector<int64_t> dims, std::span<const std::byte> bytes);
  ConstView(const Array& array);
  ConstView(const Array&&) = delete;  // it would end before it is used
  template <class T>
  static ConstView of(std::vector<int64_t> dims, std::span<const T> values) {
    return {dtype_of<T>(), std::move(dims), std::as_bytes(values)};
  }
};

/// The same, to be written.
struct ArrayView {
  DType dtype = DType::f32;
  std::vector<int64_t> dims = {};
  std::span<std::byte> bytes = {};

  ArrayView() = default;
  ArrayView(DType dtype, std::vector<int64_t> dims, std::span<std::byte> bytes);
  ArrayView(Array& array);
  template <class T>
  static ArrayView of(std::vector<int64_t> dims, std::span<T> values) {
    return {dtype_of<T>(), std::move(dims), std::as_writable_bytes(values)};
  }
};

/// `f32 [2, 3]`
std::string to_string(const Array& array);
std::string to_string(const ConstView& view);
std::string to_string(const ArrayView& view);

/// A .npy file, format 1, 2 or 3: f16, f32, f64, i32, i64, u8 or bool, little endian, C order.
/// Throws Error(Fault::data); the size of the file is checked before memory is taken.
Array read_npy(const std::string& path);
/// Writes format 1, atomically. bf16, which NumPy lacks, throws Error(Fault::usage).
void write_npy(const std::string& path, const Array& array);

/// The product of `dims` times the size of `dtype`, or nothing when a size is negative or the
/// product overflows.
std::optional<int64_t> bytes_of(DType dtype, std::span<const int64_t> dims);

namespace detail {
void check_view(const Array& array, DType wanted);
void check_count(int64_t expected, size_t given);
}  // namespace detail

template <class T>
Array Array::of(std::vector<int64_t> dims, std::span<const T> values) {
  Array array = zeros(dtype_of<T>(), std::move(dims));
  detail::check_count(array.elements(), values.size());
  std::span<T> out = array.as<T>();
  for (size_t i = 0; i < values.size(); ++i) out[i] = values[i];
  return array;
}

template <class T>
std::span<T> Array::as() {
  detail::check_view(*this, dtype_of<T>());
  return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
}

template <class T>
std::span<const T> Array::as() const {
  detail::check_view(*this, dtype_of<T>());
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace braid
