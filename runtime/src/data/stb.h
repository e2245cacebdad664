// stb_image behind one function: the one place that knows it.
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

/// Decodes a PNG of that extent into height * width * channels bytes, channels fastest.
/// Returns why not, or "". The extent was looked at before: memory is taken for it.
std::string decode(std::span<const std::byte> file, const Extent& extent,
                   std::vector<std::byte>& out);

}  // namespace braid::stb
