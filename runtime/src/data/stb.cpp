// The implementation of stb_image is compiled here alone, without warnings (they are not ours to
// mend) and with wrapping integers: damaged JPEG coefficients overflow.
#include "data/stb.h"

#include <cstdlib>
#include <memory>

// Zeroed memory: a JPEG that uses a table it never defined gives the same result every time, and
// reads nothing outside of the table.
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(old, size) std::realloc(old, size)
#define STBI_FREE(old) std::free(old)
// A library does not abort; what the asserts hold is of the decoder's own making.
#define STBI_ASSERT(condition) ((void)0)
// One arithmetic for all machines: the vector code for JPEG rounds in other ways.
#define STBI_NO_SIMD
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 65536
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

namespace braid::stb {

namespace {

const stbi_uc* raw(std::span<const std::byte> file) {
  return reinterpret_cast<const stbi_uc*>(file.data());
}

}  // namespace

Extent jpeg_extent(std::span<const std::byte> file) {
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(raw(file), int(file.size()), &width, &height, &channels)) return {};
  return {width, height, channels};
}

std::string decode(std::span<const std::byte> file, const Extent& extent,
                   std::vector<std::byte>& out) {
  int width = 0, height = 0, channels = 0;
  std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(raw(file), int(file.size()), &width, &height, &channels,
                            int(extent.channels)),
      stbi_image_free);
  if (!pixels) return stbi_failure_reason();
  if (width != extent.width || height != extent.height) return "it changes its size";
  const auto* begin = reinterpret_cast<const std::byte*>(pixels.get());
  out.assign(begin, begin + extent.width * extent.height * extent.channels);
  return {};
}

}  // namespace braid::stb
