#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>
#include <sha256.h>
#include <nlohmann/json.hpp>

#include <braid/core/error.h>

#include "files/safetensors_format.h"
#include "posix/atomic_file.h"

namespace braid {

namespace {

using NamedArray = const std::pair<const std::string, Array>*;

/// A file that is written and hashed at the same time.
class HashedFile {
 public:
  explicit HashedFile(const std::string& path) : file_(path) { SHA256_Init(&hash_); }

  void write(std::span<const std::byte> bytes) {
    SHA256_Update(&hash_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    file_.write(bytes);
  }

  std::string commit() {
    file_.commit();
    std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
    SHA256_Final(digest.data(), &hash_);
    std::string hex;
    for (uint8_t byte : digest) hex += fmt::format("{:02x}", byte);
    return hex;
  }

 private:
  posix::AtomicFile file_;
  SHA256_CTX hash_;
};

void check(const std::string& name, const Array& array) {
  if (name == safetensors::metadata_key) {
    throw Error(Fault::usage, "E0313", "a tensor may not be named '__metadata__'");
  }
  if (bytes_of(array.dtype, array.dims) != int64_t(array.bytes.size())) {
    throw Error(Fault::usage, "E0313",
                fmt::format("tensor '{}': {} does not fit its {} bytes", name, to_string(array),
                            array.bytes.size()));
  }
}

/// The wider elements first, so that every tensor is aligned to its element; then by name.
std::vector<NamedArray> in_order_of_data(const TensorFile& file) {
  std::vector<NamedArray> items;
  for (const auto& item : file.tensors) {
    check(item.first, item.second);
    items.push_back(&item);
  }
  std::stable_sort(items.begin(), items.end(), [](NamedArray a, NamedArray b) {
    return size_of(a->second.dtype) > size_of(b->second.dtype);
  });
  return items;
}

std::string_view name_of(DType dtype) {
  for (const auto& [name, known] : safetensors::dtypes) {
    if (known == dtype) return name;
  }
  bug("a dtype without a name in safetensors files");
}

// nlohmann::json keeps keys sorted, which makes the header a function of the contents.
std::string header_of(const TensorFile& file, const std::vector<NamedArray>& items) try {
  nlohmann::json header = nlohmann::json::object();
  if (!file.metadata.empty()) header[std::string(safetensors::metadata_key)] = file.metadata;
  size_t offset = 0;
  for (NamedArray item : items) {
    const auto& [name, array] = *item;
    header[name] = {{"dtype", name_of(array.dtype)},
                    {"shape", array.dims},
                    {"data_offsets", {offset, offset + array.bytes.size()}}};
    offset += array.bytes.size();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
} catch (const nlohmann::json::exception&) {
  throw Error(Fault::usage, "E0313", "a name or a metadata text is no valid UTF-8");
}

/// The pieces of a file, in their order.
class Pieces {
 public:
  explicit Pieces(const TensorFile& file)
      : items_(in_order_of_data(file)), header_(header_of(file, items_)) {}
  template <class Out>
  void write(const Out& out) const {
    uint64_t length = header_.size();
    out(std::as_bytes(std::span(&length, 1)));
    out(std::as_bytes(std::span(header_)));
    for (NamedArray item : items_) out(item->second.bytes);
  }

 private:
  std::vector<NamedArray> items_;
  std::string header_;
};

}  // namespace

std::string write_safetensors(const std::string& path, const TensorFile& file) {
  const Pieces pieces(file);
  HashedFile out(path);
  pieces.write([&](std::span<const std::byte> bytes) { out.write(bytes); });
  return out.commit();
}

std::vector<std::byte> format_safetensors(const TensorFile& file) {
  std::vector<std::byte> all;
  Pieces(file).write(
      [&](std::span<const std::byte> bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); });
  return all;
}

}  // namespace braid
