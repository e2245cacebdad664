// Memory formats. "" is plain (row-major). Other formats are written as oneDNN writes its tags:
// letters are dimensions from the outermost to the innermost, a capital letter is a dimension that
// is cut into blocks, and what follows are the blocks, e.g. "aBcd16b" (nChw16c): channels in blocks
// of 16, the 16 channels of a block side by side. Blocked dimensions are padded with zeros.
//
//   storage_elements({2, 20, 7, 5}, "aBcd16b");   // 2 * 32 * 7 * 5
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace braid {

using Format = std::string;

/// Elements of memory that a tensor of `dims` takes in `format`, padding included.
int64_t storage_elements(std::span<const int64_t> dims, std::string_view format);

/// The channel block of an activation format: 16 for "aBcd16b", 8 for "aBcd8b", 1 for plain, 0 for
/// any other format.
int channel_block(std::string_view format);

}  // namespace braid
