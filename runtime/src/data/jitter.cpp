// Pillow's ImageEnhance and its HSV, through which torchvision's ColorJitter goes.
#include <algorithm>
#include <cmath>

#include "data/pixels.h"

namespace braid {

namespace {

struct Color {
  uint8_t r, g, b;
};

/// Pillow's L: gray by ITU-R 601.
uint8_t gray(const Color& c) {
  return uint8_t((c.r * 19595 + c.g * 38470 + c.b * 7471 + 0x8000) >> 16);
}

/// Image.blend: from `base` to `value` and beyond.
uint8_t blend(int base, int value, float factor) {
  float mixed = float(base) + factor * float(value - base);
  if (factor >= 0 && factor <= 1) return uint8_t(int(mixed));
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : uint8_t(int(mixed));
}

uint8_t byte(double x) { return uint8_t(std::clamp(x, 0.0, 255.0)); }

/// Hue, saturation, value, of 255 each.
Color to_hsv(const Color& c) {
  uint8_t most = std::max({c.r, c.g, c.b}), least = std::min({c.r, c.g, c.b});
  if (most == least) return {0, 0, most};
  float range = float(most - least), s = range / float(most);
  float rc = float(most - c.r) / range, gc = float(most - c.g) / range,
        bc = float(most - c.b) / range;
  float h = c.r == most   ? bc - gc
            : c.g == most ? float(2.0 + double(rc) - double(bc))
                          : float(4.0 + double(gc) - double(rc));
  h = float(std::fmod(double(h) / 6.0 + 1.0, 1.0));
  return {byte(std::trunc(double(h) * 255.0)), byte(std::trunc(double(s) * 255.0)), most};
}

Color to_rgb(const Color& hsv) {
  uint8_t v = hsv.b;
  if (hsv.g == 0) return {v, v, v};
  double sector = double(float(hsv.r)) * 6.0 / 255.0;
  int i = int(std::floor(sector));
  float f = float(sector - double(float(i))), s = float(double(float(hsv.g)) / 255.0);
  auto part = [&](double less) { return byte(std::round(double(v) * (1.0 - less))); };
  uint8_t p = part(double(s)), q = part(double(s * f)), t = part(double(s) * (1.0 - double(f)));
  switch (i % 6) {
    case 0:
      return {v, t, p};
    case 1:
      return {q, v, p};
    case 2:
      return {p, v, t};
    case 3:
      return {p, q, v};
    case 4:
      return {t, p, v};
    default:
      return {v, p, q};
  }
}

class Painter {
 public:
  explicit Painter(Pixels& pixels) : pixels_(pixels), n_(pixels.in_plane()) {}

  void brightness(float factor) {
    for (uint8_t& value : pixels_.values) value = blend(0, value, factor);
  }

  void contrast(float factor) {
    int base = mean_gray();
    for (uint8_t& value : pixels_.values) value = blend(base, value, factor);
  }

  void saturation(float factor) {
    change([factor](const Color& c) {
      uint8_t base = gray(c);
      return Color{blend(base, c.r, factor), blend(base, c.g, factor), blend(base, c.b, factor)};
    });
  }

  void hue(double turns) {
    // A shift modulo 256, as NumPy's bytes overflow.
    auto shift = uint8_t(int(turns * 255));
    change([shift](const Color& c) {
      Color hsv = to_hsv(c);
      hsv.r = uint8_t(hsv.r + shift);
      return to_rgb(hsv);
    });
  }

 private:
  Color at(int64_t i) const {
    const uint8_t* v = pixels_.values.data() + i;
    return pixels_.planes == 3 ? Color{v[0], v[n_], v[2 * n_]} : Color{v[0], v[0], v[0]};
  }

  template <class F>
  void change(F&& f) {
    if (pixels_.planes != 3) return;
    for (int64_t i = 0; i < n_; ++i) {
      Color c = f(at(i));
      uint8_t* v = pixels_.values.data() + i;
      v[0] = c.r, v[n_] = c.g, v[2 * n_] = c.b;
    }
  }

  int mean_gray() const {
    int64_t sum = 0, count = 0;
    for (int64_t i = 0; i < n_; ++i) {
      if (!pixels_.inside.empty() && !pixels_.inside[size_t(i)]) continue;
      sum += pixels_.planes == 3 ? gray(at(i)) : pixels_.values[size_t(i)];
      ++count;
    }
    return count == 0 ? 0 : int(std::floor(double(sum) / double(count) + 0.5));
  }

  Pixels& pixels_;
  int64_t n_;
};

}  // namespace

void jitter(Pixels& pixels, const Jitter& by) {
  Painter painter(pixels);
  for (int what : by.order) {
    if (what == 0 && by.brightness != 1) painter.brightness(float(by.brightness));
    if (what == 1 && by.contrast != 1) painter.contrast(float(by.contrast));
    if (what == 2 && by.saturation != 1) painter.saturation(float(by.saturation));
    if (what == 3 && by.hue != 0) painter.hue(by.hue);
  }
}

}  // namespace braid
