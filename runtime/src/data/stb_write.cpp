// The implementation of stb_image_write is compiled here alone, without warnings. Its own
// compression, not zlib's: equal bytes wherever this is built.
#include "data/stb_write.h"

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

namespace braid::stb {

std::string encode_png(std::span<const uint8_t> pixels, const Extent& extent) {
  std::string file;
  auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data), size_t(size));
  };
  int width = int(extent.width), channels = int(extent.channels);
  if (!stbi_write_png_to_func(append, &file, width, int(extent.height), channels, pixels.data(),
                              width * channels)) {
    return {};
  }
  return file;
}

}  // namespace braid::stb
