// Whether a PNG is whole, before anybody decodes it: its chunks, their checksums, and that the
// compressed pixels are as many as the header says. stb_image looks at none of the three, and would
// take memory for whatever a few bytes inflate to.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace braid {

struct PngHeader {
  int64_t width = 0, height = 0;
  int bits = 0;   ///< of one sample: 1, 2, 4, 8, 16
  int color = 0;  ///< 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha
  bool interlaced = false;
  int64_t channels() const { return color == 2 ? 3 : color == 4 ? 2 : color == 6 ? 4 : 1; }
};

bool is_png(std::span<const std::byte> file);

/// The header of a file that is_png. Returns what is wrong with it, or "".
std::string read_png_header(std::span<const std::byte> file, PngHeader& header);

/// Walks over all chunks and inflates the pixels into nothing. Returns what is wrong, or "". Takes
/// time in proportion to the file and the pixels that the header announces, and 32 KiB of memory.
std::string check_png(std::span<const std::byte> file, const PngHeader& header);

}  // namespace braid
