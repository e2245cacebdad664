// Writes a PNG of 8 bits per channel.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace garments {

/// `pixels` is [height, width, channels]. Throws std::runtime_error when the file cannot be
/// written.
void write_png(const std::string& path, int height, int width, int channels,
               const std::vector<uint8_t>& pixels);

}  // namespace garments
