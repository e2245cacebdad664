// PNG (third edition): eight bytes of signature, then chunks of length, type, data and CRC-32, all
// big endian. IHDR is the first, the IDATs follow one another, IEND is the last.
#include "data/png_check.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <zlib.h>

namespace braid {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::string_view signature = "\x89PNG\r\n\x1a\n";
constexpr size_t header_length = 13;

const Bytef* raw(Bytes bytes) { return reinterpret_cast<const Bytef*>(bytes.data()); }

uint32_t number(Bytes at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<uint32_t>(at[i]);
  return value;
}

struct Chunk {
  std::string_view type;
  Bytes data;
};

/// Takes the first chunk off `rest`. Returns what is wrong, or "".
std::string take_chunk(Bytes& rest, Chunk& out) {
  if (rest.size() < 12) return "the file ends too early";
  size_t length = number(rest);
  if (length > rest.size() - 12) return "the file ends within a chunk, or a length is damaged";
  out.type = {reinterpret_cast<const char*>(rest.data()) + 4, 4};
  out.data = rest.subspan(8, length);
  uint32_t stored = number(rest.subspan(8 + length));
  if (crc32(0, raw(rest.subspan(4)), uInt(length + 4)) != stored) {
    return fmt::format("a checksum is wrong ({} bytes of {})", length, out.type);
  }
  rest = rest.subspan(12 + length);
  return {};
}

bool depth_fits_color(int bits, int color) {
  if (color == 0) return bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
  if (color == 3) return bits == 1 || bits == 2 || bits == 4 || bits == 8;
  return (color == 2 || color == 4 || color == 6) && (bits == 8 || bits == 16);
}

/// Bytes of the pixels before compression: each row has one more, its filter.
int64_t filtered_bytes(const PngHeader& h) {
  auto pass = [&](int64_t width, int64_t height) {
    return width == 0 ? 0 : height * (1 + (width * h.channels() * h.bits + 7) / 8);
  };
  if (!h.interlaced) return pass(h.width, h.height);
  // Adam7: where each pass begins, and its steps.
  struct Pass {
    int64_t x, y, dx, dy;
  };
  constexpr std::array<Pass, 7> passes = {{{0, 0, 8, 8},
                                           {4, 0, 8, 8},
                                           {0, 4, 4, 8},
                                           {2, 0, 4, 4},
                                           {0, 2, 2, 4},
                                           {1, 0, 2, 2},
                                           {0, 1, 1, 2}}};
  int64_t bytes = 0;
  for (const Pass& p : passes) {
    bytes += pass((h.width - p.x + p.dx - 1) / p.dx, (h.height - p.y + p.dy - 1) / p.dy);
  }
  return bytes;
}

/// Inflates what the IDATs hold and counts it.
class Counter {
 public:
  explicit Counter(int64_t expected) : expected_(expected) { ready_ = inflateInit(&z_) == Z_OK; }
  ~Counter() { inflateEnd(&z_); }
  Counter(const Counter&) = delete;

  std::string take(Bytes data) {
    if (!ready_) return "no memory to inflate it";
    z_.next_in = const_cast<Bytef*>(raw(data));
    z_.avail_in = uInt(data.size());
    while (z_.avail_in > 0 && !ended_) {
      z_.next_out = scratch_.data();
      z_.avail_out = uInt(scratch_.size());
      int status = inflate(&z_, Z_NO_FLUSH);
      count_ += int64_t(scratch_.size() - z_.avail_out);
      ended_ = status == Z_STREAM_END;
      if (status != Z_OK && !ended_) return "its compressed pixels are damaged";
      if (count_ > expected_) return "it has more pixels than its header says";
    }
    return {};
  }

  std::string finish() const {
    if (ended_ && count_ == expected_) return {};
    return "it has fewer pixels than its header says";
  }

 private:
  z_stream z_ = {};
  int64_t expected_, count_ = 0;
  bool ready_ = false, ended_ = false;
  std::array<Bytef, 1 << 15> scratch_;
};

}  // namespace

bool is_png(Bytes file) {
  return file.size() >= signature.size() &&
         std::memcmp(file.data(), signature.data(), signature.size()) == 0;
}

std::string read_png_header(Bytes file, PngHeader& header) {
  Bytes rest = file.subspan(signature.size());
  Chunk chunk;
  if (std::string why = take_chunk(rest, chunk); !why.empty()) return why;
  if (chunk.type != "IHDR" || chunk.data.size() != header_length) return "it has no header";
  auto byte = [&](size_t i) { return std::to_integer<int>(chunk.data[i]); };
  header = {.width = number(chunk.data),
            .height = number(chunk.data.subspan(4)),
            .bits = byte(8),
            .color = byte(9),
            .interlaced = byte(12) == 1};
  if (header.width == 0 || header.height == 0) {
    return fmt::format("its size is {}x{}", header.height, header.width);
  }
  bool known = byte(10) == 0 && byte(11) == 0 && byte(12) <= 1;
  return known && depth_fits_color(header.bits, header.color) ? "" : "its header is damaged";
}

std::string check_png(Bytes file, const PngHeader& header) {
  Bytes rest = file.subspan(signature.size());
  Counter pixels(filtered_bytes(header));
  bool begun = false, ended = false;  // the run of IDATs
  for (Chunk chunk; chunk.type != "IEND";) {
    if (std::string why = take_chunk(rest, chunk); !why.empty()) return why;
    bool first = chunk.data.data() == file.data() + signature.size() + 8;
    if (chunk.type == "IDAT") {
      if (ended) return "its pixels are not in one piece";
      begun = true;
      if (std::string why = pixels.take(chunk.data); !why.empty()) return why;
      continue;
    }
    ended = begun;
    // A small first letter marks what a reader may skip.
    bool may_skip = chunk.type[0] >= 'a' && chunk.type[0] <= 'z';
    bool known = chunk.type == "IHDR" ? first : chunk.type == "PLTE" || chunk.type == "IEND";
    if (!may_skip && !known)
      return fmt::format("it has a chunk that nobody knows ({})", chunk.type);
  }
  return pixels.finish();
}

}  // namespace braid
