#include "data/image_file.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <braid/core/error.h>

#include "data/png_check.h"
#include "data/stb.h"
#include "posix/input_file.h"

namespace braid {

namespace {

using Bytes = std::span<const std::byte>;

bool is_jpeg(Bytes file) {
  return file.size() >= 4 && file[0] == std::byte{0xff} && file[1] == std::byte{0xd8};
}

}  // namespace

ImageFile::ImageFile(std::string path, const Mark& mark) : path_(std::move(path)), mark_(mark) {
  posix::InputFile file(path_, mark);
  if (file.size() > ImageLimits::file_bytes) {
    refuse("E0361", fmt::format("it has {} bytes, more than an image may have ({})", file.size(),
                                ImageLimits::file_bytes));
  }
  bytes_.resize(size_t(file.size()));
  file.read(0, bytes_);
  if (is_jpeg(bytes_))
    refuse("E0360", "this is a JPEG file, and only PNG is read",
           "convert it; ImageMagick: mogrify -format png *.jpg");
  if (!is_png(bytes_)) refuse("E0360", "this is no PNG file");
  read_png();
  bool fits = width_ <= ImageLimits::side && height_ <= ImageLimits::side &&
              width_ * height_ * channels_ <= ImageLimits::values;
  if (!fits) {
    refuse("E0361",
           fmt::format("its header announces {}x{} pixels of {} channels, more than an image may "
                       "have (sides of {}, {} values)",
                       height_, width_, channels_, ImageLimits::side, ImageLimits::values));
  }
}

void ImageFile::refuse(std::string code, const std::string& why, const std::string& help) const {
  throw Error(Fault::data, std::move(code), fmt::format("'{}': {}", path_, why), mark_).help(help);
}

void ImageFile::read_png() {
  PngHeader header;
  if (std::string why = read_png_header(bytes_, header); !why.empty()) {
    refuse("E0360", "this PNG is damaged: " + why);
  }
  // A palette's index is no gray value, and a color of it that is not there has no value at all.
  if (header.color == 3) {
    refuse("E0364", "a PNG with a palette is not read",
           "save it as gray (for classes: gray value = class) or RGB");
  }
  if (header.bits == 16) {
    refuse("E0364", "a PNG of 16 bits is not read", "save it with 8 bits per channel");
  }
  width_ = header.width, height_ = header.height, channels_ = header.channels();
  exact_ = header.bits == 8;
}

void ImageFile::decode(std::span<std::byte> out) const {
  ensure(int64_t(out.size()) == width_ * height_ * channels_, "a buffer of another size");
  PngHeader header;
  std::string why = read_png_header(bytes_, header);
  if (why.empty()) why = check_png(bytes_, header);
  std::vector<std::byte> pixels;
  if (why.empty()) why = stb::decode(bytes_, {width_, height_, channels_}, pixels);
  if (!why.empty()) refuse("E0360", "this PNG is damaged: " + why);
  size_t n = size_t(width_ * height_), planes = size_t(channels_);
  for (size_t c = 0; c < planes; ++c) {
    for (size_t i = 0; i < n; ++i) out[c * n + i] = pixels[i * planes + c];
  }
}

}  // namespace braid
