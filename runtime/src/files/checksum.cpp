#include "files/checksum.h"

#include <memory>
#include <new>
#include <span>
#include <string_view>

#include <fmt/format.h>
// All of it in this file: nothing to link, and the compiler may use what the machine has.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace braid {

namespace {

class Hash {
 public:
  Hash() : state_(XXH3_createState(), XXH3_freeState) {
    if (!state_) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }

  void add(const void* data, size_t size) { XXH3_128bits_update(state_.get(), data, size); }
  void add(uint64_t number) { add(&number, sizeof number); }
  // The length goes in too, so that "ab" + "c" differs from "a" + "bc".
  void add(std::string_view text) {
    add(text.size());
    add(text.data(), text.size());
  }

  std::string hex() const {
    XXH128_hash_t sum = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", sum.high64, sum.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

}  // namespace

std::string checksum(const TensorFile& file) {
  Hash hash;
  hash.add(file.metadata.size());
  for (const auto& [key, text] : file.metadata) {
    hash.add(key);
    hash.add(text);
  }
  for (const auto& [name, array] : file.tensors) {
    hash.add(name);
    hash.add(to_string(array));
    hash.add(array.bytes.data(), array.bytes.size());
  }
  return hash.hex();
}

}  // namespace braid
