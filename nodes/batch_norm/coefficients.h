// The constants of one channel, worked out once in f64. With k = the mean rounded to f32,
//
//   y  = (x - k) * scale + offset
//   dx = (g + (x - k) * slope + bias) * scale
//
// x - k is exact near the mean, so that a mean much larger than the deviation costs no digits.
#pragma once
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
double inverse_deviation(const EpsRule& rule, double variance);

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
ChannelStatistics statistics_of(const Statistics& s, int64_t channels, int64_t c);

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
