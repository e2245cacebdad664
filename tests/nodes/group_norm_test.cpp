// GroupNorm and InstanceNorm2d beyond conformance: numbers known by hand and from PyTorch, data far
// from zero, memory formats, and what is refused.
#include <cmath>

#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

Operand f32(std::vector<int64_t> dims, Format format = {}) {
  return {DType::f32, std::move(dims), std::move(format)};
}
Operand f64(std::vector<int64_t> dims) { return {DType::f64, std::move(dims)}; }

struct Normalized {
  std::vector<float> y;
  std::vector<double> statistics;  ///< [N, 2, groups]
};

Normalized group_norm(const std::vector<float>& x, std::vector<int64_t> dims, int64_t groups,
                      double eps = 1e-5) {
  Normalized r{std::vector<float>(x.size()), std::vector<double>(size_t(dims[0] * 2 * groups))};
  OpCall op("group_norm", {f32(dims)}, {f32(dims), f64({dims[0], 2, groups})},
            {{"num_groups", groups}, {"eps", eps}});
  op.run({const_cast<float*>(x.data())}, {r.y.data(), r.statistics.data()});
  return r;
}

TEST(GroupNorm, IsWhatCanBeWorkedOutByHand) {
  // Two groups of two channels: 1 3 | 5 7 has mean 4 and variance 5; 0 0 | 2 2 has 1 and 1.
  auto r = group_norm({1, 3, 5, 7, 0, 0, 2, 2}, {1, 4, 2}, 2, 1e-9);
  EXPECT_EQ(r.statistics[0], 4);
  EXPECT_EQ(r.statistics[1], 1);
  EXPECT_NEAR(r.statistics[2], 1 / std::sqrt(5.0), 1e-9);
  const float s = float(1 / std::sqrt(5.0));
  const std::vector<float> want{-3 * s, -s, s, 3 * s, -1, -1, 1, 1};
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(r.y[i], want[i], 1e-6) << i;
}

TEST(GroupNorm, IsOneOverTheDeviationHoweverFarTheMean) {
  // A mean of 12370 and a deviation of 0.1: E[x^2] - mean^2 in f32 would be off by more than 1.
  const int64_t n = 4 * 33;
  std::vector<float> x;
  for (int64_t i = 0; i < n; ++i) x.push_back(12370 + (i % 2 ? 0.125f : -0.125f));
  auto r = group_norm(x, {1, 4, 33}, 1, 1e-12);
  EXPECT_EQ(r.statistics[0], 12370);
  EXPECT_NEAR(r.statistics[1], 8, 1e-6);
  for (int64_t i = 0; i < n; ++i) EXPECT_NEAR(r.y[size_t(i)], i % 2 ? 1 : -1, 1e-5) << i;
}

TEST(GroupNorm, OfEqualValuesIsTheBias) {
  auto r = group_norm(std::vector<float>(5 * 7, 0.1f), {1, 5, 7}, 5);
  for (float y : r.y) EXPECT_EQ(y, 0);
}

TEST(GroupNorm, DoesNotOverflowWhereSquaresOfF32Do) {
  auto r = group_norm({1e30f, -1e30f}, {1, 2}, 1);
  EXPECT_EQ(r.y[0], 1);
  EXPECT_EQ(r.y[1], -1);
}

TEST(GroupNorm, TakesBlockedMemoryAsItIsWhateverTheGroups) {
  for (int64_t groups : {1, 3, 6, 12, 24})  // across blocks and within
    for (const char* format : {"aBcd16b", "aBcd8b"}) {
      OpCall op("group_norm", {f32({2, 24, 3, 5}, format)},
                {f32({2, 24, 3, 5}), f64({2, 2, groups})}, {{"num_groups", groups}, {"eps", 1e-5}});
      EXPECT_EQ(op.offer().in_formats[0], format);
      EXPECT_EQ(op.offer().out_formats[0], format);
      EXPECT_EQ(op.offer().out_formats[1], "");
    }
  OpCall strange("group_norm", {f32({2, 24, 3, 5}, "acdb")}, {f32({2, 24, 3, 5}), f64({2, 2, 2})},
                 {{"num_groups", 2}, {"eps", 1e-5}});
  EXPECT_EQ(strange.offer().in_formats[0], "");
}

/// A layer's message when it is given this input.
std::string refusal(const std::string& layer, Shape input, Dict params) {
  try {
    LayerGraph g(builtin(), *builtin().layer(layer),
                 {.inputs = {{DType::f32, std::move(input)}}, .params = std::move(params)},
                 Mode::train);
    return "accepted";
  } catch (const Error& e) {
    auto& d = e.diagnostics()[0];
    return d.code + " " + d.message + (d.helps.empty() ? "" : " | " + d.helps);
  }
}

TEST(GroupNorm, RefusesGroupsThatDoNotDivideTheChannels) {
  EXPECT_EQ(refusal("GroupNorm", {N, 12, 4, 4}, {{"num_groups", 5}}),
            "E0262 layer 'it': num_groups is 5, which does not divide the input's 12 channels: "
            "[N, 12, 4, 4] | num_groups: 1, 2, 3, 4, 6 or 12");
  EXPECT_EQ(refusal("GroupNorm", {N, 12}, {{"num_groups", 4}, {"num_channels", 16}}),
            "E0202 layer 'it': num_channels is 16, but the input has 12 channels: [N, 12] | "
            "num_channels: 12, or leave it out: it follows from the input");
  EXPECT_EQ(refusal("GroupNorm", {N, 12}, {{"num_groups", 12}}).substr(0, 5), "E0263");
  EXPECT_EQ(refusal("GroupNorm", {N}, {{"num_groups", 1}}).substr(0, 5), "E0201");
  EXPECT_EQ(refusal("GroupNorm", {N, 12}, {}).substr(0, 5), "E0106");
}

TEST(InstanceNorm2d, TakesImages) {
  EXPECT_EQ(refusal("InstanceNorm2d", {N, 3, 4}, {}).substr(0, 5), "E0201");
  EXPECT_EQ(refusal("InstanceNorm2d", {N, 3, 1, 1}, {}).substr(0, 5), "E0263");
  EXPECT_EQ(refusal("InstanceNorm2d", {N, 3, 4, 4}, {{"track_running_stats", false}}), "accepted");
}

TEST(InstanceNorm2d, KeepsMeansOfTheSamplesStatistics) {
  LayerDef def = *builtin().layer("InstanceNorm2d");
  def.samples = {{.inputs = {{DType::f32, {N, 1, 1, 2}}},
                  .params = {{"track_running_stats", true}, {"momentum", 0.25}}}};
  Experiment e({&builtin(), &def, 0}, Mode::train, 2);
  e.drawn.at(e.g.inputs[0]) = {1, 3, 6, 14};  // means 2 and 10, unbiased variances 2 and 32
  auto made = e.run({.replicas = 2});
  EXPECT_FLOAT_EQ(float(made.at("after the step, it.running_mean")[0]), 0.25f * 6);
  EXPECT_FLOAT_EQ(float(made.at("after the step, it.running_var")[0]), 0.75f + 0.25f * 17);
  Experiment eval({&builtin(), &def, 0}, Mode::eval, 1);  // mean 0 and variance 1, as they begin
  eval.drawn.at(eval.g.inputs[0]) = {1, 3};
  EXPECT_NEAR(eval.run({}).at("output 0")[1], 3 / std::sqrt(1 + 1e-5), 1e-6);
}

}  // namespace
}  // namespace braid::test
