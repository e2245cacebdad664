// Named tensors on disk in the safetensors format, which PyTorch's and many other tools read:
// eight bytes of length, a JSON header, the data. No code, no pointers, every number checked.
//
//   TensorFile file = read_safetensors("resnet18.safetensors");
//   file.tensors.at("fc.bias").dims;                       // {1000}
//   file.metadata["note"] = "pruned";
//   std::string sha256 = write_safetensors("pruned.safetensors", file);
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <braid/runtime/array.h>

namespace braid {

struct TensorFile {
  std::map<std::string, Array> tensors = {};
  std::map<std::string, std::string> metadata = {};
  bool operator==(const TensorFile&) const = default;
};

/// One tensor as the header of a file announces it.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> dims = {};
  int64_t begin = 0, end = 0;  ///< bytes, counted from the end of the header
};

/// What a file holds, without the data; tensors in the order of their data.
struct TensorListing {
  std::vector<TensorInfo> tensors = {};
  std::map<std::string, std::string> metadata = {};
  int64_t data_begin = 0;  ///< bytes, counted from the start of the file
};

/// Both throw Error(Fault::data): E0310 for a file of another kind (a pickle is recognised), E0311
/// for a damaged or lying one, E0312 for a dtype that Braid lacks. Memory is taken only after the
/// sizes were checked against the file's.
TensorFile read_safetensors(const std::string& path);
TensorListing list_safetensors(const std::string& path);
/// The bytes of such a file; `name` stands in messages.
TensorFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

/// Replaces the file at `path` in one step and returns the SHA-256 of its bytes in hexadecimal.
/// Equal contents give equal bytes. Throws Error(Fault::output) when the disk refuses.
std::string write_safetensors(const std::string& path, const TensorFile& file);
/// The bytes that write_safetensors would write.
std::vector<std::byte> format_safetensors(const TensorFile& file);

}  // namespace braid
