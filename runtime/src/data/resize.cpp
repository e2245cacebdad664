// Pillow's Resample.c for bytes: a triangle over as many pixels as one of the result covers, first
// along rows, then along columns, in integers with 22 bits behind the point.
#include <algorithm>
#include <cmath>

#include "data/pixels.h"

namespace braid {

namespace {

constexpr int bits = 22;

/// The pixels that one of the result is made of.
struct Window {
  int64_t first = 0;
  std::vector<int32_t> weights = {};
};

int64_t half_up(double x) { return int64_t(std::floor(x + 0.5)); }

std::vector<Window> windows(int64_t from, int64_t to) {
  double scale = double(from) / double(to), wide = std::max(scale, 1.0);
  std::vector<Window> all(size_t(to), Window{});
  std::vector<double> parts;
  for (int64_t i = 0; i < to; ++i) {
    double middle = (double(i) + 0.5) * scale;
    int64_t first = std::max<int64_t>(half_up(middle - wide), 0);
    int64_t end = std::min(half_up(middle + wide), from);
    double sum = 0, narrow = 1.0 / wide;
    parts.clear();
    for (int64_t k = first; k < end; ++k) {
      double away = std::abs((double(k) - middle + 0.5) * narrow);
      parts.push_back(away < 1 ? 1 - away : 0);
      sum += parts.back();
    }
    Window& window = all[size_t(i)];
    window.first = first;
    for (double part : parts) {
      window.weights.push_back(int32_t(half_up((sum == 0 ? part : part / sum) * (1 << bits))));
    }
  }
  return all;
}

/// `from` points at the window's first pixel, the next is `step` further.
uint8_t weighted(const Window& window, const uint8_t* from, int64_t step) {
  int64_t sum = int64_t{1} << (bits - 1);
  for (int32_t weight : window.weights) {
    sum += int64_t{weight} * *from;
    from += step;
  }
  return uint8_t(std::clamp<int64_t>(sum >> bits, 0, 255));
}

void along_rows(Pixels& pixels, int64_t width) {
  const std::vector<Window> all = windows(pixels.width, width);
  std::vector<uint8_t> out(size_t(pixels.planes * pixels.height * width));
  uint8_t* to = out.data();
  const uint8_t* row = pixels.values.data();
  for (int64_t y = 0; y < pixels.planes * pixels.height; ++y, row += pixels.width) {
    for (const Window& window : all) *to++ = weighted(window, row + window.first, 1);
  }
  pixels.values = std::move(out);
  pixels.width = width;
}

void along_columns(Pixels& pixels, int64_t height) {
  const std::vector<Window> all = windows(pixels.height, height);
  std::vector<uint8_t> out(size_t(pixels.planes * height * pixels.width));
  uint8_t* to = out.data();
  for (int64_t p = 0; p < pixels.planes; ++p) {
    const uint8_t* plane = pixels.values.data() + p * pixels.in_plane();
    for (const Window& window : all) {
      const uint8_t* top = plane + window.first * pixels.width;
      for (int64_t x = 0; x < pixels.width; ++x) *to++ = weighted(window, top + x, pixels.width);
    }
  }
  pixels.values = std::move(out);
  pixels.height = height;
}

Pixels picked(const Pixels& from, int64_t height, int64_t width) {
  Pixels out{from.planes, height, width,
             std::vector<uint8_t>(size_t(from.planes * height * width))};
  auto nearest = [](int64_t i, int64_t to, int64_t of) { return (2 * i + 1) * of / (2 * to); };
  uint8_t* to = out.values.data();
  for (int64_t p = 0; p < from.planes; ++p) {
    for (int64_t y = 0; y < height; ++y) {
      const uint8_t* row =
          from.values.data() + p * from.in_plane() + nearest(y, height, from.height) * from.width;
      for (int64_t x = 0; x < width; ++x) *to++ = row[nearest(x, width, from.width)];
    }
  }
  return out;
}

}  // namespace

Pixels resized(const Pixels& from, int64_t height, int64_t width, bool nearest) {
  if (nearest) return picked(from, height, width);
  Pixels out = from;
  if (width != from.width) along_rows(out, width);
  if (height != from.height) along_columns(out, height);
  return out;
}

}  // namespace braid
