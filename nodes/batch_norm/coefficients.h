// The constants of one channel, worked out once in f64. With k = the mean rounded to f32,
//
//   y  = (x - k) * scale + offset
//   dx = (g + (x - k) * slope + bias) * scale
//
// x - k is exact near the mean, so that a mean much larger than the deviation costs no digits.
#pragma once
#include <cmath>
#include <cstdint>

#include <braid/core/attr.h>

namespace braid::batch_norm {

/// Where the statistics of a channel come from: merged moments [3, C], or running ones.
struct Statistics {
  const double* moments = nullptr;
  const float* mean = nullptr;
  const float* variance = nullptr;
};

struct Affine {
  const float* weight = nullptr;  ///< null = 1
  const float* bias = nullptr;    ///< null = 0
};

struct EpsRule {
  double eps = 1e-5;
  bool clamp = false;
};
EpsRule eps_rule(const Dict& attrs);

/// 1 / sqrt(variance + eps), or 1 / sqrt(max(variance, eps)).
template <class T>
constexpr T inverse_deviation(const EpsRule& rule, T variance) {
  return 1 /
         std::sqrt(rule.clamp ? (variance < rule.eps ? rule.eps : variance) : variance + rule.eps);
}

/// Room for a row of floats: whole vectors, and one line more, so that rows of 1024 channels that
/// are read side by side do not fall into the same set of the cache (twice as slow).
inline int64_t room(int64_t floats) { return (floats + 15) / 16 * 16 + 16; }

/// Arrays of `padded` floats in the workspace; channels that are only padding get zeros, so that
/// padding stays zero.
struct Coefficients {
  float *shift, *scale, *offset, *slope, *bias;
  static int64_t bytes(int64_t padded) { return 5 * room(padded) * int64_t(sizeof(float)); }
  Coefficients(void* workspace, int64_t padded);
};

struct ChannelStatistics {
  double count, mean, variance;
};
constexpr ChannelStatistics statistics_of(const Statistics& s, int64_t channels, int64_t c) {
  if (!s.moments) return {0, s.mean[c], s.variance[c]};
  const double count = s.moments[c];
  return {count, s.moments[channels + c], count > 0 ? s.moments[2 * channels + c] / count : 0};
}

// The arithmetic of one channel, for the CPU and for devices.

struct ForwardCoefficients {
  float shift, scale, offset;
};
template <class T = double>
constexpr ForwardCoefficients forward_of(const ChannelStatistics& s, double weight, double bias,
                                         const EpsRule& rule) {
  const T scale = inverse_deviation(rule, s.variance) * weight;
  const float shift = float(s.mean);
  return {shift, float(scale), float(bias + (shift - s.mean) * scale)};
}

struct BackwardCoefficients {
  float slope, bias;
};
/// From the merged sums of g and of g·x̂; nothing where the count is 0.
template <class T = double>
constexpr BackwardCoefficients backward_of(const ChannelStatistics& s, double sum_g, double sum_gx,
                                           float shift, const EpsRule& rule) {
  if (!(s.count > 0)) return {0, 0};
  const T inverse = inverse_deviation(rule, s.variance);
  const bool flat = rule.clamp && s.variance <= rule.eps;  // the clamp cuts the path through it
  // Without the scale, which would make it 1/variance: too small for f32 from values of 1e19 on.
  const T slope = flat ? 0 : -inverse * sum_gx / s.count;
  return {float(slope), float(-sum_g / s.count + slope * (shift - s.mean))};
}

/// The sum of g·x̂ from those of g and g·(x - k).
template <class T = double>
constexpr T finish_sum(const ChannelStatistics& s, double sum_g, double sum_gx,
                       const EpsRule& rule) {
  const T rest = float(s.mean) - s.mean;  // (x - mean) = (x - k) + (k - mean)
  return (sum_gx + rest * sum_g) * inverse_deviation(rule, s.variance);
}

/// shift, scale and offset: all that `y` needs.
void forward_coefficients(const Statistics& s, const Affine& a, const EpsRule& rule,
                          int64_t channels, int64_t padded, const Coefficients& out);

/// All five. `sums` is the merged [2, C] (sum g, sum g·x̂), or null for constant statistics.
void backward_coefficients(const Statistics& s, const double* sums, const Affine& a,
                           const EpsRule& rule, int64_t channels, int64_t padded,
                           const Coefficients& out);

/// What a reduction has summed over `g` and `g·(x - k)`, turned into (sum g, sum g·x̂), in place.
void finish_sums(const Statistics& s, const EpsRule& rule, int64_t channels, double* sums);

}  // namespace braid::batch_norm
