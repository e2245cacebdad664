// ImageFolder, resize, and what is drawn for pictures of bytes: its laws, and that training sees
// the same whatever runs it.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <braid/core/random.h>
#include <braid/runtime/data.h>
#include <braid/runtime/session.h>
#include <braid/runtime/train.h>
#include <gtest/gtest.h>

#include "data/augment.h"
#include "runtime/declared.h"
#include "runtime/pngs.h"
#include "runtime/temp_folder.h"

namespace braid {
namespace {

using test::declared;
using test::error_of;
using test::faults_of;
using test::filled;
using test::png;
using test::TempFolder;

namespace fs = std::filesystem;

const std::vector<InputDecl> inputs = {{"image", {DType::f32, {N, 3, 8, 8}}},
                                       {"label", {DType::i64, {N}}}};

std::string noise(size_t bytes, uint64_t key) {
  std::string pixels;
  for (size_t i = 0; i < bytes; ++i) pixels += char(uniform_below(key, i, 256));
  return pixels;
}

/// Three classes of pictures that all have other sizes.
struct Photos : TempFolder {
  explicit Photos(uint32_t least = 9) {
    uint32_t n = 0;
    for (const char* name : {"dog", "bird", "cat"}) {
      fs::create_directories(*this / "train" + "/" + name);
      for (int i = 0; i < 4; ++i, ++n) {
        uint32_t height = least + n % 5, width = least + n % 3;
        write("train/" + std::string(name) + "/" + std::to_string(i) + ".png",
              png(width, height, 3, noise(size_t(height) * width * 3, n)));
      }
    }
    write("train/readme.txt", "beside the folders");
  }
};

TypedDict photos(Dict more = {}) {
  Dict all = {{"folder", "train"}, {"image", Dict{{"scale", 1}}}, {"label", Dict{}}};
  all.insert(all.end(), more.begin(), more.end());
  return declared("ImageFolder", all);
}

std::string opened(const TempFolder& folder, const TypedDict& data,
                   const std::vector<InputDecl>& decls = inputs) {
  return error_of(folder, [&] { DataSource::open(data, decls, folder.path()); });
}

TEST(ImageFolder, CountsFoldersByName) {
  Photos folder;
  DataSource source =
      DataSource::open(photos({{"resize", Attr::List{8, 8}}}), inputs, folder.path());
  EXPECT_EQ(source.size(), 12);
  std::vector<int64_t> all(12);
  for (size_t i = 0; i < 12; ++i) all[i] = int64_t(i);
  EXPECT_EQ(filled<int64_t>(source, 1, all),  // bird, cat, dog
            (std::vector<int64_t>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}));
}

TEST(ImageFolder, ReadsFoldersInFoldersAndPutsTheirFilesLast) {
  TempFolder folder;
  fs::create_directories(folder / "train/a/0");
  auto gray = [](char value) { return png(8, 8, 1, std::string(64, value)); };
  folder.write("train/a/0/z.png", gray(3));
  folder.write("train/a/b.PNG", gray(2));
  folder.write("train/a/a.png", gray(1));
  std::vector<InputDecl> decls = {{"image", {DType::u8, {N, 8, 8}}}, {"label", {DType::i64, {N}}}};
  TypedDict data =
      declared("ImageFolder", {{"folder", "train"}, {"image", Dict{}}, {"label", Dict{}}});
  std::vector<uint8_t> values =
      filled<uint8_t>(DataSource::open(data, decls, folder.path()), 0, {0, 1, 2});
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[64], 2);
  EXPECT_EQ(values[128], 3);
}

TEST(ImageFolder, DeclaredClassesKeepTheirNumbers) {
  Photos folder;
  Attr::List names = {"dog", "cat", "bird", "fox"};
  Dict size = {{"resize", Attr::List{8, 8}}, {"classes", names}};
  DataSource source = DataSource::open(photos(size), inputs, folder.path());
  EXPECT_EQ(filled<int64_t>(source, 1, {0, 4, 8}), (std::vector<int64_t>{0, 1, 2}));
  fs::remove_all(folder / "train/cat");
  source = DataSource::open(photos(size), inputs, folder.path());
  EXPECT_EQ(filled<int64_t>(source, 1, {0, 4}), (std::vector<int64_t>{0, 2}));
  size[1].value = Attr::List{"dog", "brid"};
  EXPECT_EQ(opened(folder, photos(size)),
            "E0366: '~/train' has a folder 'bird', which is none of the classes (did you mean "
            "'brid'?)");
}

TEST(ImageFolder, NamesWhatIsWrongWithFiles) {
  Photos folder;
  EXPECT_EQ(opened(folder, photos()),
            "E0363: '~/train/bird/0.png': it has 13x10 pixels, its input 8x8");
  EXPECT_EQ(opened(folder, photos({{"resize", 8}})),
            "E0363: '~/train/bird/0.png': scaled it has 10x8 pixels, its input 8x8");
  Dict cut = {{"augment", Dict{{"crop", Attr::List{8, 8}}}}};
  EXPECT_EQ(opened(folder, photos(cut)), "");
  folder.write("train/cat/1.png", png(7, 30, 3, noise(630, 1)));
  EXPECT_EQ(opened(folder, photos(cut)),
            "E0365: '~/train/cat/1.png': it has 30x7 pixels with 0 of padding, too small for a "
            "crop of 8x8");
  std::string damaged = png(9, 9, 3, noise(243, 1));
  damaged[60] ^= 1;
  folder.write("train/cat/1.png", damaged);
  EXPECT_TRUE(opened(folder, photos(cut)).starts_with("E0360: '~/train/cat/1.png': this PNG is "));
  folder.write("train/cat/1.png", png(1, 8000, 3, noise(24000, 1)));
  EXPECT_EQ(opened(folder, photos({{"resize", 100}, {"augment", Dict{{"flip", "both"}}}})),
            "E0363: '~/train/bird/0.png': scaled it has 130x100 pixels, its input 8x8");
  fs::remove_all(folder / "train/bird");
  EXPECT_EQ(
      opened(folder, photos({{"resize", 8192}, {"augment", Dict{{"crop", Attr::List{8, 8}}}}})),
      "E0361: '~/train/cat/1.png': scaled it has 65536000x8192 pixels, sides of more than "
      "32768");
  fs::create_directory(folder / "train/ant");
  EXPECT_EQ(opened(folder, photos(cut)), "E0343: '~/train/ant' has no images");
  fs::remove_all(folder / "train");
  EXPECT_EQ(opened(folder, photos(cut)),
            "E0301: cannot read folder '~/train': No such file or directory");
  fs::create_directory(folder / "train");
  EXPECT_EQ(opened(folder, photos(cut)), "E0343: '~/train' has no folders");
}

TEST(ImageFolder, ReportsEveryFaultOfTheDeclaration) {
  std::string start = "net.yaml:1:1: E0333: data source 'ImageFolder'";
  EXPECT_EQ(faults_of(photos({{"classes", Attr::List{"a", "a"}}, {"resize", 0}}), inputs),
            start + ": 'classes' must be a list of different names of folders, not [a, a]\n" +
                start +
                ": 'resize' must be the length of the shorter side, or [height, width], "
                "not 0\n");
  EXPECT_EQ(faults_of(declared("ImageFolder", {{"folder", "x"}, {"label", Dict{}}}), inputs),
            start +
                ": one input is to be filled by the pictures, [N, channels, height, width], "
                "others by the numbers of their folders, [N]\n");
  auto augment = [&](Dict augment) {
    return faults_of(photos({{"augment", std::move(augment)}}), inputs);
  };
  EXPECT_EQ(augment({{"rotate", Attr::List{10, 5}}}),
            start +
                ", augment: 'rotate' must be a number, or [low, high] of at least -360 and at "
                "most 360, not [10, 5]\n");
  EXPECT_EQ(augment({{"jitter", Dict{{"hue", 0.6}}}}),
            start +
                ", jitter: 'hue' must be a number, or [low, high] of at least -0.5 and at most "
                "0.5, not 0.6\n");
  EXPECT_EQ(augment({{"jitter", Dict{{"hues", 0.1}}}, {"flip", "both"}}),
            "net.yaml:1:1: E0331: data source 'ImageFolder', jitter: unknown key 'hues' (did you "
            "mean 'hue'?)\n");
  EXPECT_EQ(augment({{"random_resized_crop", Dict{{"scale", Attr::List{0, 1}}}}}),
            start +
                ", random_resized_crop: 'scale' must be [low, high] above 0 and at most 1, not "
                "[0, 1]\n");
  EXPECT_EQ(augment({{"random_resized_crop", true}, {"crop", Attr::List{8, 8}}}),
            start + ", augment: 'random_resized_crop' must be left out beside 'crop', not true\n");
  EXPECT_EQ(augment({{"flip", "both"}, {"flip_p", 1.5}}),
            start + ", augment: 'flip_p' must be from 0 to 1, and beside 'flip', not 1.5\n");
  std::vector<InputDecl> gray = inputs;
  gray[0].type.shape = {N, 1, 8, 8};
  EXPECT_EQ(faults_of(photos({{"augment", Dict{{"jitter", Dict{{"hue", 0.1}}}}}}), gray),
            start +
                ", jitter: input 'image' is f32 [N, 1, 8, 8], and saturation and hue are of 3 "
                "channels\n");
  EXPECT_EQ(
      faults_of(declared("Npy", {{"image", Dict{{"path", "x"}}}, {"augment", Dict{{"rotate", 5}}}}),
                inputs),
      "net.yaml:1:1: E0333: data source 'Npy': random_resized_crop, rotate and jitter are "
      "for pictures of bytes: Images, ImageFolder and Idx\n");
}

TEST(Drawn, ResizedCropsFollowTheirLaw) {
  const ResizedCropSpec spec{.scale = {0.25, 0.75}, .ratio = {0.5, 2}};
  double area = 0, logs = 0;
  int64_t left = 0, n = 4000;
  for (int64_t sample = 0; sample < n; ++sample) {
    Box box = drawn_part(spec, 200, 300, 7, sample);
    ASSERT_TRUE(box.top >= 0 && box.left >= 0 && box.top + box.height <= 200 &&
                box.left + box.width <= 300);
    double share = double(box.height * box.width) / 60000;
    double ratio = double(box.width) / double(box.height);
    ASSERT_TRUE(share > 0.24 && share < 0.76 && ratio > 0.49 && ratio < 2.05);
    area += share, logs += std::log(ratio);
    left += box.left > (300 - box.width) / 2;
  }
  // Large parts of a tall shape do not fit and are drawn again.
  EXPECT_NEAR(area / double(n), 0.47, 0.02);
  EXPECT_NEAR(logs / double(n), 0.12, 0.05);
  EXPECT_NEAR(double(left) / double(n), 0.5, 0.05);
  // What never fits is the middle, as much of it as the ratio allows.
  Box box = drawn_part({.scale = {1, 1}, .ratio = {2, 2.5}}, 100, 100, 7, 0);
  EXPECT_EQ(std::pair(box.top, box.height), std::pair(int64_t{25}, int64_t{50}));
  EXPECT_EQ(std::pair(box.left, box.width), std::pair(int64_t{0}, int64_t{100}));
}

TEST(Drawn, TurnsAndColorsCoverTheirRanges) {
  AugmentSpec spec;
  spec.rotate = {-10, 30};
  const JitterSpec ranges{.brightness = {0.5, 1.5}, .hue = {-0.1, 0.1}};
  double least = 99, most = -99, sum = 0, bright = 0;
  std::map<std::array<int, 4>, int> orders;
  for (int64_t sample = 0; sample < 2400; ++sample) {
    double degrees = drawn_degrees(spec, 7, sample);
    least = std::min(least, degrees), most = std::max(most, degrees), sum += degrees;
    Jitter by = drawn_jitter(ranges, 7, sample);
    ASSERT_TRUE(by.brightness >= 0.5 && by.brightness <= 1.5 && std::abs(by.hue) <= 0.1);
    ASSERT_EQ(by.contrast, 1);
    bright += by.brightness;
    ++orders[by.order];
  }
  EXPECT_TRUE(least >= -10 && least < -9 && most <= 30 && most > 29);
  EXPECT_NEAR(sum / 2400, 10, 1);
  EXPECT_NEAR(bright / 2400, 1, 0.03);
  EXPECT_EQ(orders.size(), 24u);
  for (auto& [order, count] : orders) EXPECT_NEAR(count, 100, 50);
}

Dict everything() {
  return {
      {"random_resized_crop", Dict{{"scale", Attr::List{0.3, 1}}}},
      {"flip", "both"},
      {"flip_p", 0.3},
      {"rotate", 30},
      {"jitter", Dict{{"brightness", 0.4}, {"contrast", 0.4}, {"saturation", 0.4}, {"hue", 0.1}}}};
}

template <class T>
std::vector<T> of_epoch(const DataSource& source, size_t input, std::vector<int64_t> samples,
                        int64_t epoch) {
  std::vector<T> values(samples.size() * size_t(source.bytes_per_sample(input)) / sizeof(T));
  source.fill(samples, input, values.data(), epoch);
  return values;
}

TEST(Drawn, IsAFunctionOfSeedEpochAndSample) {
  Photos folder;
  auto open = [&](uint64_t seed) {
    return DataSource::open(photos({{"augment", everything()}}), inputs, folder.path(), seed);
  };
  DataSource source = open(7), again = open(7), other = open(8);
  std::vector<float> all = of_epoch<float>(source, 0, {4, 0, 9}, 2);
  std::vector<float> one = of_epoch<float>(again, 0, {9}, 2);
  EXPECT_TRUE(std::equal(one.begin(), one.end(), all.end() - 192));
  EXPECT_NE(of_epoch<float>(again, 0, {9}, 3), one);
  EXPECT_NE(of_epoch<float>(other, 0, {9}, 2), one);
  // Without an epoch nothing is random.
  EXPECT_EQ(filled<float>(source, 0, {9}), filled<float>(other, 0, {9}));
}

TEST(Drawn, MasksGoWhereTheirImagesGo) {
  TempFolder folder;
  for (const char* name : {"images", "masks"}) fs::create_directory(folder / name);
  for (int i = 0; i < 3; ++i) {
    uint32_t width = 20 + uint32_t(i), height = 24;
    // Two halves: what is white is class 1.
    std::string image, mask;
    for (uint32_t p = 0; p < width * height; ++p) {
      bool white = p % width > width / 2;
      image += std::string(3, white ? '\xff' : '\0');
      mask += char(white);
    }
    folder.write("images/" + std::to_string(i) + ".png", png(width, height, 3, image));
    folder.write("masks/" + std::to_string(i) + ".png", png(width, height, 1, mask));
  }
  std::vector<InputDecl> decls = {{"image", {DType::f32, {N, 3, 16, 16}}},
                                  {"mask", {DType::i64, {N, 16, 16}}}};
  Dict augment = everything();
  std::erase_if(augment, [](const Entry& e) { return e.key == "jitter"; });
  auto data = [&](const Dict& changes) {
    return declared("Images", {{"image", Dict{{"folder", "images"}, {"pad", 99}}},
                               {"mask", Dict{{"folder", "masks"}, {"pad", -100}}},
                               {"augment", changes}});
  };
  DataSource source = DataSource::open(data(augment), decls, folder.path(), 7);
  std::set<std::vector<int64_t>> seen;
  int64_t apart = 0, outside = 0, n = 0;
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    std::vector<float> image = of_epoch<float>(source, 0, {0, 1, 2}, epoch);
    std::vector<int64_t> mask = of_epoch<int64_t>(source, 1, {0, 1, 2}, epoch);
    seen.insert(mask);
    for (size_t i = 0; i < mask.size(); ++i, ++n) {
      float value = image[i / 256 * 768 + i % 256];
      ASSERT_TRUE(mask[i] == 0 || mask[i] == 1 || mask[i] == -100) << mask[i];
      if (mask[i] == -100) {
        ASSERT_EQ(value, 99);
      }
      outside += mask[i] == -100;
      if (mask[i] >= 0) apart += (value > 127) != (mask[i] == 1);
    }
  }
  EXPECT_EQ(seen.size(), 20u);
  EXPECT_GT(outside, 100);
  EXPECT_LT(apart, n / 50);  // at the border of the two halves alone
  folder.write("masks/1.png", png(20, 24, 1, std::string(480, '\0')));
  EXPECT_EQ(opened(folder, data(augment), decls),
            "E0363: '~/masks/1.png': it has 24x20 pixels, its partner 24x21");
}

TEST(Drawn, ImagesResizeSmoothlyAndClassesDoNot) {
  TempFolder folder;
  for (const char* name : {"images", "masks"}) fs::create_directory(folder / name);
  folder.write("images/a.png", png(4, 1, 1, std::string("\0\0\xff\xff", 4)));
  folder.write("masks/a.png", png(4, 1, 1, std::string("\0\0\3\3", 4)));
  std::vector<InputDecl> decls = {{"image", {DType::f32, {N, 1, 3}}},
                                  {"mask", {DType::i64, {N, 1, 3}}}};
  TypedDict data = declared("Images", {{"image", Dict{{"folder", "images"}}},
                                       {"mask", Dict{{"folder", "masks"}}},
                                       {"resize", Attr::List{1, 3}}});
  DataSource source = DataSource::open(data, decls, folder.path());
  std::vector<float> image = filled<float>(source, 0, {0});
  EXPECT_TRUE(image[1] > 0 && image[1] < 255) << image[1];
  EXPECT_EQ(filled<int64_t>(source, 1, {0}), (std::vector<int64_t>{0, 3, 3}));
}

/// The weights' checksum after seven steps, more than two epochs.
std::string trained(const TempFolder& folder, std::vector<std::string> devices, int threads,
                    const std::string& engine, const std::string& out, bool resumed = false) {
  SessionOptions options{.devices = std::move(devices), .threads = threads, .engine = engine};
  if (resumed) {
    Session first = Session::open(folder / "net.yaml", options);
    train(first, {.steps = 4, .out = folder / out});  // in the middle of the second epoch
  }
  Session session = Session::open(folder / "net.yaml", options);
  return train(session, {.steps = 7, .out = folder / out, .resume = resumed}).sha256;
}

TEST(Drawn, TrainingIsTheSameOnAllDevicesAndAfterAResume) {
  Photos folder;
  folder.write("net.yaml", R"(braid: 1
name: photos
replicas: 4
batch: {global: 4}
seed: 3
inputs:
  image: {shape: [N, 3, 8, 8], dtype: f32}
  label: {shape: [N], dtype: i64}
layers:
  - {name: conv, type: Conv2d, from: image, out_channels: 4, kernel_size: 3}
  - {name: bn, type: BatchNorm2d}
  - {name: flat, type: Flatten}
  - {name: fc, type: Linear, out_features: 3}
loss: {type: CrossEntropy, from: [fc, label]}
optimizer: {type: SGD, lr: 0.1}
data:
  train:
    type: ImageFolder
    folder: train
    image: {scale: 0.01, mean: [1, 0.5, 0], std: 0.5}
    label: {}
    shuffle: true
    augment:
      random_resized_crop: {scale: [0.3, 1]}
      flip: both
      rotate: [-20, 45]
      jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}
)");
  std::string once = trained(folder, {"cpu"}, 1, "serial", "a");
  EXPECT_EQ(trained(folder, {"cpu:0", "cpu:1"}, 2, "tbb", "b"), once);
  EXPECT_EQ(trained(folder, {"cpu:0", "cpu:1", "cpu:2", "cpu:3"}, 4, "tbb", "c"), once);
  EXPECT_EQ(trained(folder, {"cpu:0", "cpu:1"}, 2, "threads", "d", true), once);
}

}  // namespace
}  // namespace braid
