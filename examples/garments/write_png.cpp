// The implementation of stb_image_write is compiled here alone, without warnings.
#include "write_png.h"

#include <cstdlib>
#include <stdexcept>

#include <zlib.h>

namespace {

/// zlib instead of the writer's own compression: four times as fast. The result is freed by the
/// writer.
unsigned char* compress_fast(unsigned char* data, int length, int* out_length, int) {
  uLongf bound = compressBound(uLong(length));
  auto* out = static_cast<unsigned char*>(std::malloc(bound));
  if (!out || compress2(out, &bound, data, uLong(length), 1) != Z_OK) {
    std::free(out);
    return nullptr;
  }
  *out_length = int(bound);
  return out;
}

}  // namespace

#define STBIW_ZLIB_COMPRESS compress_fast
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

namespace garments {

void write_png(const std::string& path, int height, int width, int channels,
               const std::vector<uint8_t>& pixels) {
  if (!stbi_write_png(path.c_str(), width, height, channels, pixels.data(), width * channels)) {
    throw std::runtime_error("cannot write " + path);
  }
}

}  // namespace garments
