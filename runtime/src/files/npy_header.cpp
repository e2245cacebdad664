#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <braid/core/error.h>
#include <braid/runtime/array.h>

#include "files/npy_format.h"

namespace braid {

namespace {

constexpr int64_t header_limit = 1 << 20;

struct Dictionary {
  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;
};

constexpr std::array<std::pair<std::string_view, DType>, 7> kinds = {{{"<f4", DType::f32},
                                                                      {"<f8", DType::f64},
                                                                      {"<f2", DType::f16},
                                                                      {"<i8", DType::i64},
                                                                      {"<i4", DType::i32},
                                                                      {"|u1", DType::u8},
                                                                      {"|b1", DType::boolean}}};

/// Reads the few forms of Python that NumPy writes: {'key': 'text' | True | False | (1, 2,), }.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<Dictionary> parse() {
    Dictionary found;
    int seen = 0;  // one bit per key: each must come exactly once
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      std::optional<int> key = entry(found);
      if (!key || (seen & *key)) return std::nullopt;
      seen |= *key;
      if (!take(',') && peek() != '}') return std::nullopt;
    }
    if (seen != 7 || peek() != 0) return std::nullopt;
    return found;
  }

 private:
  char peek() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
    return rest_.empty() ? 0 : rest_[0];
  }

  bool take(char c) {
    if (peek() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool take_word(std::string_view word) {
    peek();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool text(std::string& out) {
    char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return false;
    out = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool boolean(bool& out) {
    out = take_word("True");
    return out || take_word("False");
  }

  bool shape(std::vector<int64_t>& out) {
    if (!take('(')) return false;
    while (!take(')')) {
      peek();
      int64_t size = 0;
      auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0 || out.size() == 64) return false;
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      out.push_back(size);
      if (!take(',') && peek() != ')') return false;
    }
    return true;
  }

  std::optional<int> entry(Dictionary& found) {
    std::string key;
    if (!text(key) || !take(':')) return std::nullopt;
    if (key == "descr" && text(found.descr)) return 1;
    if (key == "fortran_order" && boolean(found.fortran)) return 2;
    if (key == "shape" && shape(found.shape)) return 4;
    return std::nullopt;
  }

  std::string_view rest_;
};

class Reader {
 public:
  Reader(const posix::InputFile& file, const Mark& mark) : file_(file), mark_(mark) {}

  NpyHeader read() {
    Dictionary found = dictionary();
    NpyHeader header{dtype(found.descr), std::move(found.shape), begin_};
    if (found.fortran) {
      refuse("E0306", "its order is Fortran's",
             "write it with numpy.save(path, numpy.ascontiguousarray(a))");
    }
    check_size(header);
    return header;
  }

 private:
  [[noreturn]] void refuse(std::string code, const std::string& why, std::string help = {}) const {
    throw Error(Fault::data, std::move(code), fmt::format("'{}': {}", file_.path(), why), mark_)
        .help(std::move(help));
  }

  uint64_t number(int64_t offset, size_t bytes) const {
    std::array<std::byte, 4> raw = {};
    file_.read(offset, std::span(raw).first(bytes));
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<uint64_t>(raw[i]);
    return value;
  }

  Dictionary dictionary() {
    std::array<char, 8> magic = {};
    if (file_.size() >= 10) file_.read(0, std::as_writable_bytes(std::span(magic)));
    if (std::string_view(magic.data(), 6) != "\x93NUMPY") refuse("E0305", "this is no .npy file");
    int version = magic[6];
    if (version < 1 || version > 3) {
      refuse("E0305", fmt::format("version {} of the .npy format is not known", version));
    }
    size_t width = version == 1 ? 2 : 4;
    begin_ = 8 + int64_t(width);
    int64_t length = begin_ <= file_.size() ? int64_t(number(8, width)) : header_limit + 1;
    if (length > header_limit || length > file_.size() - begin_) {
      refuse("E0305", "its header is longer than the file, or than 1 MiB");
    }
    std::string text(static_cast<size_t>(length), ' ');
    file_.read(begin_, std::as_writable_bytes(std::span(text)));
    begin_ += length;
    std::optional<Dictionary> found = Parser(text).parse();
    if (!found) refuse("E0305", "its header is damaged");
    return *found;
  }

  DType dtype(const std::string& descr) const {
    for (const auto& [name, dtype] : kinds) {
      if (name == descr) return dtype;
    }
    refuse("E0306", fmt::format("elements of type '{}' are not supported", descr),
           "convert it in Python, for example numpy.save(path, a.astype('<f4')); "
           "supported are <f2 <f4 <f8 <i4 <i8 |u1 |b1");
  }

  void check_size(const NpyHeader& header) const {
    std::optional<int64_t> expected = bytes_of(header.dtype, header.dims);
    int64_t present = file_.size() - header.data_begin;
    if (expected == present) return;
    refuse("E0305", fmt::format("its header announces {} [{}], {} bytes, but {} follow",
                                to_string(header.dtype), fmt::join(header.dims, ", "),
                                expected ? std::to_string(*expected) : "more than 2^63", present));
  }

  const posix::InputFile& file_;
  const Mark& mark_;
  int64_t begin_ = 0;
};

std::string_view descr_of(DType dtype) {
  for (const auto& [name, known] : kinds) {
    if (known == dtype) return name;
  }
  throw Error(Fault::usage, "E0306",
              fmt::format("a .npy file cannot hold elements of type {}", to_string(dtype)));
}

}  // namespace

NpyHeader read_npy_header(const posix::InputFile& file, const Mark& mark) {
  return Reader(file, mark).read();
}

std::string npy_header(DType dtype, const std::vector<int64_t>& dims, size_t multiple) {
  std::string shape = fmt::format("({}{})", fmt::join(dims, ", "), dims.size() == 1 ? "," : "");
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                 descr_of(dtype), shape);
  // Version 1 counts the header in 16 bits: enough but for thousands of dimensions.
  size_t padded = (10 + text.size() + multiple) / multiple * multiple;
  text.resize(padded - 11, ' ');
  text += '\n';
  if (text.size() > 0xffff) throw Error(Fault::usage, "E0304", "an array has too many dimensions");
  std::string frame = "\x93NUMPY";
  frame += {1, 0, char(text.size() & 0xff), char(text.size() >> 8)};
  return frame + text;
}

}  // namespace braid
