// Writes scenes for semantic segmentation, made of Fashion-MNIST: two to four garments on a
// cluttered canvas of 96x96, and for each scene its mask.
//
//   compose OUT [DATA [SEED [TRAIN TEST]]]
//
// writes OUT/train/images/000000.png (RGB), OUT/train/masks/000000.png (gray: 0 = the ground,
// 1 = a top, 2 = trousers, 3 = a dress, 4 = a shoe, 5 = a bag, 255 = an edge that is half
// transparent, not to be counted),
// ... and the same under OUT/test, from other garments. The same arguments give the same bytes.
//
// Garments are lighter than the ground, and yet brightness does not give one away: what lies around
// are shapes, textures, and a garment whose pixels were shuffled. The light differs from scene to
// scene, as in a set of pictures that one image does not stand for.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <braid/core/random.h>
#include <zlib.h>

#include "write_png.h"

namespace {

namespace fs = std::filesystem;

constexpr int side = 96;      // of a scene
constexpr int original = 28;  // of a garment

using Color = std::array<double, 3>;

/// One stream of random numbers, drawn one after the other.
class Dice {
 public:
  explicit Dice(uint64_t key) : key_(key) {}
  double real(double from, double to) { return from + (to - from) * braid::uniform(key_, at_++); }
  int whole(int from, int to) {  // both included
    return from + int(braid::uniform_below(key_, at_++, uint64_t(to - from + 1)));
  }
  bool chance(double p) { return real(0, 1) < p; }
  Color color(double from, double to) { return {real(from, to), real(from, to), real(from, to)}; }
  uint64_t stream() { return braid::random_bits(key_, at_++); }

 private:
  uint64_t key_, at_ = 0;
};

struct Garment {
  std::array<double, original*original> value = {}, solid = {};  // 0 to 1
};

struct Garments {
  std::vector<uint8_t> pixels, labels;
};

std::vector<uint8_t> read_idx(const std::string& path, size_t header) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<uint8_t> bytes;
  std::array<uint8_t, 1 << 16> piece;
  int got = 0;
  while ((got = gzread(file, piece.data(), unsigned(piece.size()))) > 0) {
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + got);
  }
  gzclose(file);
  if (got < 0 || bytes.size() <= header) throw std::runtime_error("damaged: " + path);
  bytes.erase(bytes.begin(), bytes.begin() + std::ptrdiff_t(header));
  return bytes;
}

Garments read_garments(const std::string& folder, const std::string& part) {
  Garments all{read_idx(folder + "/" + part + "-images-idx3-ubyte.gz", 16),
               read_idx(folder + "/" + part + "-labels-idx1-ubyte.gz", 8)};
  if (all.pixels.size() != all.labels.size() * original * original)
    throw std::runtime_error("images and labels of " + folder + " do not belong together");
  return all;
}

/// What is solid: everything but the dark that is connected with the border, so that dark cloth is
/// a part of its garment.
void find_solid(Garment& garment) {
  garment.solid.fill(1);
  std::vector<int> open;
  auto visit = [&](int x, int y) {
    if (x < 0 || y < 0 || x >= original || y >= original) return;
    size_t i = size_t(y * original + x);
    if (garment.solid[i] == 0 || garment.value[i] > 0.06) return;
    garment.solid[i] = 0;
    open.push_back(int(i));
  };
  for (int i = 0; i < original; ++i) {
    visit(i, 0), visit(i, original - 1), visit(0, i), visit(original - 1, i);
  }
  while (!open.empty()) {
    int x = open.back() % original, y = open.back() / original;
    open.pop_back();
    visit(x - 1, y), visit(x + 1, y), visit(x, y - 1), visit(x, y + 1);
  }
}

Garment take(const Garments& all, size_t index) {
  Garment garment;
  for (size_t i = 0; i < garment.value.size(); ++i) {
    garment.value[i] = all.pixels[index * garment.value.size() + i] / 255.0;
  }
  find_solid(garment);
  return garment;
}

/// The same brightness and the same holes in no order: nothing that has a shape.
Garment shuffled(const Garment& garment, Dice& dice) {
  Garment result = garment;
  for (int i = original * original - 1; i > 0; --i) {
    size_t a = size_t(i), b = size_t(dice.whole(0, i));
    std::swap(result.value[a], result.value[b]);
    std::swap(result.solid[a], result.solid[b]);
  }
  return result;
}

double bilinear(const std::array<double, original * original>& of, double x, double y) {
  auto at = [&](int i, int j) {
    if (i < 0 || j < 0 || i >= original || j >= original) return 0.0;
    return of[size_t(j * original + i)];
  };
  int i = int(std::floor(x)), j = int(std::floor(y));
  double u = x - i, v = y - j;
  return (1 - v) * ((1 - u) * at(i, j) + u * at(i + 1, j)) +
         v * ((1 - u) * at(i, j + 1) + u * at(i + 1, j + 1));
}

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

struct Scene {
  std::vector<Color> canvas = std::vector<Color>(side * side);
  std::vector<uint8_t> mask = std::vector<uint8_t>(side * side, 0);

  template <class F>
  void each(F&& f) {
    each_near(side / 2, side / 2, side, side, f);
  }

  /// The pixels that are at most `rx`, `ry` from a point.
  template <class F>
  void each_near(double cx, double cy, double rx, double ry, F&& f) {
    int right = std::min(int(cx + rx) + 2, side), below = std::min(int(cy + ry) + 2, side);
    for (int y = std::max(int(cy - ry) - 1, 0); y < below; ++y) {
      for (int x = std::max(int(cx - rx) - 1, 0); x < right; ++x) f(x, y, size_t(y * side + x));
    }
  }
};

Color mix(const Color& a, const Color& b, double t) {
  return {a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t};
}

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

/// A rectangle or an ellipse, plain, striped or textured.
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

/// `label` 0 paints without a trace in the mask, as if it were the ground.
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

/// Light from one side, and a sensor's noise.
std::vector<uint8_t> photograph(Scene& scene, Dice& dice) {
  double gain = dice.real(0.35, 1.15), offset = dice.real(0, 0.2), noise = dice.real(0.01, 0.03);
  double dx = dice.real(-0.4, 0.4), dy = dice.real(-0.4, 0.4);
  std::vector<uint8_t> bytes;
  scene.each([&](int x, int y, size_t i) {
    double light = gain * (1 + dx * (x - side / 2) / side + dy * (y - side / 2) / side);
    for (double value : scene.canvas[i]) {
      double seen = offset + light * value + noise * (dice.real(-1, 1) + dice.real(-1, 1));
      bytes.push_back(uint8_t(std::clamp(seen, 0.0, 1.0) * 255 + 0.5));
    }
  });
  return bytes;
}

// Fashion-MNIST's ten classes by what can be told from afar: tops (T-shirt, pullover, coat, shirt),
// trousers, dresses, shoes (sandal, sneaker, boot), bags.
constexpr std::array<uint8_t, 10> kind = {1, 2, 1, 3, 1, 4, 1, 4, 5, 4};
constexpr int kinds = 5;

Garment any_garment(const Garments& all, Dice& dice, uint8_t& label) {
  label = uint8_t(dice.whole(1, kinds));
  size_t index = 0;
  do {
    index = size_t(dice.whole(0, int(all.labels.size()) - 1));
  } while (kind[all.labels[index]] != label);
  return take(all, index);
}

std::vector<uint8_t> compose(const Garments& all, uint64_t key, std::vector<uint8_t>& mask) {
  Dice dice(key);
  Scene scene;
  uint8_t label = 0;
  paint_ground(scene, dice);
  for (int n = dice.whole(1, 4); n > 0; --n) paint_shape(scene, dice);
  for (int n = dice.whole(0, 1); n > 0; --n) {
    Garment noise = shuffled(any_garment(all, dice, label), dice);
    paint_garment(scene, noise, 0, dice);
  }
  for (int n = dice.whole(2, 4); n > 0; --n) {
    Garment garment = any_garment(all, dice, label);
    paint_garment(scene, garment, label, dice);
  }
  mask = scene.mask;
  return photograph(scene, dice);
}

/// An empty folder for our files: those of an earlier call, "000123.png", are removed.
fs::path prepare(const fs::path& folder) {
  fs::create_directories(folder);
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    bool ours =
        name.size() == 10 && name.ends_with(".png") && name.find_first_not_of("0123456789") == 6;
    if (ours) old.push_back(entry.path());
  }
  for (const fs::path& path : old) fs::remove(path);
  return folder;
}

void write_scenes(const fs::path& out, const Garments& all, uint64_t seed, const std::string& part,
                  int scenes) {
  fs::path images = prepare(out / part / "images"), masks = prepare(out / part / "masks");
  for (int i = 0; i < scenes; ++i) {
    std::array<char, 16> name;
    std::snprintf(name.data(), name.size(), "%06d.png", i);
    std::vector<uint8_t> mask;
    uint64_t key = braid::random_key(seed, uint64_t(i), braid::hash_text(part));
    std::vector<uint8_t> image = compose(all, key, mask);
    garments::write_png((images / name.data()).string(), side, side, 3, image);
    garments::write_png((masks / name.data()).string(), side, side, 1, mask);
  }
}

int number(const char* text) {
  int value = std::atoi(text);
  if (value < 1 || value > 999'999)
    throw std::runtime_error("1 to 999999, not " + std::string(text));
  return value;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2 || argc > 6 || argc == 5) {
    std::fprintf(stderr, "usage: compose OUT [DATA [SEED [TRAIN TEST]]]\n");
    return 2;
  }
  fs::path out = argv[1];
  std::string data = argc > 2 ? argv[2] : "/usr/share/datasets/fashion-mnist";
  uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 7;
  int train = argc > 5 ? number(argv[4]) : 2000, test = argc > 5 ? number(argv[5]) : 400;
  write_scenes(out, read_garments(data, "train"), seed, "train", train);
  write_scenes(out, read_garments(data, "t10k"), seed, "test", test);
  std::printf("%d + %d scenes in %s\n", train, test, out.c_str());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "compose: %s\n", error.what());
  return 1;
}
