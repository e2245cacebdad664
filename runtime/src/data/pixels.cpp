#include "data/pixels.h"

#include <algorithm>
#include <cmath>

namespace braid {

namespace {

constexpr double pi = 3.141592653589793;

/// Fixed point with 16 bits behind the point.
int64_t fixed(double x) { return int64_t(std::floor(x * 65536.0 + 0.5)); }

/// Where the pixel (x, y) of the result comes from: a x + b y + c.
struct Line {
  int64_t a, b, c;
  Line(double x, double y, double at) : a(fixed(x)), b(fixed(y)), c(fixed(at + (x + y) * 0.5)) {}
  int64_t at(int64_t x, int64_t y) const {
    int64_t place = c + a * x + b * y;
    return place < 0 ? -1 : place >> 16;
  }
};

double rounded(double x) { return std::nearbyint(x * 1e15) * 1e-15; }

template <class Swap>
void flip_planes(Pixels& pixels, Swap swap) {
  for (int64_t p = 0; p < pixels.planes; ++p) swap(pixels.values.data() + p * pixels.in_plane());
  if (!pixels.inside.empty()) swap(pixels.inside.data());
}

}  // namespace

Pixels cut(std::span<const uint8_t> values, int64_t planes, int64_t height, int64_t width,
           const Box& box) {
  Pixels out{planes, box.height, box.width,
             std::vector<uint8_t>(size_t(planes * box.height * box.width))};
  int64_t top = std::clamp<int64_t>(-box.top, 0, box.height);
  int64_t bottom = std::clamp<int64_t>(height - box.top, top, box.height);
  int64_t left = std::clamp<int64_t>(-box.left, 0, box.width);
  int64_t right = std::clamp<int64_t>(width - box.left, left, box.width);
  bool all = top == 0 && left == 0 && bottom == box.height && right == box.width;
  if (!all) out.inside.resize(size_t(box.height * box.width));
  for (int64_t y = top; y < bottom; ++y) {
    for (int64_t p = 0; p < planes; ++p) {
      const uint8_t* from = values.data() + (p * height + box.top + y) * width + box.left;
      std::copy(from + left, from + right,
                out.values.data() + (p * box.height + y) * box.width + left);
    }
    if (!all) std::fill_n(out.inside.data() + y * box.width + left, right - left, uint8_t{1});
  }
  return out;
}

void flip_horizontally(Pixels& pixels) {
  flip_planes(pixels, [&](uint8_t* plane) {
    for (int64_t y = 0; y < pixels.height; ++y, plane += pixels.width) {
      std::reverse(plane, plane + pixels.width);
    }
  });
}

void flip_vertically(Pixels& pixels) {
  flip_planes(pixels, [&](uint8_t* plane) {
    for (int64_t y = 0; y < pixels.height / 2; ++y) {
      uint8_t *above = plane + y * pixels.width,
              *below = plane + (pixels.height - 1 - y) * pixels.width;
      std::swap_ranges(above, above + pixels.width, below);
    }
  });
}

Pixels rotated(const Pixels& from, double degrees) {
  // Pillow's Image.rotate and affine_fixed.
  double turn = -degrees * pi / 180, cos = rounded(std::cos(turn)), sin = rounded(std::sin(turn));
  double mx = double(from.width) / 2, my = double(from.height) / 2;
  const Line column(cos, sin, mx - (cos * mx + sin * my)),
      row(-sin, cos, my - (-sin * mx + cos * my));
  Pixels out{from.planes, from.height, from.width, std::vector<uint8_t>(from.values.size()),
             std::vector<uint8_t>(size_t(from.in_plane()))};
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      int64_t left = column.at(x, y), top = row.at(x, y);
      if (left < 0 || left >= from.width || top < 0 || top >= from.height) continue;
      int64_t to = y * out.width + x, at = top * from.width + left;
      out.inside[size_t(to)] = from.inside.empty() ? 1 : from.inside[size_t(at)];
      for (int64_t p = 0; p < out.planes; ++p) {
        out.values[size_t(p * out.in_plane() + to)] = from.values[size_t(p * from.in_plane() + at)];
      }
    }
  }
  return out;
}

}  // namespace braid
