// Activations at points that are chosen for where they bend, which random samples seldom reach:
// values and slopes as PyTorch's documentation has them, of the CPU's kernels and of their judges.
#include <cmath>

#include "support/kernels.h"

namespace braid::test {
namespace {

/// What an operation on arrays of one length makes of them.
template <class T>
std::vector<T> made(const std::string& device, const std::string& op, const Dict& attrs,
                    std::vector<std::vector<T>> in) {
  const Operand array{sizeof(T) == 8 ? DType::f64 : DType::f32, {int64_t(in[0].size())}};
  OpCall call(op, std::vector<Operand>(in.size(), array), {array}, attrs);
  call.device = device;
  std::vector<void*> inputs;
  for (auto& numbers : in) inputs.push_back(numbers.data());
  std::vector<T> y(in[0].size());
  call.run(inputs, {y.data()});
  return y;
}

struct Point {
  double x, y, slope;
};

/// Whether the gradient is computed from the result, as that of the simplest activations is.
enum class From { input, result };

template <class T>
void expect_on(const std::string& device, const std::string& op, const Dict& attrs, From from,
               const std::vector<Point>& points) {
  std::vector<T> x, g;
  for (auto& p : points) x.push_back(T(p.x)), g.push_back(2);
  auto y = made<T>(device, op, attrs, {x});
  auto dx = made<T>(device, op + "_grad", attrs, {g, from == From::input ? x : y});
  for (size_t i = 0; i < points.size(); ++i) {
    const auto& p = points[i];
    EXPECT_NEAR(double(y[i]), p.y, 1e-6 * (1 + std::abs(p.y))) << device << " at " << p.x;
    EXPECT_NEAR(double(dx[i]), 2 * p.slope, 3e-6) << device << ", slope at " << p.x;
  }
}

void expect(const std::string& op, const std::vector<Point>& points, From from = From::input,
            const Dict& attrs = {}) {
  expect_on<float>("cpu", op, attrs, from, points);
  expect_on<double>("reference", op, attrs, from, points);
}

TEST(Activations, ReLU6IsFlatOutside0To6) {
  expect("relu6", {{-1, 0, 0}, {0, 0, 0}, {2.5, 2.5, 1}, {6, 6, 0}, {7, 6, 0}}, From::result);
  EXPECT_TRUE(std::isnan(made<float>("cpu", "relu6", {}, {{NAN}})[0]));
}

TEST(Activations, HardswishIsPiecewise) {
  expect("hardswish", {{-4, 0, 0},
                       {-3, 0, 0},
                       {-1, -1 / 3., 1 / 6.},
                       {0, 0, 0.5},
                       {1.5, 1.125, 1},
                       {3, 3, 1},
                       {5, 5, 1}});
}

TEST(Activations, SiLUIsTheInputTimesItsLogisticFunction) {
  const double s = 1 / (1 + std::exp(-2.0));
  expect("silu", {{0, 0, 0.5}, {2, 2 * s, s * (1 + 2 * (1 - s))}, {-80, 0, 0}, {80, 80, 1}});
}

TEST(Activations, ELUApproachesMinusAlpha) {
  const Dict attrs{{"alpha", 0.5}};
  expect(
      "elu",
      {{2, 2, 1}, {0, 0, 0.5}, {-1, 0.5 * std::expm1(-1.0), 0.5 * std::exp(-1.0)}, {-90, -0.5, 0}},
      From::input, attrs);
  // Near 0 no digits are lost, as exp(x) - 1 would lose them.
  EXPECT_FLOAT_EQ(made<float>("cpu", "elu", {{"alpha", 1.0}}, {{-1e-6f}})[0],
                  float(std::expm1(-1e-6)));
}

TEST(Activations, SoftplusPassesOnWhatIsAboveTheThreshold) {
  auto smooth = [](double x) { return std::log1p(std::exp(x)); };
  auto step = [](double x) { return 1 / (1 + std::exp(-x)); };
  expect("softplus", {{0, std::log(2.0), 0.5}, {1, smooth(1), step(1)}, {-90, 0, 0}, {21, 21, 1}},
         From::input, {{"beta", 1.0}, {"threshold", 20.0}});
  expect("softplus", {{1, smooth(2) / 2, step(2)}, {1.6, 1.6, 1}, {-3, smooth(-6) / 2, step(-6)}},
         From::input, {{"beta", 2.0}, {"threshold", 3.0}});
}

TEST(Activations, GELUWeighsByTheNormalLaw) {
  // 0.841344746 of a normal law lies below 1; its density there is 0.241970725.
  expect("gelu",
         {{0, 0, 0.5},
          {1, 0.841344746, 0.841344746 + 0.241970725},
          {-1, -0.158655254, 0.158655254 - 0.241970725},
          {3, 2.995950306, 1.011945665},
          {-20, 0, 0},
          {20, 20, 1}},
         From::input, {{"approximate", "none"}});
  // The slope: (1 + t) / 2 + x / 2 · (1 - t²) · sqrt(2 / pi) · (1 + 3 · 0.044715 · x²).
  expect("gelu", {{0, 0, 0.5}, {1, 0.841191991, 1.082964028}, {-20, 0, 0}, {20, 20, 1}},
         From::input, {{"approximate", "tanh"}});
}

}  // namespace
}  // namespace braid::test
