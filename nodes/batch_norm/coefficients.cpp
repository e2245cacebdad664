#include "batch_norm/coefficients.h"

#include <algorithm>
#include <cmath>

namespace braid::batch_norm {

EpsRule eps_rule(const Dict& attrs) {
  return {get_double(attrs, "eps", 1e-5), get_text(attrs, "eps_mode", "plus") == "clamp"};
}

double inverse_deviation(const EpsRule& rule, double variance) {
  return 1 /
         std::sqrt(rule.clamp ? (variance < rule.eps ? rule.eps : variance) : variance + rule.eps);
}

Coefficients::Coefficients(void* workspace, int64_t padded)
    : shift(static_cast<float*>(workspace)),
      scale(shift + room(padded)),
      offset(scale + room(padded)),
      slope(offset + room(padded)),
      bias(slope + room(padded)) {}

ChannelStatistics statistics_of(const Statistics& s, int64_t channels, int64_t c) {
  if (!s.moments) return {0, s.mean[c], s.variance[c]};
  double count = s.moments[c];
  return {count, s.moments[channels + c], count > 0 ? s.moments[2 * channels + c] / count : 0};
}

void forward_coefficients(const Statistics& s, const Affine& a, const EpsRule& rule,
                          int64_t channels, int64_t padded, const Coefficients& out) {
  for (int64_t c = 0; c < channels; ++c) {
    auto [count, mean, variance] = statistics_of(s, channels, c);
    double scale = inverse_deviation(rule, variance) * (a.weight ? a.weight[c] : 1.0);
    out.shift[c] = float(mean);
    out.scale[c] = float(scale);
    out.offset[c] = float((a.bias ? a.bias[c] : 0.0) + (out.shift[c] - mean) * scale);
  }
  for (float* row : {out.shift, out.scale, out.offset}) std::fill(row + channels, row + padded, 0);
}

void backward_coefficients(const Statistics& s, const double* sums, const Affine& a,
                           const EpsRule& rule, int64_t channels, int64_t padded,
                           const Coefficients& out) {
  forward_coefficients(s, a, rule, channels, padded, out);
  std::fill(out.slope, out.slope + padded, 0);
  std::fill(out.bias, out.bias + padded, 0);
  if (!sums) return;
  for (int64_t c = 0; c < channels; ++c) {
    auto [count, mean, variance] = statistics_of(s, channels, c);
    if (!(count > 0)) continue;
    double inv = inverse_deviation(rule, variance);
    bool flat = rule.clamp && variance <= rule.eps;  // the clamp cuts the path through variance
    // Without the scale, which would make it 1/variance: too small for f32 from values of 1e19 on.
    double slope = flat ? 0 : -inv * sums[channels + c] / count;
    out.slope[c] = float(slope);
    out.bias[c] = float(-sums[c] / count + slope * (out.shift[c] - mean));
  }
}

void finish_sums(const Statistics& s, const EpsRule& rule, int64_t channels, double* sums) {
  for (int64_t c = 0; c < channels; ++c) {
    auto [count, mean, variance] = statistics_of(s, channels, c);
    double rest = float(mean) - mean;  // (x - mean) = (x - k) + (k - mean)
    double& with_x = sums[channels + c];
    with_x = (with_x + rest * sums[c]) * inverse_deviation(rule, variance);
  }
}

}  // namespace braid::batch_norm
