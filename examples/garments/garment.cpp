#include "garment.h"

#include <cmath>
#include <stdexcept>
#include <utility>

#include <zlib.h>

namespace garments {

namespace {

// Fashion-MNIST's ten classes by what can be told from afar: tops (T-shirt, pullover, coat, shirt),
// trousers, dresses, shoes (sandal, sneaker, boot), bags.
constexpr std::array<uint8_t, 10> kind = {1, 2, 1, 3, 1, 4, 1, 4, 5, 4};
constexpr int kinds = 5;

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

}  // namespace

Garments read_garments(const std::string& folder, const std::string& part) {
  Garments all{read_idx(folder + "/" + part + "-images-idx3-ubyte.gz", 16),
               read_idx(folder + "/" + part + "-labels-idx1-ubyte.gz", 8)};
  if (all.pixels.size() != all.labels.size() * original * original)
    throw std::runtime_error("images and labels of " + folder + " do not belong together");
  return all;
}

Garment any_garment(const Garments& all, Dice& dice, uint8_t& label) {
  label = uint8_t(dice.whole(1, kinds));
  size_t index = 0;
  do {
    index = size_t(dice.whole(0, int(all.labels.size()) - 1));
  } while (kind[all.labels[index]] != label);
  return take(all, index);
}

Garment shuffled(const Garment& garment, Dice& dice) {
  Garment result = garment;
  for (int i = original * original - 1; i > 0; --i) {
    size_t a = size_t(i), b = size_t(dice.whole(0, i));
    std::swap(result.value[a], result.value[b]);
    std::swap(result.solid[a], result.solid[b]);
  }
  return result;
}

double bilinear(const Plane& of, double x, double y) {
  auto at = [&](int i, int j) {
    if (i < 0 || j < 0 || i >= original || j >= original) return 0.0;
    return of[size_t(j * original + i)];
  };
  int i = int(std::floor(x)), j = int(std::floor(y));
  double u = x - i, v = y - j;
  return (1 - v) * ((1 - u) * at(i, j) + u * at(i + 1, j)) +
         v * ((1 - u) * at(i, j + 1) + u * at(i + 1, j + 1));
}

}  // namespace garments
