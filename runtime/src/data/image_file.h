// One PNG file: what it says to be, then its pixels.
//
//   ImageFile file(path, mark);
//   if (file.channels() != 3) file.refuse("E0364", "it is gray");
//   file.decode(out);   // [channels, height, width]
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <braid/core/mark.h>

namespace braid {

/// Sizes beyond these are refused before memory is taken for them.
struct ImageLimits {
  static constexpr int64_t file_bytes = int64_t{64} << 20;
  static constexpr int64_t side = 32768;               ///< of width and height
  static constexpr int64_t values = int64_t{1} << 27;  ///< height * width * channels
};

class ImageFile {
 public:
  /// Reads file and header. Throws Error(Fault::data): E0301 to E0303 of reading, E0360 for what is
  /// no PNG, or a damaged header, E0361 beyond the limits, E0364 for a kind of PNG that is
  /// not read (16 bits, a palette). `mark` is where the folder or list was typed.
  ImageFile(std::string path, const Mark& mark);

  int64_t width() const { return width_; }
  int64_t height() const { return height_; }
  int64_t channels() const { return channels_; }
  /// Whether its bytes are the values that were stored: not those of a PNG of fewer bits, whose
  /// values are spread over 0 to 255.
  bool exact() const { return exact_; }

  /// Planes of bytes, height * width each, one per channel. Throws E0360 for damaged data.
  void decode(std::span<std::byte> out) const;

  [[noreturn]] void refuse(std::string code, const std::string& why,
                           const std::string& help = "") const;

 private:
  void read_png();

  std::string path_;
  const Mark& mark_;
  std::vector<std::byte> bytes_;
  int64_t width_ = 0, height_ = 0, channels_ = 0;
  bool exact_ = false;
};

}  // namespace braid
