#include "data/column.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <braid/core/error.h>

namespace braid {

namespace {

template <class T>
struct As {
  using type = T;
};

/// Calls `f` with the C++ type of a dtype that columns hold.
template <class F>
auto with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(As<float>());
    case DType::f64:
      return f(As<double>());
    case DType::i64:
      return f(As<int64_t>());
    case DType::i32:
      return f(As<int32_t>());
    case DType::u8:
      return f(As<uint8_t>());
    case DType::boolean:
      return f(As<bool>());
    default:
      bug("a data source holds no f16 or bf16");
  }
}

/// The nearest value of T, or nothing where the difference would be more than rounding.
template <class T, class From>
std::optional<T> fit(From value) {
  if constexpr (std::is_same_v<T, From>) {
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    return value == From(0) || value == From(1) ? std::optional(value == From(1)) : std::nullopt;
  } else if constexpr (std::is_floating_point_v<T>) {
    T result = static_cast<T>(value);
    if constexpr (std::is_floating_point_v<From>) {
      if (std::isinf(result) && !std::isinf(value)) return std::nullopt;
    }
    return result;
  } else if constexpr (std::is_floating_point_v<From>) {
    // The bounds are powers of two and exact: the largest int64 itself is no double.
    constexpr auto half = std::numeric_limits<T>::max() / 2 + 1;
    constexpr double above = 2 * double(half);
    bool inside = double(value) >= double(std::numeric_limits<T>::min()) && double(value) < above;
    if (!inside || std::trunc(value) != value) return std::nullopt;
    return static_cast<T>(value);
  } else {
    return std::in_range<T>(int64_t(value)) ? std::optional(static_cast<T>(value)) : std::nullopt;
  }
}

template <class T>
void store(std::vector<std::byte>& bytes, T value) {
  size_t at = bytes.size();
  bytes.resize(at + sizeof(T));
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

class Converter {
 public:
  Converter(Array raw, const InputDecl& input, const Affine& affine, std::string file,
            const Mark& mark)
      : raw_(std::move(raw)), input_(input), affine_(affine), mark_(mark) {
    column_.dtype = input.type.dtype;
    column_.file = std::move(file);
  }

  Column convert() {
    check_sizes();
    if (raw_.dtype == DType::u8 && column_.dtype != DType::u8) {
      make_table();
    } else if (raw_.dtype == column_.dtype && affine_.identity()) {
      column_.stored = std::move(raw_.bytes);
    } else {
      convert_values();
    }
    return std::move(column_);
  }

 private:
  [[noreturn]] void refuse(std::string code, const std::string& why) const {
    throw Error(Fault::data, std::move(code),
                fmt::format("'{}' cannot fill input '{}': {}", column_.file, input_.name, why),
                mark_);
  }

  void check_sizes() {
    // Bytes of a file that say they are bools are looked at as bytes: 2 is no bool.
    if (raw_.dtype == DType::boolean) raw_.dtype = DType::u8;
    if (raw_.dtype == DType::f16 || raw_.dtype == DType::bf16) {
      refuse("E0344", fmt::format("it holds {}; convert it to f32", to_string(raw_.dtype)));
    }
    if (raw_.dims.empty()) refuse("E0341", "it holds a single value, no list of samples");
    column_.samples = raw_.dims[0];
    if (column_.samples == 0) refuse("E0343", "it has no samples");
    column_.elements = raw_.elements() / column_.samples;
    if (column_.elements == input_.type.elements(1)) return;
    std::vector<int64_t> sample(raw_.dims.begin() + 1, raw_.dims.end());
    refuse("E0341", fmt::format("its samples are [{}], {} values, but {} has {} per sample",
                                fmt::join(sample, ", "), column_.elements, to_string(input_.type),
                                input_.type.elements(1)));
  }

  template <class T, class From>
  T value(From x, int64_t element) const {
    std::optional<T> result =
        affine_.identity() ? fit<T>(x) : fit<T>(affine_(static_cast<double>(x)));
    if (!result) refuse_value(x, element);
    return *result;
  }

  [[noreturn]] void refuse_value(auto x, int64_t element) const {
    refuse("E0344", fmt::format("the value {} of sample {} is no {}", x, element / column_.elements,
                                to_string(column_.dtype)));
  }

  // A byte for which there is no value is an error only where the file holds it.
  void make_table() {
    with_type(column_.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      for (int code = 0; code < 256; ++code) {
        uint8_t byte = uint8_t(code);
        std::optional<T> entry = affine_.identity() ? fit<T>(byte) : fit<T>(affine_(byte));
        if (!entry) refuse_byte(byte);
        store(column_.table, entry.value_or(T()));
      }
    });
    column_.stored = std::move(raw_.bytes);
  }

  void refuse_byte(uint8_t byte) const {
    auto at = std::find(raw_.bytes.begin(), raw_.bytes.end(), std::byte{byte});
    if (at != raw_.bytes.end()) refuse_value(byte, at - raw_.bytes.begin());
  }

  void convert_values() {
    with_type(column_.dtype, [&](auto to) {
      using T = typename decltype(to)::type;
      column_.stored.resize(size_t(raw_.elements()) * sizeof(T));
      with_type(raw_.dtype, [&](auto from) {
        auto in = std::as_const(raw_).template as<typename decltype(from)::type>();
        T* out = reinterpret_cast<T*>(column_.stored.data());
        for (size_t i = 0; i < in.size(); ++i) out[i] = value<T>(in[i], int64_t(i));
      });
    });
  }

  Array raw_;
  const InputDecl& input_;
  const Affine& affine_;
  const Mark& mark_;
  Column column_;
};

template <class T>
bool append_as(Column& column, auto number) {
  std::optional<T> value = fit<T>(number);
  if (value) store(column.stored, *value);
  return value.has_value();
}

}  // namespace

void Column::fill(std::span<const int64_t> picked, std::byte* out) const {
  size_t n = static_cast<size_t>(elements);
  if (table.empty()) {
    size_t bytes = n * size_of(dtype);
    for (int64_t sample : picked) {
      std::memcpy(out, stored.data() + size_t(sample) * bytes, bytes);
      out += bytes;
    }
    return;
  }
  with_type(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const T* values = reinterpret_cast<const T*>(table.data());
    T* to = reinterpret_cast<T*>(out);
    for (int64_t sample : picked) {
      const std::byte* from = stored.data() + size_t(sample) * n;
      for (size_t i = 0; i < n; ++i) *to++ = values[static_cast<uint8_t>(from[i])];
    }
  });
}

Column make_column(Array raw, const InputDecl& input, const Affine& affine, std::string file,
                   const Mark& mark) {
  return Converter(std::move(raw), input, affine, std::move(file), mark).convert();
}

bool append(Column& column, double value) {
  return with_type(column.dtype, [&](auto type) {
    return append_as<typename decltype(type)::type>(column, value);
  });
}

bool append(Column& column, int64_t value) {
  return with_type(column.dtype, [&](auto type) {
    return append_as<typename decltype(type)::type>(column, value);
  });
}

}  // namespace braid
