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
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <braid/core/random.h>

#include "dice.h"
#include "garment.h"
#include "scene.h"
#include "write_png.h"

namespace {

using namespace garments;
namespace fs = std::filesystem;

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
    write_png((images / name.data()).string(), side, side, 3, image);
    write_png((masks / name.data()).string(), side, side, 1, mask);
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
