// Operations one by one: values that can be checked by hand, edges, and what they refuse.
#include <cmath>
#include <limits>
#include <map>

#include "support/kernels.h"

namespace braid {
namespace {

using test::OpCall;

Operand f32(std::vector<int64_t> dims, Format format = {}) {
  return {DType::f32, std::move(dims), std::move(format)};
}
Operand f64(std::vector<int64_t> dims) { return {DType::f64, std::move(dims)}; }
Operand i64(std::vector<int64_t> dims) { return {DType::i64, std::move(dims)}; }

TEST(Add, AddsEveryElementWhateverTheLength) {
  for (int64_t n : {1, 2, 7, 16, 33}) {
    std::vector<float> a(n), b(n), y(n);
    for (int64_t i = 0; i < n; ++i) a[i] = float(i), b[i] = 100.0f * float(i);
    OpCall("add", {f32({n}), f32({n})}, {f32({n})}).run({a.data(), b.data()}, {y.data()});
    for (int64_t i = 0; i < n; ++i) EXPECT_EQ(y[i], 101.0f * float(i)) << n;
  }
}

TEST(Add, MayWriteOverItsFirstInput) {
  std::vector<float> a{1, 2, 3}, b{10, 20, 30};
  OpCall add("add", {f32({3}), f32({3})}, {f32({3})});
  EXPECT_EQ(add.offer().alias, 0);
  add.run({a.data(), b.data()}, {a.data()});
  EXPECT_EQ(a, (std::vector<float>{11, 22, 33}));
}

TEST(MergeSum, RunsOverBlockedMemoryAndItsPadding) {
  Operand blocked = f32({1, 3, 1, 2}, "aBcd16b");
  std::vector<float> a(32, 1), b(32, 2), y(32);
  OpCall merge("merge_sum", {blocked, blocked}, {blocked});
  EXPECT_EQ(merge.offer().out_formats[0], "aBcd16b");
  merge.run({a.data(), b.data()}, {y.data()});
  EXPECT_EQ(y, std::vector<float>(32, 3));
}

TEST(MergeSum, IsLinearAndTakesF64) {
  EXPECT_TRUE(test::builtin().op("merge_sum")->linear);
  double a = 1e300, b = 1, y = 0;
  OpCall("merge_sum", {f64({1}), f64({1})}, {f64({1})}).run({&a, &b}, {&y});
  EXPECT_EQ(y, 1e300);
}

TEST(MergeSum, TakesAnyNumberOfPairsEachInAFormatOfItsOwn) {
  Operand blocked = f32({1, 3, 1, 2}, "aBcd16b"), plain = f32({3});
  std::vector<float> l1(32, 1), r1(32, 2), o1(32), l2{1, 2, 3}, r2{10, 20, 30}, o2(3);
  OpCall merge("merge_sum", {blocked, plain, blocked, plain}, {blocked, plain});
  auto offer = merge.offer();
  EXPECT_EQ(offer.in_formats, (std::vector<Format>{"aBcd16b", "", "aBcd16b", ""}));
  EXPECT_EQ(offer.out_formats, (std::vector<Format>{"aBcd16b", ""}));
  EXPECT_EQ(offer.alias, 0);
  EXPECT_EQ(offer.impl, "braid:merge_sum");
  merge.run({l1.data(), l2.data(), r1.data(), r2.data()}, {o1.data(), o2.data()});
  EXPECT_EQ(o1, std::vector<float>(32, 3));
  EXPECT_EQ(o2, (std::vector<float>{11, 22, 33}));
}

TEST(Pair, PutsSumAndCountSideBySide) {
  double sum = 6, count = 3, y[2] = {};
  OpCall("pair", {f64({1}), f64({1})}, {f64({2})}).run({&sum, &count}, {y});
  EXPECT_EQ(y[0], 6);
  EXPECT_EQ(y[1], 3);
}

TEST(Full, FillsWhateverTheBatch) {
  std::vector<float> x(5 * 7), y(5 * 3, -1);
  OpCall("full", {f32({5, 7})}, {f32({5, 3})}, {{"shape", Attr::List{"N", 3}}, {"value", 0.9}})
      .run({x.data()}, {y.data()});
  EXPECT_EQ(y, std::vector<float>(15, 0.9f));
}

TEST(Relu, KeepsNaNAndLetsNoGradientThroughZero) {
  const float nan = std::nanf("");
  std::vector<float> x{-1, 0, 2, nan}, y(4), g{5, 5, 5, 5}, dx(4);
  OpCall("relu", {f32({4})}, {f32({4})}).run({x.data()}, {y.data()});
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[2], 2);
  EXPECT_TRUE(std::isnan(y[3]));
  y[3] = 1;
  OpCall("relu_grad", {f32({4}), f32({4})}, {f32({4})}).run({g.data(), y.data()}, {dx.data()});
  EXPECT_EQ(dx, (std::vector<float>{0, 0, 5, 5}));
}

struct Xent {
  std::vector<float> p;
  double sum = 0, count = 0;
  std::vector<float> gradient;
};

Xent cross_entropy(std::vector<float> x, std::vector<int64_t> labels, Dict attrs = {},
                   int64_t first_sample = 0) {
  int64_t n = int64_t(labels.size()), classes = int64_t(x.size()) / n;
  Xent r{.p = std::vector<float>(x.size()), .gradient = std::vector<float>(x.size())};
  OpCall xent("xent", {f32({n, classes}), i64({n})}, {f32({n, classes}), f64({1})}, attrs);
  xent.first_sample = first_sample;
  xent.run({x.data(), labels.data()}, {r.p.data(), &r.sum});
  OpCall("xent_count", {i64({n})}, {f64({1})}, attrs).run({labels.data()}, {&r.count});
  OpCall("xent_grad", {f32({n, classes}), i64({n}), f64({1})}, {f32({n, classes})}, attrs)
      .run({r.p.data(), labels.data(), &r.count}, {r.gradient.data()});
  return r;
}

TEST(CrossEntropy, OfEqualLogitsIsTheLogarithmOfTheClasses) {
  auto r = cross_entropy({0, 0, 0, 0, 7, 7, 7, 7}, {0, 3});
  EXPECT_NEAR(r.sum, 2 * std::log(4.0), 1e-12);
  EXPECT_EQ(r.count, 2);
  EXPECT_EQ(r.p[0], 0.25f);
  EXPECT_EQ(r.gradient[0], (0.25f - 1) / 2);
  EXPECT_EQ(r.gradient[4], 0.25f / 2);
}

TEST(CrossEntropy, IsFiniteForHugeLogits) {
  auto r = cross_entropy({1e30f, -1e30f, 300, 0}, {0, 1});
  EXPECT_NEAR(r.sum, 300, 1e-9);
  for (float p : r.p) EXPECT_TRUE(std::isfinite(p));
}

TEST(CrossEntropy, IgnoredTargetsCountNeitherInTheLossNorInTheGradient) {
  auto one = cross_entropy({1, 2, 3}, {2});
  auto two = cross_entropy({1, 2, 3, 9, 9, 1}, {2, -100});
  EXPECT_EQ(two.sum, one.sum);
  EXPECT_EQ(two.count, 1);
  for (int c = 0; c < 3; ++c) {
    EXPECT_EQ(two.gradient[c], one.gradient[c]);
    EXPECT_EQ(two.gradient[3 + c], 0);
  }
}

TEST(CrossEntropy, OfNothingIsZeroAndNotNaN) {
  auto r = cross_entropy({1, 2, 3, 4}, {-100, -100});
  EXPECT_EQ(r.sum, 0);
  EXPECT_EQ(r.count, 0);
  EXPECT_EQ(r.gradient, std::vector<float>(4, 0));
}

TEST(CrossEntropy, SmoothingMixesInTheMeanOverClasses) {
  auto plain = cross_entropy({1, 2, 4}, {0});
  auto smooth = cross_entropy({1, 2, 4}, {0}, {{"label_smoothing", 0.3}});
  double whole = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(4.0));
  EXPECT_NEAR(smooth.sum, 0.7 * plain.sum + 0.3 * (whole - 7.0 / 3), 1e-6);
}

TEST(CrossEntropy, WeighsClassesInTheSumAndInTheCount) {
  const Dict weights{{"weight", Attr::List{0.5, 2.0}}};
  auto first = cross_entropy({1, 3}, {0}), second = cross_entropy({5, 4}, {1});
  auto both = cross_entropy({1, 3, 5, 4}, {0, 1}, weights);
  EXPECT_NEAR(both.sum, 0.5 * first.sum + 2 * second.sum, 1e-12);
  EXPECT_EQ(both.count, 2.5);
  EXPECT_NEAR(both.gradient[0], 0.5 / 2.5 * first.gradient[0], 1e-7);
  EXPECT_NEAR(both.gradient[3], 2 / 2.5 * second.gradient[1], 1e-7);
}

/// [2, 3, 2, 2], one target ignored: PyTorch 1.13's loss and elements of its gradient, in f64.
void expect_pixels(Dict attrs, double loss, const std::map<size_t, double>& gradient) {
  set(attrs, "ignore_index", -1);
  std::vector<float> x(24), p(24), dx(24);
  for (int i = 0; i < 24; ++i) x[size_t(i)] = float((5 * i + 3) % 17) / 4;
  std::vector<int64_t> labels{0, 1, 2, -1, 1, 1, 0, 2};
  double sum = 0, count = 0;
  const Operand images = f32({2, 3, 2, 2}), target = i64({2, 2, 2});
  OpCall("xent", {images, target}, {images, f64({1})}, attrs)
      .run({x.data(), labels.data()}, {p.data(), &sum});
  OpCall("xent_count", {target}, {f64({1})}, attrs).run({labels.data()}, {&count});
  OpCall("xent_grad", {images, target, f64({1})}, {images}, attrs)
      .run({p.data(), labels.data(), &count}, {dx.data()});
  EXPECT_NEAR(sum / count, loss, 1e-7 * loss);
  for (auto [i, want] : gradient) EXPECT_NEAR(dx[i], want, 3e-8) << i;
}

TEST(CrossEntropy, OfPixelsIsPyTorchs) {
  const Attr weights = Attr::List{0.5, 2.0, 1.0};
  expect_pixels({}, 1.6363177998134426,
                {{0, -0.1240569076}, {6, 0.0950755834}, {11, 0}, {15, 0.0188002353}});
  expect_pixels({{"label_smoothing", 0.25}}, 1.5857225617182047,
                {{0, -0.1002473837}, {6, 0.0831708215}, {11, 0}, {23, -0.0347908100}});
  expect_pixels({{"label_smoothing", 0.25}, {"weight", weights}}, 1.3203161632940095,
                {{0, -0.0365480261}, {6, 0.0585103106}, {11, 0}, {23, -0.0243289741}});
}

/// Logits of 3 classes and 70 points (more than a tile) in a memory format, plain again afterwards.
Xent of_pixels(const Format& format) {
  const int64_t n = 2, classes = 3, points = 70;
  const Operand plain = f32({n, classes, points, 1});
  const Operand x{DType::f32, plain.dims, format}, target = i64({n, points, 1});
  const int64_t block = channel_block(format);
  auto at = [&](int64_t i) {  // of plain element i
    const int64_t p = i % points, c = i / points % classes, s = i / points / classes;
    return block == 1 ? i : (s * points + p) * block + c;
  };
  std::vector<float> logits(size_t(x.storage()), 0.0f), p(logits.size(), 9.0f), dx(p);
  std::vector<int64_t> labels(size_t(n * points));
  for (int64_t i = 0; i < n * points; ++i) labels[size_t(i)] = i % 4 == 3 ? -100 : i % 4;
  for (int64_t i = 0; i < plain.elements(); ++i) logits[size_t(at(i))] = float(i * 37 % 101) / 9;
  Xent r;
  OpCall xent("xent", {x, target}, {{DType::f32, plain.dims}, f64({1})});
  EXPECT_EQ(xent.offer().out_formats[0], format);
  xent.run({logits.data(), labels.data()}, {p.data(), &r.sum});
  OpCall("xent_count", {target}, {f64({1})}).run({labels.data()}, {&r.count});
  OpCall("xent_grad", {x, target, f64({1})}, {{DType::f32, plain.dims}})
      .run({p.data(), labels.data(), &r.count}, {dx.data()});
  double padding = 0;
  for (size_t i = 0; i < p.size(); ++i) padding += p[i] + dx[i];
  for (int64_t i = 0; i < plain.elements(); ++i) {
    r.p.push_back(p[size_t(at(i))]);
    r.gradient.push_back(dx[size_t(at(i))]);
    padding -= r.p.back() + r.gradient.back();
  }
  EXPECT_NEAR(padding, 0, 1e-9) << "padding is not zero";
  return r;
}

TEST(CrossEntropy, GivesTheSameBitsInAnyMemoryFormat) {
  auto plain = of_pixels("");
  EXPECT_EQ(plain.count, 105);
  for (const char* format : {"aBcd16b", "aBcd8b"}) {
    auto blocked = of_pixels(format);
    EXPECT_EQ(blocked.sum, plain.sum) << format;
    EXPECT_EQ(blocked.p, plain.p) << format;
    EXPECT_EQ(blocked.gradient, plain.gradient) << format;
  }
}

TEST(CrossEntropy, NamesALabelOutsideTheClasses) {
  try {
    cross_entropy({1, 2, 3, 4}, {1, 2}, {}, 36);
    FAIL() << "label 2 of 2 classes was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::data);
    EXPECT_EQ(e.diagnostics()[0].code, "E0420");
    EXPECT_EQ(e.diagnostics()[0].message,
              "label 2 outside the classes 0..1 (sample 37 of the batch)");
  }
}

double correct(std::vector<float> x, std::vector<int64_t> labels, int k = 1) {
  int64_t n = int64_t(labels.size());
  Operand scores = f32({n, int64_t(x.size()) / n});
  double found = -1;
  OpCall("correct", {scores, i64({n})}, {f64({1})}, {{"k", k}})
      .run({x.data(), labels.data()}, {&found});
  return found;
}

TEST(Accuracy, GivesTiesToTheFirstMaximum) {
  EXPECT_EQ(correct({1, 5, 5}, {1}), 1);
  EXPECT_EQ(correct({1, 5, 5}, {2}), 0);
  EXPECT_EQ(correct({1, 5, 5}, {2}, 2), 1);
  EXPECT_EQ(correct({3, 2, 1, 1, 2, 3}, {0, 0}), 1);
}

TEST(Accuracy, ANaNIsNeverCorrect) {
  const float nan = std::nanf("");
  EXPECT_EQ(correct({nan, nan, nan}, {0}), 0);
  EXPECT_EQ(correct({nan, 1, 2}, {2}), 0);
}

// torch.optim.SGD(lr=0.5, momentum=0.5, dampening=0.25, weight_decay=0.1), two steps by hand.
TEST(Sgd, FollowsPyTorchFromTheFirstStepOn) {
  Dict attrs{{"momentum", 0.5}, {"dampening", 0.25}, {"weight_decay", 0.1}, {"lr_scale", 1.0}};
  std::vector<float> w(19, 1), v(19, 99), g(19, 0.9f);
  OpCall sgd("sgd_momentum", {f32({19}), f32({19}), f32({19})}, {}, attrs);
  sgd.scalars = {.lr = 0.5, .step = 0};
  sgd.run({w.data(), v.data(), g.data()}, {});
  for (float x : v) EXPECT_FLOAT_EQ(x, 1.0f);  // the buffer starts as the gradient
  for (float x : w) EXPECT_FLOAT_EQ(x, 0.5f);
  sgd.scalars.step = 1;
  sgd.run({w.data(), v.data(), g.data()}, {});
  for (float x : v) EXPECT_FLOAT_EQ(x, 0.5f + 0.75f * 0.95f);
  for (float x : w) EXPECT_FLOAT_EQ(x, 0.5f - 0.5f * (0.5f + 0.75f * 0.95f));
}

TEST(Sgd, ScalesTheLearningRateOfItsGroup) {
  float w = 1, g = 1;
  OpCall sgd("sgd", {f32({1}), f32({1})}, {}, {{"lr_scale", 0.1}});
  sgd.scalars.lr = 0.5;
  sgd.run({&w, &g}, {});
  EXPECT_FLOAT_EQ(w, 0.95f);
}

}  // namespace
}  // namespace braid
