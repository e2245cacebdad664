// Crops and flips: what they draw from, that all pictures of a sample are cut alike, and that
// training sees the same whatever runs it.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include <braid/runtime/data.h>
#include <braid/runtime/files.h>
#include <braid/runtime/session.h>
#include <braid/runtime/train.h>
#include <gtest/gtest.h>

#include "runtime/declared.h"
#include "runtime/temp_folder.h"

namespace braid {
namespace {

using test::declared;
using test::error_of;
using test::faults_of;
using test::filled;
using test::TempFolder;

constexpr int64_t samples = 6, height = 5, width = 7;

/// Image and mask hold the number of their own pixel, so that a place is known by its value.
void write_numbered(const TempFolder& folder) {
  std::vector<float> image;
  std::vector<int64_t> mask;
  for (int64_t s = 0; s < samples; ++s) {
    for (int64_t c = 0; c < 2; ++c) {
      for (int64_t i = 0; i < height * width; ++i) image.push_back(float(1000 * c + 1 + i));
    }
    for (int64_t i = 0; i < height * width; ++i) mask.push_back(1 + i);
  }
  write_npy(folder / "image.npy", Array::of<float>({samples, 2, height, width}, image));
  write_npy(folder / "mask.npy", Array::of<int64_t>({samples, height, width}, mask));
}

std::vector<InputDecl> decls(int64_t h = height, int64_t w = width) {
  return {{"image", {DType::f32, {N, 2, h, w}}}, {"mask", {DType::i64, {N, h, w}}}};
}

TypedDict numbered(Dict augment, Dict image = {}, Dict mask = {}) {
  image.insert(image.begin(), {"path", "image.npy"});
  mask.insert(mask.begin(), {"path", "mask.npy"});
  return declared("Npy", {{"image", image}, {"mask", mask}, {"augment", augment}});
}

template <class T>
std::vector<T> drawn(const DataSource& source, size_t input, int64_t sample, int64_t epoch) {
  std::vector<T> values(size_t(source.bytes_per_sample(input)) / sizeof(T));
  source.fill({&sample, 1}, input, values.data(), epoch);
  return values;
}

std::vector<int64_t> pixels(std::initializer_list<int64_t> list) { return list; }

TEST(Augment, CutsImageAndMaskAlike) {
  TempFolder folder;
  write_numbered(folder);
  TypedDict data = numbered({{"crop", Attr::List{3, 4}}, {"padding", 2}, {"flip", "both"}},
                            {{"pad", -5}}, {{"pad", 255}});
  DataSource source = DataSource::open(data, decls(3, 4), folder.path(), 7);
  EXPECT_EQ(source.bytes_per_sample(0), 2 * 3 * 4 * 4);
  std::set<std::vector<int64_t>> seen;
  bool padded = false;
  for (int64_t epoch = 0; epoch < 40; ++epoch) {
    for (int64_t s = 0; s < samples; ++s) {
      std::vector<float> image = drawn<float>(source, 0, s, epoch);
      std::vector<int64_t> mask = drawn<int64_t>(source, 1, s, epoch);
      seen.insert(mask);
      for (size_t i = 0; i < mask.size(); ++i) {
        bool outside = mask[i] == 255;
        padded = padded || outside;
        ASSERT_EQ(image[i], outside ? -5.0f : float(mask[i]));
        ASSERT_EQ(image[12 + i], outside ? -5.0f : float(1000 + mask[i]));
      }
    }
  }
  EXPECT_TRUE(padded);
  EXPECT_GT(seen.size(), 100u);  // of 7 * 8 * 4 = 224 in 240 draws
}

TEST(Augment, FlipsAboutHalfOfTheSamplesEachWay) {
  TempFolder folder;
  write_numbered(folder);
  auto count = [&](const char* flip) {
    DataSource source = DataSource::open(numbered({{"flip", flip}}), decls(), folder.path(), 7);
    std::map<int64_t, int> corners;  // the number at the top left
    for (int64_t epoch = 0; epoch < 200; ++epoch) {
      for (int64_t s = 0; s < samples; ++s) ++corners[drawn<int64_t>(source, 1, s, epoch)[0]];
    }
    return corners;
  };
  std::map<int64_t, int> horizontal = count("horizontal"), vertical = count("vertical");
  EXPECT_EQ(horizontal.size(), 2u);
  EXPECT_NEAR(horizontal[1], 600, 60);
  EXPECT_NEAR(horizontal[width], 600, 60);
  EXPECT_EQ(vertical.size(), 2u);
  EXPECT_NEAR(vertical[1 + (height - 1) * width], 600, 60);
  std::map<int64_t, int> both = count("both");
  EXPECT_EQ(both.size(), 4u);
  for (auto [corner, n] : both) EXPECT_NEAR(n, 300, 60) << corner;
}

TEST(Augment, EveryPlaceOfACropIsAboutAsLikely) {
  TempFolder folder;
  write_numbered(folder);
  DataSource source =
      DataSource::open(numbered({{"crop", Attr::List{4, 5}}}), decls(4, 5), folder.path(), 7);
  std::map<int64_t, int> corners;
  for (int64_t epoch = 0; epoch < 500; ++epoch) {
    for (int64_t s = 0; s < samples; ++s) ++corners[drawn<int64_t>(source, 1, s, epoch)[0]];
  }
  EXPECT_EQ(corners.size(), 6u);
  for (auto [corner, n] : corners) EXPECT_NEAR(n, 500, 100) << corner;
}

TEST(Augment, NothingIsRandomWithoutAnEpoch) {
  TempFolder folder;
  write_numbered(folder);
  Dict augment = {{"crop", Attr::List{3, 4}}, {"padding", 2}, {"flip", "both"}};
  DataSource source = DataSource::open(numbered(augment), decls(3, 4), folder.path(), 7);
  // (5 - 3) / 2 = 1 row down, (7 - 4) / 2 = 1 column in.
  std::vector<int64_t> middle = pixels({9, 10, 11, 12, 16, 17, 18, 19, 23, 24, 25, 26});
  for (int64_t s = 0; s < samples; ++s) EXPECT_EQ(filled<int64_t>(source, 1, {s}), middle);
  augment = {{"crop", Attr::List{5, 10}}, {"padding", 2}};
  source = DataSource::open(numbered(augment), decls(5, 10), folder.path(), 7);
  std::vector<int64_t> wide = filled<int64_t>(source, 1, {0});
  wide.resize(10);
  EXPECT_EQ(wide, pixels({0, 0, 1, 2, 3, 4, 5, 6, 7, 0}));
  source = DataSource::open(numbered({{"flip", "both"}}), decls(), folder.path(), 7);
  EXPECT_EQ(filled<int64_t>(source, 1, {3})[0], 1);
}

TEST(Augment, IsAFunctionOfSeedEpochAndSample) {
  TempFolder folder;
  write_numbered(folder);
  Dict augment = {{"crop", Attr::List{2, 2}}, {"flip", "horizontal"}};
  auto open = [&](uint64_t seed) {
    return DataSource::open(numbered(augment), decls(2, 2), folder.path(), seed);
  };
  DataSource source = open(7), again = open(7), other = open(8);
  std::vector<int64_t> order = {5, 0, 3, 3, 1}, all(order.size() * 4);
  again.fill(order, 1, all.data(), 9);
  for (size_t i = 0; i < order.size(); ++i) {
    std::vector<int64_t> one = drawn<int64_t>(source, 1, order[i], 9);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + int64_t(4 * i)));
  }
  auto differs = [&](const DataSource& a, int64_t epoch_a, const DataSource& b, int64_t epoch_b) {
    int n = 0;
    for (int64_t s = 0; s < samples; ++s) {
      n += drawn<int64_t>(a, 1, s, epoch_a) != drawn<int64_t>(b, 1, s, epoch_b);
    }
    return n > 0;
  };
  EXPECT_FALSE(differs(source, 3, again, 3));
  EXPECT_TRUE(differs(source, 3, source, 4));
  EXPECT_TRUE(differs(source, 3, other, 3));
}

TEST(Augment, ThePrefetcherDrawsForTrainingAlone) {
  TempFolder folder;
  write_numbered(folder);
  Dict augment = {{"crop", Attr::List{3, 3}}, {"flip", "both"}};
  DataSource source = DataSource::open(numbered(augment), decls(3, 3), folder.path(), 7);
  BatchOptions options{.samples = samples, .batch = 4, .shuffle = true, .augment = true, .seed = 7};
  auto masks = [&](int64_t first, int64_t end) {
    std::map<int64_t, std::vector<std::byte>> steps;
    Prefetcher prefetcher(source, BatchPlan(options), first, end);
    while (const Batch* batch = prefetcher.next()) {
      steps[batch->step] = batch->inputs[1];
      steps[batch->step].resize(batch->samples.size() * size_t(source.bytes_per_sample(1)));
      for (size_t i = 0; options.augment && i < batch->samples.size(); ++i) {
        std::vector<int64_t> one = drawn<int64_t>(source, 1, batch->samples[i], batch->step / 2);
        EXPECT_EQ(std::memcmp(one.data(), batch->inputs[1].data() + i * 72, 72), 0);
      }
    }
    return steps;
  };
  auto whole = masks(0, 10), resumed = masks(5, 10);
  for (auto& [step, bytes] : resumed) EXPECT_EQ(bytes, whole[step]) << step;
  options.augment = false;
  auto plain = masks(0, 2);
  for (auto& [step, bytes] : plain) {
    for (size_t i = 72; i < bytes.size(); ++i) ASSERT_EQ(bytes[i], bytes[i - 72]);
  }
}

TEST(Augment, HoldsForBytesAndTables) {
  TempFolder folder;
  std::string idx = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60};
  folder.write("x", idx);
  std::vector<InputDecl> x = {{"x", {DType::f32, {N, 1, 4, 3}}}};
  TypedDict data =
      declared("Idx", {{"x", Dict{{"path", "x"}, {"scale", 0.5}, {"mean", 1}, {"pad", 4}}},
                       {"augment", Dict{{"crop", Attr::List{4, 3}}, {"padding", 1}}}});
  DataSource source = DataSource::open(data, x, folder.path(), 7);
  EXPECT_EQ(filled<float>(source, 0, {0}),
            (std::vector<float>{1, 1, 1, 4, 9, 14, 19, 24, 29, 1, 1, 1}));
  x[0].type = {DType::u8, {N, 4, 3}};
  data = declared("Idx", {{"x", Dict{{"path", "x"}}},
                          {"augment", Dict{{"crop", Attr::List{4, 3}}, {"padding", 1}}}});
  source = DataSource::open(data, x, folder.path(), 7);
  EXPECT_EQ(filled<uint8_t>(source, 0, {0}),
            (std::vector<uint8_t>{0, 0, 0, 10, 20, 30, 40, 50, 60, 0, 0, 0}));
}

TEST(Augment, RefusesWhatCannotBeCut) {
  TempFolder folder;
  write_numbered(folder);
  auto opened = [&](const TypedDict& data, const std::vector<InputDecl>& inputs) {
    return error_of(folder, [&] { DataSource::open(data, inputs, folder.path()); });
  };
  EXPECT_EQ(opened(numbered({{"crop", Attr::List{8, 4}}, {"padding", 1}}), decls(8, 4)),
            "E0365: '~/image.npy' cannot fill input 'image': its samples are 5x7 with 1 of "
            "padding, too small for a crop of 8x4");
  write_npy(folder / "mask.npy",
            Array::of<int64_t>({samples, 4, 4}, std::vector<int64_t>(samples * 16)));
  EXPECT_EQ(opened(numbered({{"crop", Attr::List{3, 4}}}), decls(3, 4)),
            "E0363: '~/mask.npy' has pictures of 4x4, but '~/image.npy' of 5x7: they cannot be "
            "cut alike");
}

TEST(Augment, RefusesAPadThatTheInputCannotHold) {
  TempFolder folder;
  folder.write("t.csv", "1,2,3,4\n");
  write_npy(folder / "x.npy", Array::of<uint8_t>({1, 2, 2}, {1, 2, 3, 4}));
  std::vector<InputDecl> x = {{"x", {DType::u8, {N, 2, 2}}}};
  Dict cut = {{"crop", Attr::List{2, 2}}, {"padding", 1}};
  auto table = [&](int64_t pad) {
    return declared(
        "Csv",
        {{"path", "t.csv"}, {"x", Dict{{"columns", "0..3"}, {"pad", pad}}}, {"augment", cut}});
  };
  auto npy = [&](int64_t pad) {
    return declared("Npy", {{"x", Dict{{"path", "x.npy"}, {"pad", pad}}}, {"augment", cut}});
  };
  auto opened = [&](const TypedDict& data) {
    return error_of(folder, [&] { DataSource::open(data, x, folder.path()); });
  };
  EXPECT_EQ(opened(table(300)), "E0344: '~/t.csv' cannot fill input 'x': its `pad` is no u8");
  EXPECT_EQ(opened(npy(-1)), "E0344: '~/x.npy' cannot fill input 'x': its `pad` is no u8");
  for (const TypedDict& data : {table(255), npy(255)}) {
    EXPECT_NO_THROW(DataSource::open(data, x, folder.path()));
  }
}

TEST(Augment, ReportsEveryFaultOfTheDeclaration) {
  auto faults = [](Dict augment) { return faults_of(numbered(std::move(augment)), decls()); };
  std::string start = "net.yaml:1:1: E0333: data source 'Npy', augment: ";
  EXPECT_EQ(faults({{"flip", "sideways"}}),
            start + "'flip' must be horizontal, vertical or both, not sideways\n");
  EXPECT_EQ(faults({{"crop", 5}}), start + "'crop' must be [height, width], not 5\n");
  EXPECT_EQ(faults({{"crop", Attr::List{5, 0}}}),
            start + "'crop' must be [height, width], not [5, 0]\n");
  EXPECT_EQ(faults({{"flip", "both"}, {"padding", 2}}),
            start + "'padding' must be at most 1048576, and beside 'crop', not 2\n");
  EXPECT_EQ(faults({}),
            "net.yaml:1:1: E0332: data source 'Npy', augment: nothing is given that changes a "
            "picture: crop, flip, random_resized_crop, rotate or jitter\n");
  EXPECT_EQ(faults({{"flip", "both"}, {"corp", Attr::List{5, 5}}}),
            "net.yaml:1:1: E0331: data source 'Npy', augment: unknown key 'corp' (did you mean "
            "'crop'?)\n");
  EXPECT_EQ(faults({{"crop", Attr::List{3, 3}}}),
            "net.yaml:1:1: E0333: data source 'Npy': 'crop' makes [3, 3], but input 'image' is f32 "
            "[N, 2, 5, 7]\n"
            "net.yaml:1:1: E0333: data source 'Npy': 'crop' makes [3, 3], but input 'mask' is i64 "
            "[N, 5, 7]\n");
  std::vector<InputDecl> flat = {{"x", {DType::f32, {N, 16}}}};
  EXPECT_EQ(
      faults_of(declared("Npy", {{"x", Dict{{"path", "x"}}}, {"augment", Dict{{"flip", "both"}}}}),
                flat),
      "net.yaml:1:1: E0333: data source 'Npy': no input that is read is a picture, [N, H, W] "
      "or [N, C, H, W], so there is nothing to augment\n");
  std::vector<InputDecl> uneven = decls();
  uneven[1].type.shape = {N, 3, 3};
  EXPECT_EQ(faults_of(numbered({{"flip", "both"}}), uneven),
            "net.yaml:1:1: E0333: data source 'Npy': input 'mask' is i64 [N, 3, 3] and input "
            "'image' is f32 [N, 2, 5, 7], but one flip is for all pictures of a sample\n");
}

/// The weights' checksum after ten steps over random crops.
std::string trained(const TempFolder& folder, std::vector<std::string> devices,
                    const std::string& engine, const std::string& out, bool resumed = false) {
  SessionOptions options{.devices = std::move(devices), .threads = 2, .engine = engine};
  if (resumed) {
    Session first = Session::open(folder / "net.yaml", options);
    train(first, {.steps = 4, .out = folder / out});
    options.devices = {"cpu"};
  }
  Session session = Session::open(folder / "net.yaml", options);
  return train(session, {.steps = 10, .out = folder / out, .resume = resumed}).sha256;
}

TEST(Augment, TrainingIsTheSameOnAllDevicesAndAfterAResume) {
  TempFolder folder;
  std::vector<float> image, label;
  for (int i = 0; i < 12 * 36; ++i) image.push_back(float(i * 37 % 101) / 100);
  for (int i = 0; i < 12; ++i) label.push_back(float(i % 3));
  write_npy(folder / "image.npy", Array::of<float>({12, 1, 6, 6}, image));
  write_npy(folder / "label.npy", Array::of<float>({12}, label));
  std::string net = R"(braid: 1
name: cut
replicas: 2
batch: {global: 4}
seed: 3
inputs:
  image: {shape: [N, 1, 4, 4], dtype: f32}
  label: {shape: [N], dtype: i64}
layers:
  - {name: flat, type: Flatten, from: image}
  - {name: fc, type: Linear, out_features: 3}
loss: {type: CrossEntropy, from: [fc, label]}
optimizer: {type: SGD, lr: 0.1}
data:
  train:
    type: Npy
    image: {path: image.npy}
    label: {path: label.npy}
    shuffle: true
    augment: {crop: [4, 4], padding: 1, flip: horizontal}
)";
  folder.write("net.yaml", net);
  std::string once = trained(folder, {"cpu"}, "serial", "a");
  EXPECT_EQ(trained(folder, {"cpu:0", "cpu:1"}, "tbb", "b"), once);
  EXPECT_EQ(trained(folder, {"cpu"}, "threads", "c"), once);
  EXPECT_EQ(trained(folder, {"cpu:0", "cpu:1"}, "tbb", "d", true), once);
  net.replace(net.find(", flip: horizontal"), 18, "");
  folder.write("net.yaml", net);
  EXPECT_NE(trained(folder, {"cpu"}, "serial", "e"), once);
}

}  // namespace
}  // namespace braid
