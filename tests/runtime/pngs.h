// Writes PNGs for tests: whole ones, and their parts to be put together wrongly.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <zlib.h>

namespace braid::test {

inline std::string big_endian(uint32_t x) {
  return {char(x >> 24), char(x >> 16), char(x >> 8), char(x)};
}

inline std::string chunk(std::string_view type, std::string_view data) {
  std::string body = std::string(type) + std::string(data);
  uLong crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size()));
  return big_endian(uint32_t(data.size())) + body + big_endian(uint32_t(crc));
}

inline std::string deflated(std::string_view bytes) {
  uLongf size = compressBound(uLong(bytes.size()));
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size,
           reinterpret_cast<const Bytef*>(bytes.data()), uLong(bytes.size()));
  return out.substr(0, size);
}

inline constexpr std::string_view png_signature = "\x89PNG\r\n\x1a\n";

/// `color`: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha.
inline std::string ihdr(uint32_t width, uint32_t height, int bits, int color, int interlace = 0) {
  return chunk("IHDR", big_endian(width) + big_endian(height) +
                           std::string({char(bits), char(color), 0, 0, char(interlace)}));
}

/// Rows of `row` bytes, each behind the filter "none".
inline std::string rows(std::string_view pixels, size_t row) {
  std::string out;
  for (size_t i = 0; i < pixels.size(); i += row) {
    out += '\0';
    out += pixels.substr(i, row);
  }
  return out;
}

/// A PNG of 8 bits per channel; `pixels` are [height, width, channels].
inline std::string png(uint32_t width, uint32_t height, int channels, std::string_view pixels) {
  int color = channels == 1 ? 0 : channels == 2 ? 4 : channels == 3 ? 2 : 6;
  return std::string(png_signature) + ihdr(width, height, 8, color) +
         chunk("IDAT", deflated(rows(pixels, width * size_t(channels)))) + chunk("IEND", "");
}

}  // namespace braid::test
