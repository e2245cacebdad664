// stb_image_write behind one function: the one place that knows it.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "data/stb.h"

namespace braid::stb {

/// A PNG of height * width * channels bytes, channels fastest; "" when there is no memory for it.
std::string encode_png(std::span<const uint8_t> pixels, const Extent& extent);

}  // namespace braid::stb
