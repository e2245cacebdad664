// The arithmetic of a channel that CPU and devices share, against formulas written out in f64, and
// against what the CPU kernels make of it.
#include "batch_norm/coefficients.h"
#include "batch_norm/merge.h"
#include "batch_norm/running.h"
#include "nodes/batch_norm_rig.h"

namespace braid::batch_norm {
namespace {

using test::Doubles;
using test::moments_array;
using test::Rig;

/// |a - b| in units of the larger one's size, or of `scale` if that is more.
double apart(double a, double b, double scale = 0) {
  const double most = std::max({std::abs(a), std::abs(b), std::abs(scale)});
  return most == 0 ? 0 : std::abs(a - b) / most;
}

const std::vector<double> kMeans{0, 0.25, -3, 123.7, 1e6, -1e30, 1e-20};
const std::vector<double> kVariances{0, 1e-12, 1e-5, 0.7, 4, 1e12};
const std::vector<EpsRule> kRules{{1e-5, false}, {1e-5, true}, {2, false}, {2, true}, {0.7, true}};

template <class F>
void each_statistic(F f) {
  for (double mean : kMeans)
    for (double variance : kVariances)
      for (double count : {0.5, 1.0, 2.0, 1000.0})
        for (auto& rule : kRules) f(ChannelStatistics{count, mean, variance}, rule);
}

TEST(BatchNormShared, InverseDeviation) {
  each_statistic([](const ChannelStatistics& s, const EpsRule& rule) {
    const double plus = 1 / std::sqrt(s.variance + rule.eps);
    const double clamp = 1 / std::sqrt(std::max(s.variance, rule.eps));
    EXPECT_EQ(inverse_deviation(rule, s.variance), rule.clamp ? clamp : plus);
  });
  EXPECT_TRUE(std::isnan(inverse_deviation(EpsRule{1e-5, true}, std::nan(""))));
  EXPECT_TRUE(std::isnan(inverse_deviation(EpsRule{1e-5, false}, std::nan(""))));
}

// y = (x - mean) / deviation * weight + bias, at points about the mean.
TEST(BatchNormShared, Forward) {
  each_statistic([](const ChannelStatistics& s, const EpsRule& rule) {
    const double inverse = inverse_deviation(rule, s.variance);
    for (double weight : {1.0, -0.3, 0.0})
      for (double bias : {0.0, 2.5}) {
        const auto k = forward_of(s, weight, bias, rule);
        EXPECT_EQ(k.shift, float(s.mean));
        for (double d : {-2.0, 0.0, 0.5}) {
          const double x = s.mean + d / inverse, xhat = (x - s.mean) * inverse;
          const double y = (x - double(k.shift)) * double(k.scale) + double(k.offset);
          // How far off the mean k is counts, too: both products are that large.
          const double scale = std::abs((s.mean - double(k.shift)) * inverse * weight);
          EXPECT_LE(apart(y, xhat * weight + bias, std::max({scale, std::abs(weight), bias})), 2e-6)
              << "mean " << s.mean << ", variance " << s.variance;
        }
      }
  });
}

// dx = weight / deviation * (g - mean(g) - x̂ * mean(g·x̂))
TEST(BatchNormShared, Backward) {
  each_statistic([](const ChannelStatistics& s, const EpsRule& rule) {
    const double inverse = inverse_deviation(rule, s.variance);
    const bool flat = rule.clamp && s.variance <= rule.eps;
    for (double sum_g : {0.0, 3.0})
      for (double sum_gx : {-7.0, 0.1}) {
        const float shift = float(s.mean);
        const auto k = backward_of(s, sum_g, sum_gx, shift, rule);
        const double off = std::abs((shift - s.mean) * inverse);
        for (double xhat : {-1.5, 0.0, 0.4}) {
          const double centered = xhat / inverse + (s.mean - shift);
          const double got = centered * double(k.slope) + double(k.bias);
          const double want = -sum_g / s.count - (flat ? 0 : xhat * sum_gx / s.count);
          const double scale = (std::abs(sum_g) + std::abs(sum_gx) * (1.5 + off)) / s.count;
          EXPECT_LE(apart(got, want, scale), 1e-6) << s.mean << " " << s.variance;
        }
      }
  });
  const auto none = backward_of({0, 1, 2}, 3, 4, 1, {});
  EXPECT_EQ(none.slope, 0);
  EXPECT_EQ(none.bias, 0);
}

TEST(BatchNormShared, FinishedSums) {
  each_statistic([](const ChannelStatistics& s, const EpsRule& rule) {
    const double shift = float(s.mean), inverse = inverse_deviation(rule, s.variance);
    // Two values with gradients 1 and -3.
    const double a = s.mean + 0.5 / inverse, b = s.mean - 2 / inverse;
    const double got = finish_sum(s, -2, (a - shift) - 3 * (b - shift), rule);
    const double want = (a - s.mean) * inverse - 3 * (b - s.mean) * inverse;
    EXPECT_LE(apart(got, want, std::abs(a - shift) * inverse), 1e-12);
  });
}

TEST(BatchNormShared, MergesAreThoseOfAllValues) {
  const std::vector<double> left{3, 5, -1, 4}, right{100, 103};
  auto moments = [](const std::vector<double>& x) {
    double mean = 0, m2 = 0;
    for (double v : x) mean += v / double(x.size());
    for (double v : x) m2 += (v - mean) * (v - mean);
    return std::vector<double>{double(x.size()), mean, m2};
  };
  std::vector<double> all = left;
  all.insert(all.end(), right.begin(), right.end());
  const auto a = moments(left), b = moments(right), want = moments(all);
  std::vector<double> got(3);
  merge_channel(a.data(), b.data(), 1, 0, got.data());
  for (size_t i = 0; i < 3; ++i) EXPECT_LE(apart(got[i], want[i]), 1e-14);
  // In place, as plans do it.
  std::vector<double> here = a;
  merge_channel(here.data(), b.data(), 1, 0, here.data());
  EXPECT_EQ(here, got);
  // What is empty leaves the other's bits alone, even where it holds no numbers.
  const std::vector<double> empty{0, std::nan(""), std::nan("")};
  for (bool first : {true, false}) {
    merge_channel(first ? empty.data() : a.data(), first ? a.data() : empty.data(), 1, 0,
                  got.data());
    EXPECT_EQ(got, a);
  }

  double mean = a[1], m2 = a[2], shift = 99;
  fold(a[0], b[0], shift, 100 + 103 - 2 * shift, 1 + 16, mean, m2);
  EXPECT_LE(apart(mean, want[1]), 1e-14);
  EXPECT_LE(apart(m2, want[2]), 1e-14);
}

TEST(BatchNormShared, RunningStatistics) {
  const std::vector<double> moments{8, 2.5, 14};  // of one channel
  for (bool unbiased : {true, false})
    for (bool cumulative : {true, false}) {
      const RunningRule rule{.momentum = 0.3, .cumulative = cumulative, .unbiased = unbiased};
      double mean = 1, variance = 5;
      update_channel(rule, moments.data(), 1, 0, 4, &mean, &variance);
      const double weight = cumulative ? 0.25 : 0.3, batch = 14 / (unbiased ? 7.0 : 8.0);
      EXPECT_LE(apart(mean, 1 + weight * (2.5 - 1)), 1e-15);
      EXPECT_LE(apart(variance, 5 + weight * (batch - 5)), 1e-15);
    }
  // The first of a cumulative mean is the batch's own.
  double mean = 77, variance = 88;
  update_channel(RunningRule{.cumulative = true}, moments.data(), 1, 0, 1, &mean, &variance);
  EXPECT_EQ(mean, 2.5);
  EXPECT_EQ(variance, 2);
}

// ---- the CPU kernels say the same, to the last bit

TEST(BatchNormShared, CpuKernelsMakeTheSameBits) {
  for (auto& rule : kRules) {
    const Dict attrs{{"eps", rule.eps}, {"eps_mode", rule.clamp ? "clamp" : "plus"}};
    std::vector<double> m(3 * 6);
    const double means[] = {0, 0.25, -3, 123.7, 1e6, 1e-20};
    for (size_t c = 0; c < 6; ++c) m[c] = 8, m[6 + c] = means[c], m[12 + c] = 8 * kVariances[c];
    const Doubles moments = moments_array(m);
    Doubles x{{8, 6}, {}}, g = test::random_array({8, 6}, 4);
    const Doubles weight = test::random_array({6}, 5), bias = test::random_array({6}, 6);
    for (int64_t i = 0; i < 48; ++i)
      x.data.push_back(float(means[i % 6] + test::random_array({48}, 7)[i]));
    const Doubles s{{2, 6}, test::random_array({12}, 8).data, DType::f64};
    const Doubles y = Rig{}.run("normalize", {x, moments, weight, bias}, attrs);
    const Doubles dx = Rig{}.run("bn_dx", {g, x, moments, s, weight, bias}, attrs);
    for (int64_t i = 0; i < 48; ++i) {
      const int64_t c = i % 6;
      const auto of = statistics_of({.moments = m.data()}, 6, c);
      const auto k = forward_of(of, weight[c], bias[c], rule);
      EXPECT_EQ(float(y[i]), std::fma(float(x[i]) - k.shift, k.scale, k.offset));
      const auto b = backward_of(of, s[c], s[6 + c], k.shift, rule);
      const float through = std::fma(float(x[i]) - k.shift, b.slope, b.bias);
      EXPECT_LE(apart(dx[i], (float(g[i]) + through) * k.scale), 1e-6);
    }
  }
}

}  // namespace
}  // namespace braid::batch_norm
