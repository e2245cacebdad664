// Moments of hard data (far means, outliers, drift, huge numbers), and how they merge over
// replicas.
#include "nodes/batch_norm_rig.h"

namespace braid {
namespace {

using test::Doubles;
using test::expect_close;
using test::moments_array;
using test::OpCall;
using test::random_array;
using test::reference;
using test::Rig;

struct Exact {
  long double mean = 0, m2 = 0;
};

// Channel c of x [N, C, points], in long double.
Exact exact_moments(const Doubles& x, int64_t c) {
  const int64_t points = x.size() / x.dims[0] / x.dims[1];
  auto each = [&](auto f) {
    for (int64_t n = 0; n < x.dims[0]; ++n)
      for (int64_t p = 0; p < points; ++p)
        f(static_cast<long double>(x[(n * x.dims[1] + c) * points + p]));
  };
  Exact e;
  each([&](long double v) { e.mean += v; });
  e.mean /= static_cast<long double>(x.dims[0] * points);
  each([&](long double v) { e.m2 += (v - e.mean) * (v - e.mean); });
  return e;
}

void expect_exact(const Doubles& x, const std::string& what, double digits = 1e-6) {
  const int64_t channels = x.dims[1];
  for (const Format& format : {Format{}, Format{x.dims.size() == 4 ? "aBcd16b" : ""}}) {
    const Doubles m = Rig{.format = format}.run("moments", {x});
    for (int64_t c = 0; c < channels; ++c) {
      const Exact e = exact_moments(x, c);
      const double std = std::sqrt(double(e.m2) / m[c]);
      EXPECT_EQ(m[c], double(x.size() / channels)) << what;
      EXPECT_LE(std::abs(double(m[channels + c] - e.mean)),
                digits * std + 1e-15 * std::abs(double(e.mean)))
          << what;
      EXPECT_LE(std::abs(double(m[2 * channels + c] / e.m2 - 1)), digits)
          << what << " '" << format << "'";
    }
  }
}

const std::vector<std::vector<int64_t>> kShapes = {{4096, 3}, {64, 3, 32, 32}, {5, 3, 7, 5}};

TEST(Moments, HoldSixDigitsHoweverFarTheMean) {
  for (auto& dims : kShapes) {
    expect_exact(random_array(dims, 1, 0, 1), "mean 0");
    expect_exact(random_array(dims, 2, 1e4, 1), "mean 1e4");
    expect_exact(random_array(dims, 3, 1e6, 1), "mean 1e6");
    expect_exact(random_array(dims, 4, 1e4, 0.01), "mean 1e4, std 0.01");
    expect_exact(random_array(dims, 5, -123.7, 1e-3), "mean -123.7, std 1e-3");
  }
}

// Sums of x and x² in f32 give a negative variance here, and NaN behind it.
TEST(Moments, OfASmallSpreadFarFromZeroAreRightForEverySeed) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Doubles x = random_array({64, 8}, 1000 + seed, 123.7, 1e-3),
                  m = Rig{}.run("moments", {x});
    for (int64_t c = 0; c < 8; ++c) {
      const double variance = m[16 + c] / m[c], exact = double(exact_moments(x, c).m2) / 64;
      EXPECT_GE(variance, 0);
      EXPECT_LE(std::abs(variance / exact - 1), 1e-5) << seed;
    }
    const Doubles y = Rig{}.run("normalize", {x, m}, {{"eps", 1e-5}});
    for (double v : y.data) ASSERT_TRUE(std::isfinite(v)) << seed;
    expect_close(y, reference("normalize", {x, reference("moments", {x})}, {{"eps", 1e-5}}), 1e-5);
  }
}

TEST(Moments, DoNotLeanOnTheFirstValue) {
  for (auto& dims : kShapes)
    for (double first : {0.0, -1e6, 1e9}) {
      Doubles x = random_array(dims, 6, 1e4, 1);
      const int64_t points = x.size() / dims[0] / dims[1];
      for (int64_t c = 0; c < dims[1]; ++c) x[c * points] = first;
      expect_exact(x, "outlier in front", 5e-6);
    }
}

TEST(Moments, FollowAMeanThatDrifts) {
  for (auto& dims : kShapes) {
    Doubles x = random_array(dims, 7, 0, 1);
    for (int64_t i = 0; i < x.size(); ++i) x[i] = float(x[i] + 1e3 * double(i) / double(x.size()));
    expect_exact(x, "drift");
    for (int64_t i = 0; i < x.size(); ++i) x[i] = float(x[i] + (i < x.size() / 2 ? 0 : 1e6));
    expect_exact(x, "jump", 5e-6);
  }
}

TEST(Moments, OfEqualValuesHaveNoSpread) {
  for (auto& dims : kShapes)
    for (double value : {0.0, 0.1, -123.456, 1e7, 1e10, 1e30}) {
      Doubles x = random_array(dims, 8);
      for (auto& v : x.data) v = float(value);
      for (const Format& format : {Format{}, Format{dims.size() == 4 ? "aBcd16b" : ""}}) {
        const Doubles m = Rig{.format = format}.run("moments", {x});
        for (int64_t c = 0; c < dims[1]; ++c) {
          EXPECT_EQ(m[dims[1] + c], double(float(value)));
          EXPECT_EQ(m[2 * dims[1] + c], 0) << value << " '" << format << "'";
        }
      }
    }
}

TEST(Moments, SurviveSquaresThatOverflowAFloat) {
  for (auto& dims : kShapes) expect_exact(random_array(dims, 9, 1e30, 1e29), "1e30");
}

TEST(Moments, OfThirtyThreeMillionValuesDoNotSaturate) {
  const int64_t count = int64_t{1} << 25;
  std::vector<float> x(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) x[size_t(i)] = float(i % 1024) / 1024;
  double m[3] = {};
  test::OpCall("moments", {{DType::f32, {2, 1, count / 2}}}, {{DType::f64, {3, 1}}})
      .run({x.data()}, {m});
  EXPECT_EQ(m[0], double(count));
  EXPECT_NEAR(m[1], 1023.0 / 2048, 1e-8);
  EXPECT_NEAR(m[2] / double(count), (1024.0 * 1024 - 1) / 12 / 1024 / 1024, 1e-8);
}

TEST(Moments, KeepANaNToItsChannel) {
  for (auto& dims : kShapes)
    for (double bad : {double(NAN), double(INFINITY)}) {
      const Doubles clean = random_array(dims, 11);
      Doubles x = clean;
      const int64_t points = x.size() / dims[0] / dims[1];
      x[(dims[0] - 1) * dims[1] * points + points] = bad;  // channel 1 of the last sample
      const Doubles m = Rig{}.run("moments", {x}), expected = Rig{}.run("moments", {clean});
      for (int64_t c : {0, 2}) EXPECT_EQ(m[2 * dims[1] + c], expected[2 * dims[1] + c]);
      EXPECT_TRUE(std::isnan(m[2 * dims[1] + 1]));
      const Doubles y = Rig{}.run("normalize", {x, m}, {{"eps", 1e-5}, {"relu", true}});
      EXPECT_TRUE(std::isnan(y[points]));
      EXPECT_FALSE(std::isnan(y[0]));
    }
}

// ---- merge_chan

Doubles merge(const Doubles& left, const Doubles& right) {
  return Rig{}.run("merge_chan", {left, right});
}

Doubles moments_of(uint64_t key, int64_t n, double mean) {
  return reference("moments", {random_array({n, 4}, key, mean, 1 + double(key))});
}

TEST(MergeChan, IsTheMomentsOfTheUnion) {
  const Doubles a = random_array({5, 4}, 1, 3), b = random_array({2, 4}, 2, -1);
  Doubles both = a;
  both.dims[0] = 7;
  both.data.insert(both.data.end(), b.data.begin(), b.data.end());
  expect_close(merge(reference("moments", {a}), reference("moments", {b})),
               reference("moments", {both}), 1e-14);
}

TEST(MergeChan, TwoLayersAtOnceHaveTheBitsOfEachAlone) {
  const Doubles l1 = moments_of(1, 5, 3), r1 = moments_of(2, 3, -1);
  Doubles l2 = moments_array({2, 2, 1, 5, 4, 9}), r2 = moments_array({3, 0, 7, 1, 2, 6});
  Operand four{DType::f64, {3, 4}}, two{DType::f64, {3, 2}};
  std::vector<double> in[] = {l1.data, l2.data, r1.data, r2.data}, o1(12), o2(6);
  OpCall("merge_chan", {four, two, four, two}, {four, two})
      .run({in[0].data(), in[1].data(), in[2].data(), in[3].data()}, {o1.data(), o2.data()});
  EXPECT_EQ(o1, merge(l1, r1).data);
  EXPECT_EQ(o2, merge(l2, r2).data);
}

TEST(MergeChan, TakesNothingFromAnEmptySlice) {
  const Doubles a = moments_of(1, 5, 1e3 / 3), none = moments_array(std::vector<double>(12, 0));
  EXPECT_EQ(merge(a, none).data, a.data);
  EXPECT_EQ(merge(none, a).data, a.data);
  EXPECT_EQ(merge(none, none).data, none.data);
}

TEST(MergeChan, IsAssociativeUpToRounding) {
  const Doubles a = moments_of(1, 5, 10), b = moments_of(2, 1, -3), c = moments_of(3, 30, 2);
  expect_close(merge(merge(a, b), c), merge(a, merge(b, c)), 1e-12);
}

TEST(MergeChan, DoesNotCommuteInItsLastBits) {
  int differ = 0;
  for (uint64_t k = 1; k < 30; ++k) {
    const Doubles a = moments_of(k, 5, 10), b = moments_of(k + 50, 7, -3);
    differ += merge(a, b).data != merge(b, a).data;
    expect_close(merge(a, b), merge(b, a), 1e-14);
  }
  EXPECT_GT(differ, 0);
}

TEST(MergeChan, IsLinearSoThatPartsMayBeMergedInTheirTree) {
  EXPECT_TRUE(test::builtin().op("merge_chan")->linear);
  EXPECT_EQ(test::builtin().op("moments")->merge, "chan");
  EXPECT_EQ(test::builtin().op("bn_reduce")->merge, "sum");
  EXPECT_EQ(test::builtin().op("bn_eval_reduce")->merge, "sum");
}

}  // namespace
}  // namespace braid
