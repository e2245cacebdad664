// stb_image behind two functions: the one place that knows it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace braid::stb {

struct Extent {
  int64_t width = 0, height = 0, channels = 0;
};

/// What the header of a JPEG says; channels 0 when there is none that can be read.
Extent jpeg_extent(std::span<const std::byte> file);

/// Decodes a PNG or JPEG of that extent into height * width * channels bytes, channels fastest.
/// Returns why not, or "". The extent was looked at before: memory is taken for it.
std::string decode(std::span<const std::byte> file, const Extent& extent,
                   std::vector<std::byte>& out);

}  // namespace braid::stb
