#include "batch_norm/coefficients.h"

#include <algorithm>

namespace braid::batch_norm {

EpsRule eps_rule(const Dict& attrs) {
  return {get_double(attrs, "eps", 1e-5), get_text(attrs, "eps_mode", "plus") == "clamp"};
}

Coefficients::Coefficients(void* workspace, int64_t padded)
    : shift(static_cast<float*>(workspace)),
      scale(shift + room(padded)),
      offset(scale + room(padded)),
      slope(offset + room(padded)),
      bias(slope + room(padded)) {}

void forward_coefficients(const Statistics& s, const Affine& a, const EpsRule& rule,
                          int64_t channels, int64_t padded, const Coefficients& out) {
  for (int64_t c = 0; c < channels; ++c) {
    auto k = forward_of(statistics_of(s, channels, c), a.weight ? a.weight[c] : 1.0,
                        a.bias ? a.bias[c] : 0.0, rule);
    out.shift[c] = k.shift, out.scale[c] = k.scale, out.offset[c] = k.offset;
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
    auto k =
        backward_of(statistics_of(s, channels, c), sums[c], sums[channels + c], out.shift[c], rule);
    out.slope[c] = k.slope, out.bias[c] = k.bias;
  }
}

void finish_sums(const Statistics& s, const EpsRule& rule, int64_t channels, double* sums) {
  for (int64_t c = 0; c < channels; ++c) {
    double& with_x = sums[channels + c];
    with_x = finish_sum(statistics_of(s, channels, c), sums[c], with_x, rule);
  }
}

}  // namespace braid::batch_norm
