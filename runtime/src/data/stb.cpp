// The implementation of stb_image is compiled here alone, without warnings (they are not ours to
// mend) and with wrapping integers. PNG alone: what png_check lets through is sound, whereas the
// JPEG decoder of 2.27 writes outside of its tables when a file wants it to.
#include "data/stb.h"

#include <cstdlib>
#include <memory>

// Zeroed memory: whatever a file leaves out is the same every time.
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(old, size) std::realloc(old, size)
#define STBI_FREE(old) std::free(old)
// A library does not abort; what the asserts hold is of the decoder's own making.
#define STBI_ASSERT(condition) ((void)0)
#define STBI_NO_SIMD
#define STBI_ONLY_PNG
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
