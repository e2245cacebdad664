// What is done to pictures of bytes, beside what Pillow and torchvision make of them.
#include <algorithm>
#include <cstring>

#include <braid/runtime/array.h>
#include <gtest/gtest.h>

#include "data/pixels.h"

namespace braid {
namespace {

Pixels golden(const std::string& name) {
  Array array =
      read_npy(std::string(BRAID_SOURCE_DIR "/tests/fixtures/transforms/") + name + ".npy");
  auto bytes = array.as<uint8_t>();
  return {array.dims[0], array.dims[1], array.dims[2], {bytes.begin(), bytes.end()}};
}

void expect_equal(const Pixels& made, const std::string& name) {
  Pixels wanted = golden(name);
  EXPECT_EQ(made.planes, wanted.planes) << name;
  EXPECT_EQ(made.height, wanted.height) << name;
  EXPECT_EQ(made.width, wanted.width) << name;
  EXPECT_EQ(made.values, wanted.values) << name;
}

Pixels part(const Pixels& of, const Box& box) {
  return cut(of.values, of.planes, of.height, of.width, box);
}

TEST(Transforms, ResizeAsPillowDoes) {
  Pixels image = golden("image");
  expect_equal(resized(image, 8, 31, false), "resize_8x31");
  expect_equal(resized(image, 40, 5, false), "resize_40x5");
  expect_equal(resized(image, 9, 12, false), "resize_short_9");
  expect_equal(resized(part(image, {3, 4, 11, 13}), 7, 16, false), "crop_resize");
  expect_equal(resized(image, 9, 12, true), "nearest_9x12");
}

TEST(Transforms, RotateAsPillowDoes) {
  Pixels image = golden("image");
  for (const char* degrees : {"17.5", "-63", "90", "180"}) {
    Pixels turned = rotated(image, std::stod(degrees));
    expect_equal(turned, std::string("rotate_") + degrees);
    bool full = std::all_of(turned.inside.begin(), turned.inside.end(), [](int i) { return i; });
    EXPECT_EQ(full, std::string(degrees) == "180") << degrees;
  }
}

TEST(Transforms, JitterAsTorchvisionDoes) {
  auto jittered = [](Pixels pixels, const Jitter& by) {
    jitter(pixels, by);
    return pixels;
  };
  Pixels image = golden("image");
  for (const char* factor : {"0.4", "1.7"}) {
    double f = std::stod(factor);
    expect_equal(jittered(image, {.brightness = f}), std::string("brightness_") + factor);
    expect_equal(jittered(image, {.contrast = f}), std::string("contrast_") + factor);
    expect_equal(jittered(image, {.saturation = f}), std::string("saturation_") + factor);
  }
  for (const char* turns : {"0.23", "-0.4"}) {
    expect_equal(jittered(image, {.hue = std::stod(turns)}), std::string("hue_") + turns);
  }
  expect_equal(jittered(golden("gray"), {.contrast = 1.7}), "gray_contrast_1.7");
  expect_equal(jittered(image, {.brightness = 0.8,
                                .contrast = 1.3,
                                .saturation = 1.4,
                                .hue = 0.1,
                                .order = {1, 3, 0, 2}}),
               "all_1302");
}

TEST(Transforms, CutReachesOverTheEdgesAndFlipsTurnBothParts) {
  Pixels image{1, 2, 3, {1, 2, 3, 4, 5, 6}};
  Pixels inner = part(image, {0, 1, 2, 2});
  EXPECT_EQ(inner.values, (std::vector<uint8_t>{2, 3, 5, 6}));
  EXPECT_TRUE(inner.inside.empty());
  Pixels over = part(image, {1, -1, 2, 3});
  EXPECT_EQ(over.values, (std::vector<uint8_t>{0, 4, 5, 0, 0, 0}));
  EXPECT_EQ(over.inside, (std::vector<uint8_t>{0, 1, 1, 0, 0, 0}));
  flip_horizontally(over);
  EXPECT_EQ(over.values, (std::vector<uint8_t>{5, 4, 0, 0, 0, 0}));
  flip_vertically(over);
  EXPECT_EQ(over.values, (std::vector<uint8_t>{0, 0, 0, 5, 4, 0}));
  EXPECT_EQ(over.inside, (std::vector<uint8_t>{0, 0, 0, 1, 1, 0}));
  Pixels beside = part(image, {5, 9, 2, 2});
  EXPECT_EQ(beside.inside, (std::vector<uint8_t>{0, 0, 0, 0}));
}

TEST(Transforms, WhatLiesAroundIsNotInTheMeanOfContrast) {
  Pixels image{1, 1, 3, {200, 100, 0}, {1, 1, 0}};
  jitter(image, {.contrast = 0});
  EXPECT_EQ(image.values[0], 150);
  EXPECT_EQ(image.values[1], 150);
}

}  // namespace
}  // namespace braid
