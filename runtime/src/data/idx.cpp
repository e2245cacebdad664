// IDX, the format of MNIST: two zero bytes, the type, the number of sizes, the sizes and the
// elements, all of them big endian.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <braid/core/error.h>

#include "data/gz_file.h"
#include "data/readers.h"

namespace braid {

namespace {

struct Element {
  int code;
  int64_t bytes;
  DType dtype;  ///< in memory
};

constexpr std::array<Element, 6> elements = {{{0x08, 1, DType::u8},
                                              {0x09, 1, DType::i32},
                                              {0x0b, 2, DType::i32},
                                              {0x0c, 4, DType::i32},
                                              {0x0d, 4, DType::f32},
                                              {0x0e, 8, DType::f64}}};

/// Turns big-endian elements into ours: Raw as in the file, T as in memory.
template <class Raw, class T>
void swap_into(std::span<const std::byte> in, std::vector<std::byte>& out) {
  size_t n = in.size() / sizeof(Raw);
  out.resize(n * sizeof(T));
  for (size_t i = 0; i < n; ++i) {
    std::array<std::byte, sizeof(Raw)> raw;
    std::memcpy(raw.data(), in.data() + i * sizeof(Raw), sizeof(Raw));
    std::reverse(raw.begin(), raw.end());
    T value = static_cast<T>(std::bit_cast<Raw>(raw));
    std::memcpy(out.data() + i * sizeof(T), &value, sizeof(T));
  }
}

class Reader {
 public:
  Reader(const std::string& path, const Mark& mark) : file_(path, mark) {}

  Array read() {
    const Element& element = read_element();
    std::vector<int64_t> dims = read_dims();
    std::optional<int64_t> bytes = element.bytes;
    for (int64_t d : dims) bytes = bytes ? checked_product(*bytes, d) : bytes;
    // Before memory is taken: nobody allocates what four bytes of a header claim.
    if (!bytes || *bytes > file_.largest_content()) {
      refuse(fmt::format("its header announces [{}], more than the file can hold",
                         fmt::join(dims, ", ")));
    }
    Array array{element.dtype, std::move(dims)};
    to_memory(element, read_data(*bytes), array);
    return array;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Fault::data, "E0340", fmt::format("'{}': {}", file_.path(), why), file_.mark());
  }

  const Element& read_element() {
    std::array<std::byte, 4> magic = {};
    bool whole = file_.read(magic) == magic.size();
    sizes_ = std::to_integer<size_t>(magic[3]);
    if (whole && magic[0] == std::byte{0} && magic[1] == std::byte{0} && sizes_ > 0) {
      for (const Element& e : elements) {
        if (std::to_integer<int>(magic[2]) == e.code) return e;
      }
    }
    refuse("this is no IDX file");
  }

  std::vector<int64_t> read_dims() {
    std::vector<std::byte> raw(4 * sizes_);
    if (file_.read(raw) != raw.size()) refuse("the file ends within its header");
    std::vector<int64_t> dims;
    for (size_t i = 0; i < raw.size(); i += 4) {
      uint32_t size = 0;
      for (size_t k = 0; k < 4; ++k) size = size << 8 | std::to_integer<uint32_t>(raw[i + k]);
      dims.push_back(size);
    }
    return dims;
  }

  // In pieces: a gz file may promise a thousand times of what it holds.
  std::vector<std::byte> read_data(int64_t bytes) {
    constexpr size_t piece = size_t{64} << 20;
    std::vector<std::byte> data;
    while (data.size() < size_t(bytes)) {
      size_t at = data.size(), wanted = std::min(piece, size_t(bytes) - at);
      data.resize(at + wanted);
      size_t got = file_.read(std::span(data).subspan(at));
      if (got < wanted) {
        refuse(
            fmt::format("its header announces {} bytes of data, but {} follow", bytes, at + got));
      }
    }
    std::byte more;
    if (file_.read({&more, 1}) != 0) {
      refuse(fmt::format("its header announces {} bytes of data, but more follow", bytes));
    }
    return data;
  }

  static void to_memory(const Element& element, std::vector<std::byte> data, Array& array) {
    switch (element.code) {
      case 0x08:
        array.bytes = std::move(data);
        break;
      case 0x09:
        swap_into<int8_t, int32_t>(data, array.bytes);
        break;
      case 0x0b:
        swap_into<int16_t, int32_t>(data, array.bytes);
        break;
      case 0x0c:
        swap_into<int32_t, int32_t>(data, array.bytes);
        break;
      case 0x0d:
        swap_into<float, float>(data, array.bytes);
        break;
      default:
        swap_into<double, double>(data, array.bytes);
        break;
    }
  }

  GzFile file_;
  size_t sizes_ = 0;
};

}  // namespace

Array read_idx(const std::string& path, const Mark& mark) { return Reader(path, mark).read(); }

}  // namespace braid
