#include "scene.h"

#include <cmath>

namespace garments {

namespace {

/// Smooth random values between 0 and 1 over cells of `cell` pixels.
class Texture {
 public:
  Texture(uint64_t key, double cell) : key_(key), cell_(cell) {}
  double at(double x, double y) const {
    double i = std::floor(x / cell_), j = std::floor(y / cell_);
    double u = smooth(x / cell_ - i), v = smooth(y / cell_ - j);
    return (1 - v) * ((1 - u) * corner(i, j) + u * corner(i + 1, j)) +
           v * ((1 - u) * corner(i, j + 1) + u * corner(i + 1, j + 1));
  }

 private:
  static double smooth(double t) { return t * t * (3 - 2 * t); }
  double corner(double i, double j) const {
    return braid::uniform(key_, uint64_t(int64_t(i) + 1000) * 4096 + uint64_t(int64_t(j) + 1000));
  }
  uint64_t key_;
  double cell_;
};

Color mix(const Color& a, const Color& b, double t) {
  return {a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t};
}

}  // namespace

void paint_ground(Scene& scene, Dice& dice) {
  Color from = dice.color(0, 0.45), to = dice.color(0, 0.45);
  double dx = dice.real(-1, 1), dy = dice.real(-1, 1);
  Texture coarse(dice.stream(), dice.real(12, 40)), fine(dice.stream(), dice.real(2, 6));
  double strength = dice.real(0.1, 0.4);
  scene.each([&](int x, int y, size_t i) {
    double slope = 0.5 + (dx * (x - side / 2) + dy * (y - side / 2)) / (2 * side);
    double t = 0.5 * slope + 0.5 * coarse.at(x, y) + strength * (fine.at(x, y) - 0.5);
    scene.canvas[i] = mix(from, to, t);
  });
}

void paint_shape(Scene& scene, Dice& dice) {
  double cx = dice.real(0, side), cy = dice.real(0, side);
  double rx = dice.real(4, 16), ry = dice.real(4, 16);
  bool round = dice.chance(0.5);
  Color a = dice.color(0, 0.9), b = dice.color(0, 0.9);
  int stripes = dice.whole(0, 5);
  Texture texture(dice.stream(), dice.real(2, 8));
  scene.each_near(cx, cy, rx, ry, [&](int x, int y, size_t i) {
    double u = (x - cx) / rx, v = (y - cy) / ry;
    if (round ? u * u + v * v > 1 : std::max(std::abs(u), std::abs(v)) > 1) return;
    double t = stripes > 1 ? double((x / stripes + y / stripes) % 2) : texture.at(x, y);
    scene.canvas[i] = mix(a, b, t);
  });
}

void paint_garment(Scene& scene, const Garment& garment, uint8_t label, Dice& dice) {
  double scale = dice.real(1.4, 2), size = scale * original;
  double left = dice.real(-size / 6, side - size * 5 / 6);
  double top = dice.real(-size / 6, side - size * 5 / 6);
  bool mirror = dice.chance(0.5);
  Color dark = dice.color(0.1, 0.3), light = dice.color(0.65, 1);
  double half = size / 2 + scale;
  scene.each_near(left + size / 2, top + size / 2, half, half, [&](int x, int y, size_t i) {
    double u = (x + 0.5 - left) / scale - 0.5, v = (y + 0.5 - top) / scale - 0.5;
    if (mirror) u = original - 1 - u;
    double solid = bilinear(garment.solid, u, v);
    if (solid <= 0) return;
    Color cloth = mix(dark, light, bilinear(garment.value, u, v) / solid);
    scene.canvas[i] = mix(scene.canvas[i], cloth, solid);
    if (solid > 0.75) scene.mask[i] = label;
    if (solid > 0.25 && solid <= 0.75 && label != 0) scene.mask[i] = 255;
  });
}

std::vector<uint8_t> photograph(Scene& scene, Dice& dice) {
  double gain = dice.real(0.35, 1.15), offset = dice.real(0, 0.2), noise = dice.real(0.01, 0.03);
  double dx = dice.real(-0.4, 0.4), dy = dice.real(-0.4, 0.4);
  std::vector<uint8_t> bytes;
  scene.each([&](int x, int y, size_t i) {
    double light = gain * (1 + dx * (x - side / 2) / side + dy * (y - side / 2) / side);
    for (double value : scene.canvas[i]) {
      double seen = offset + light * value + noise * (dice.real(-1, 1) + dice.real(-1, 1));
      bytes.push_back(uint8_t(std::lround(std::clamp(seen, 0.0, 1.0) * 255)));
    }
  });
  return bytes;
}

}  // namespace garments
