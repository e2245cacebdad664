#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include <braid/core/error.h>

#include "files/booleans.h"
#include "files/safetensors_format.h"
#include "posix/input_file.h"

namespace braid {

// Headers and data are little endian, and are read as they are.
static_assert(std::endian::native == std::endian::little);

namespace {

/// What is read: a file, or bytes at hand.
class Input {
 public:
  explicit Input(const std::string& path) : name_(path), file_(std::in_place, path) {}
  Input(const std::string& name, std::span<const std::byte> bytes) : name_(name), bytes_(bytes) {}

  const std::string& path() const { return name_; }
  int64_t size() const { return file_ ? file_->size() : int64_t(bytes_.size()); }
  /// Within size().
  void read(int64_t offset, std::span<std::byte> out) const {
    if (file_) return file_->read(offset, out);
    std::ranges::copy(bytes_.subspan(size_t(offset), out.size()), out.begin());
  }

 private:
  const std::string& name_;
  std::optional<posix::InputFile> file_;
  std::span<const std::byte> bytes_;
};

struct Kind {
  std::string_view magic, what, help;
};

constexpr std::string_view from_torch =
    "convert it in Python, where its author is trusted (a pickle can run code):\n"
    "  from safetensors.torch import save_file\n"
    "  save_file(torch.load('model.pt', map_location='cpu'), 'model.safetensors')";

constexpr std::array<Kind, 8> other_kinds = {{
    {"PK\x03\x04", "a zip archive, as torch.save writes them", from_torch},
    {"\x80\x02", "a Python pickle, as torch.save writes them", from_torch},
    {"\x80\x03", "a Python pickle, as torch.save writes them", from_torch},
    {"\x80\x04", "a Python pickle, as torch.save writes them", from_torch},
    {"\x80\x05", "a Python pickle, as torch.save writes them", from_torch},
    {"\x93NUMPY", "a .npy file", "weights are a safetensors file with one tensor per weight key"},
    {"\x89HDF", "an HDF5 file", "convert it in Python with safetensors.numpy.save_file"},
    {"GGUF", "a GGUF file", "convert it in Python with safetensors.numpy.save_file"},
}};

[[noreturn]] void refuse(const std::string& path, std::string why) {
  throw Error(Fault::data, "E0311",
              fmt::format("'{}' is no valid safetensors file: {}", path, why));
}

// A header of the length that these bytes would spell is beyond the limit or the file anyway, but
// a user who is told "convert it" is helped more than one who is told "damaged".
void refuse_other_kinds(const Input& file) {
  std::array<char, 9> start = {};
  size_t present = std::min<size_t>(start.size(), size_t(file.size()));
  file.read(0, std::as_writable_bytes(std::span(start)).first(present));
  if (start[8] == '{') return;
  for (const Kind& kind : other_kinds) {
    if (!std::string_view(start.data(), present).starts_with(kind.magic)) continue;
    throw Error(Fault::data, "E0310",
                fmt::format("'{}' is {}, not a safetensors file", file.path(), kind.what))
        .help(std::string(kind.help));
  }
}

TensorListing list(const Input& file) {
  refuse_other_kinds(file);
  if (file.size() < 8) refuse(file.path(), fmt::format("it has {} bytes", file.size()));
  uint64_t length = 0;
  file.read(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > uint64_t(safetensors::header_limit)) {
    refuse(file.path(), fmt::format("its header would have {} bytes, more than 100 MB", length));
  }
  int64_t begin = 8 + int64_t(length);
  if (begin > file.size()) {
    refuse(file.path(),
           fmt::format("its header would have {} bytes, the file has {}", length, file.size()));
  }
  std::string json(length, '\0');
  file.read(8, std::as_writable_bytes(std::span(json)));
  TensorListing listing = safetensors::parse_header(file.path(), json, file.size() - begin);
  listing.data_begin = begin;
  return listing;
}

TensorFile read(const Input& file) {
  TensorListing listing = list(file);
  TensorFile result{.metadata = std::move(listing.metadata)};
  for (TensorInfo& info : listing.tensors) {
    Array array = Array::zeros(info.dtype, std::move(info.dims));
    file.read(listing.data_begin + info.begin, array.bytes);
    if (has_bad_booleans(array)) {
      refuse(file.path(), fmt::format("tensor '{}' holds bools other than 0 and 1",
                                      safetensors::shown(info.name)));
    }
    result.tensors.emplace(std::move(info.name), std::move(array));
  }
  return result;
}

}  // namespace

TensorListing list_safetensors(const std::string& path) { return list(Input(path)); }

TensorFile read_safetensors(const std::string& path) { return read(Input(path)); }

TensorFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  return read(Input(name, bytes));
}

}  // namespace braid
