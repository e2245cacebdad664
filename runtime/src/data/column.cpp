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

PictureSize declared_picture(const InputDecl& input) {
  const Shape& shape = input.type.shape;
  return {.planes = shape.size() == 4 ? shape[1].value : 1,
          .height = shape[shape.size() - 2].value,
          .width = shape.back().value};
}

/// One part of a plane; where it is mirrored, columns run backwards.
template <class T, class Stored, class Value>
void copy_part(const Stored* plane, const PictureSize& from, const Placement& place, int64_t height,
               int64_t width, T pad, Value value, T* out) {
  for (int64_t y = 0; y < height; ++y) {
    int64_t row = place.top + (place.upset ? height - 1 - y : y);
    bool outside = row < 0 || row >= from.height;
    for (int64_t x = 0; x < width; ++x) {
      int64_t column = place.left + (place.mirror ? width - 1 - x : x);
      bool padded = outside || column < 0 || column >= from.width;
      *out++ = padded ? pad : value(plane[row * from.width + column]);
    }
  }
}

class Converter {
 public:
  Converter(Array raw, const InputDecl& input, const FillSpec& fill, const AugmentSpec& augment,
            std::string file, std::vector<Extent> extents)
      : raw_(std::move(raw)), input_(input), fill_(fill), augment_(augment) {
    column_.dtype = input.type.dtype;
    column_.file = std::move(file);
    column_.extents = std::move(extents);
  }

  Column convert() {
    check_sizes();
    if (is_picture(input_)) make_pad();
    if (raw_.dtype == DType::u8 && column_.dtype != DType::u8) {
      make_table();
    } else if (raw_.dtype == column_.dtype && identity()) {
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
                fill_.path_mark);
  }

  void check_sizes() {
    // Bytes of a file that say they are bools are looked at as bytes: 2 is no bool.
    if (raw_.dtype == DType::boolean) raw_.dtype = DType::u8;
    if (raw_.dtype == DType::f16 || raw_.dtype == DType::bf16) {
      refuse("E0344", fmt::format("it holds {}; convert it to f32", to_string(raw_.dtype)));
    }
    if (!column_.extents.empty()) return take_extents();
    if (raw_.dims.empty()) refuse("E0341", "it holds a single value, no list of samples");
    column_.samples = raw_.dims[0];
    if (column_.samples == 0) refuse("E0343", "it has no samples");
    column_.elements = raw_.elements() / column_.samples;
    if (is_picture(input_)) column_.picture = declared_picture(input_);
    if (is_picture(input_) && augment_.needs_bytes() && raw_.dtype != DType::u8) {
      refuse("E0344", fmt::format("it holds {}, and random_resized_crop, rotate and jitter are for "
                                  "pictures of bytes",
                                  to_string(raw_.dtype)));
    }
    if (is_picture(input_) && augment_.cuts() && take_stored_picture()) return;
    if (column_.elements == input_.type.elements(1)) return;
    std::vector<int64_t> sample(raw_.dims.begin() + 1, raw_.dims.end());
    refuse("E0341", fmt::format("its samples are [{}], {} values, but {} has {} per sample",
                                fmt::join(sample, ", "), column_.elements, to_string(input_.type),
                                input_.type.elements(1)));
  }

  /// Pictures that are not alike: who read them has looked at each.
  void take_extents() {
    column_.samples = int64_t(column_.extents.size());
    column_.elements = input_.type.elements(1);
    column_.picture.planes = declared_picture(input_).planes;
    size_t at = 0;
    for (int64_t sample = 0; sample < column_.samples; ++sample) {
      column_.begins.push_back(at);
      at += column_.stored_elements(sample);
    }
    ensure(at == raw_.bytes.size(), "pictures of other sizes than their bytes");
  }

  /// Whether the pictures of the file have sizes of their own; then they hold the crop.
  bool take_stored_picture() {
    PictureSize& picture = column_.picture;
    const std::vector<int64_t>& dims = raw_.dims;
    if (dims.size() < 3) return false;
    int64_t height = dims[dims.size() - 2], width = dims.back();
    if (height * width == 0 || column_.elements != picture.planes * height * width) return false;
    picture.height = height, picture.width = width;
    if (!augment_.crop) return true;
    const auto& [rows, columns] = *augment_.crop;
    if (height + 2 * augment_.padding >= rows && width + 2 * augment_.padding >= columns) {
      return true;
    }
    refuse("E0365",
           fmt::format("its samples are {}x{} with {} of padding, too small for a crop of {}x{}",
                       height, width, augment_.padding, rows, columns));
  }

  const Affine& affine(int64_t plane) const {
    return fill_.channels.empty() ? fill_.affine : fill_.channels[size_t(plane)];
  }
  bool identity() const { return fill_.affine.identity() && fill_.channels.empty(); }

  template <class T, class From>
  static std::optional<T> scaled(From x, const Affine& affine) {
    return affine.identity() ? fit<T>(x) : fit<T>(affine(static_cast<double>(x)));
  }

  template <class T, class From>
  T value(From x, int64_t element) const {
    int64_t in_plane = fill_.channels.empty() ? 1 : column_.elements / column_.picture.planes;
    int64_t plane = fill_.channels.empty() ? 0 : element % column_.elements / in_plane;
    std::optional<T> result = scaled<T>(x, affine(plane));
    if (!result) refuse_value(x, element);
    return *result;
  }

  void make_pad() {
    with_type(column_.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      for (int64_t plane = 0; plane < column_.picture.planes; ++plane) {
        std::optional<T> pad = scaled<T>(fill_.pad, affine(plane));
        if (!pad) refuse("E0344", fmt::format("its `pad` is no {}", to_string(column_.dtype)));
        store(column_.pad, *pad);
      }
    });
  }

  [[noreturn]] void refuse_value(auto x, int64_t element) const {
    refuse("E0344", fmt::format("the value {} of sample {} is no {}", x, element / column_.elements,
                                to_string(column_.dtype)));
  }

  // A byte for which there is no value is an error only where the file holds it.
  void make_table() {
    with_type(column_.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      size_t tables = std::max<size_t>(fill_.channels.size(), 1);
      for (size_t code = 0; code < 256 * tables; ++code) {
        uint8_t byte = uint8_t(code % 256);
        std::optional<T> entry = scaled<T>(byte, affine(int64_t(code / 256)));
        if (!entry) refuse_byte(byte);
        store(column_.table, entry.value_or(T()));
      }
    });
    column_.stored = std::move(raw_.bytes);
  }

  void refuse_byte(uint8_t byte) const {
    auto at = std::find(raw_.bytes.begin(), raw_.bytes.end(), std::byte{byte});
    if (at == raw_.bytes.end()) return;
    auto place = size_t(at - raw_.bytes.begin());
    auto next = std::upper_bound(column_.begins.begin(), column_.begins.end(), place);
    int64_t sample = column_.begins.empty() ? int64_t(place) / column_.elements
                                            : next - column_.begins.begin() - 1;
    refuse_value(byte, sample * column_.elements);
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
  const FillSpec& fill_;
  const AugmentSpec& augment_;
  Column column_;
};

template <class T>
bool append_as(Column& column, auto number) {
  std::optional<T> value = fit<T>(number);
  if (value) store(column.stored, *value);
  return value.has_value();
}

}  // namespace

Extent Column::extent(int64_t sample) const {
  return extents.empty() ? Extent{picture.height, picture.width} : extents[size_t(sample)];
}

size_t Column::stored_elements(int64_t sample) const {
  if (extents.empty()) return size_t(elements);
  const Extent& own = extents[size_t(sample)];
  return size_t(picture.planes * own.height * own.width);
}

bool Column::has_bytes() const {
  return picture.planes > 0 && (!table.empty() || dtype == DType::u8);
}

std::span<const uint8_t> Column::bytes_of(int64_t sample) const {
  size_t begin = begins.empty() ? size_t(sample * elements) : begins[size_t(sample)];
  return {reinterpret_cast<const uint8_t*>(stored.data()) + begin, stored_elements(sample)};
}

void Column::fill_pixels(const Pixels& pixels, std::byte* out) const {
  with_type(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    size_t n = size_t(pixels.in_plane()), tables = table.size() / (256 * sizeof(T));
    T* to = reinterpret_cast<T*>(out);
    for (size_t p = 0; p < size_t(pixels.planes); ++p) {
      const uint8_t* from = pixels.values.data() + p * n;
      const T* values = reinterpret_cast<const T*>(table.data()) + (tables > 1 ? 256 * p : 0);
      const T around = reinterpret_cast<const T*>(pad.data())[p];
      for (size_t i = 0; i < n; ++i) {
        bool outside = !pixels.inside.empty() && pixels.inside[i] == 0;
        *to++ = outside ? around : tables == 0 ? T(from[i]) : values[from[i]];
      }
    }
  });
}

void Column::fill(std::span<const int64_t> picked, std::byte* out) const {
  ensure(extents.empty(), "pictures of many sizes in one batch");
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
    size_t tables = table.size() / (256 * sizeof(T)), part = n / tables;
    T* to = reinterpret_cast<T*>(out);
    for (int64_t sample : picked) {
      const std::byte* from = stored.data() + size_t(sample) * n;
      for (size_t t = 0; t < tables; ++t) {
        const T* values = reinterpret_cast<const T*>(table.data()) + 256 * t;
        for (size_t i = 0; i < part; ++i) *to++ = values[static_cast<uint8_t>(*from++)];
      }
    }
  });
}

Array Column::as_stored(int64_t sample) const {
  Array one = Array::zeros(dtype, {int64_t(stored_elements(sample))});
  if (extents.empty()) {
    fill({&sample, 1}, one.bytes.data());
    return one;
  }
  auto [height, width] = extent(sample);
  fill_pixels({picture.planes, height, width, {bytes_of(sample).begin(), bytes_of(sample).end()}},
              one.bytes.data());
  return one;
}

void Column::fill_part(int64_t sample, const Placement& place, int64_t height, int64_t width,
                       std::byte* out) const {
  with_type(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    int64_t in_plane = picture.height * picture.width;
    size_t tables = table.size() / (256 * sizeof(T));
    T* to = reinterpret_cast<T*>(out);
    for (int64_t p = 0; p < picture.planes; ++p, to += height * width) {
      int64_t begin = sample * elements + p * in_plane;
      T around = reinterpret_cast<const T*>(pad.data())[p];
      if (table.empty()) {
        const T* from = reinterpret_cast<const T*>(stored.data()) + begin;
        copy_part(
            from, picture, place, height, width, around, [](T x) { return x; }, to);
      } else {
        const T* values = reinterpret_cast<const T*>(table.data()) + (tables > 1 ? 256 * p : 0);
        auto look_up = [&](std::byte x) { return values[static_cast<uint8_t>(x)]; };
        copy_part(stored.data() + begin, picture, place, height, width, around, look_up, to);
      }
    }
  });
}

Column make_column(Array raw, const InputDecl& input, const FillSpec& fill,
                   const AugmentSpec& augment, std::string file, std::vector<Extent> extents) {
  return Converter(std::move(raw), input, fill, augment, std::move(file), std::move(extents))
      .convert();
}

void make_picture(Column& column, const InputDecl& input, const FillSpec& fill) {
  column.picture = declared_picture(input);
  with_type(column.dtype, [&](auto type) {
    auto pad = fit<typename decltype(type)::type>(fill.affine(fill.pad));
    if (!pad) {
      throw Error(Fault::data, "E0344",
                  fmt::format("'{}' cannot fill input '{}': its `pad` is no {}", column.file,
                              input.name, to_string(column.dtype)),
                  fill.mark);
    }
    for (int64_t p = 0; p < column.picture.planes; ++p) store(column.pad, *pad);
  });
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
