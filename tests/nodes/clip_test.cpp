// Clipping by the common norm, and moving averages, by numbers that can be worked out by hand.
#include <cmath>

#include <braid/core/random.h>

#include "support/kernels.h"

namespace braid::test {
namespace {

template <class T>
double square_sum(std::vector<T> x, const std::string& device) {
  const DType dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
  OpCall op("square_sum", {{dtype, {int64_t(x.size())}}}, {{DType::f64, {1}}});
  op.device = device;
  double sum = -1;
  op.run({x.data()}, {&sum});
  return sum;
}

TEST(SquareSum, CountsEveryElementOnce) {
  for (int n : {1, 15, 16, 17, 100}) {
    std::vector<float> x;
    double expected = 0;
    for (int i = 1; i <= n; ++i) x.push_back(float(i)), expected += double(i) * i;
    EXPECT_EQ(square_sum(x, "cpu"), expected) << n;
    EXPECT_EQ(square_sum(std::vector<double>(x.begin(), x.end()), "reference"), expected) << n;
  }
}

TEST(SquareSum, IsDoneInDoubles) {
  EXPECT_NEAR(square_sum(std::vector<float>{1e30f, 1e30f}, "cpu") / 2e60, 1, 1e-6);
}

std::vector<float> clip(std::vector<float> g, double total, double norm) {
  const Operand like{DType::f32, {int64_t(g.size())}};
  OpCall op("clip", {like, {DType::f64, {1}}}, {like}, {{"norm", norm}});
  std::vector<float> y(g.size());
  op.run({g.data(), &total}, {y.data()});
  return y;
}

TEST(Clip, ScalesDownAndNeverUp) {
  EXPECT_EQ(clip({3, 4}, 25, 5.1), (std::vector<float>{3, 4}));
  EXPECT_EQ(clip({3, 4}, 0, 1), (std::vector<float>{3, 4}));
  auto half = clip({3, 4}, 25, 2.5);
  EXPECT_NEAR(half[0], 1.5, 1e-6);
  EXPECT_NEAR(half[1], 2, 1e-6);
}

// As PyTorch does it: what is not finite is seen, not hidden.
TEST(Clip, NormsThatAreNotFiniteGoOn) {
  EXPECT_TRUE(std::isnan(clip({1}, NAN, 1)[0]));
  EXPECT_EQ(clip({1}, INFINITY, 1)[0], 0);
}

TEST(Ema, StartsAsTheWeight) {
  for (int64_t step : {0, 1}) {
    double average = 8, weight = 4;
    OpCall op("ema", {{DType::f64, {1}}, {DType::f64, {1}}}, {}, {{"decay", 0.75}});
    op.device = "reference";
    op.scalars.step = step;
    op.run({&average, &weight}, {});
    EXPECT_EQ(average, step == 0 ? 4 : 7);
    EXPECT_EQ(weight, 4);
  }
}

// f32 on the CPU beside the f64 judge, over sizes with every tail.
TEST(ClipAndEma, AgreeWithTheReference) {
  for (int64_t n : {1, 3, 16, 37, 1000}) {
    std::vector<float> a, b, y(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i)
      a.push_back(float(normal(1, uint64_t(i)))), b.push_back(float(normal(2, uint64_t(i))));
    std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end()), wide_y(y.size());
    auto run = [&](const char* op, const Dict& attrs, std::vector<Operand> in,
                   std::vector<Operand> out, std::vector<void*> from, std::vector<void*> to,
                   const char* device) {
      OpCall call(op, std::move(in), std::move(out), attrs);
      call.device = device;
      call.scalars.step = 3;
      call.run(std::move(from), std::move(to));
    };
    const Operand narrow{DType::f32, {n}}, wide{DType::f64, {n}}, one{DType::f64, {1}};
    double sum = 0, judge = 0, total = 9;
    run("square_sum", {}, {narrow}, {one}, {a.data()}, {&sum}, "cpu");
    run("square_sum", {}, {wide}, {one}, {wide_a.data()}, {&judge}, "reference");
    EXPECT_NEAR(sum, judge, 1e-12 * judge) << n;
    const Dict norm{{"norm", 1.25}}, decay{{"decay", 0.99}};
    run("clip", norm, {narrow, one}, {narrow}, {a.data(), &total}, {y.data()}, "cpu");
    run("clip", norm, {wide, one}, {wide}, {wide_a.data(), &total}, {wide_y.data()}, "reference");
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], wide_y[i], 1e-6) << n;
    run("ema", decay, {narrow, narrow}, {}, {b.data(), a.data()}, {}, "cpu");
    run("ema", decay, {wide, wide}, {}, {wide_b.data(), wide_a.data()}, {}, "reference");
    for (size_t i = 0; i < b.size(); ++i) EXPECT_NEAR(b[i], wide_b[i], 1e-6) << n;
  }
}

}  // namespace
}  // namespace braid::test
