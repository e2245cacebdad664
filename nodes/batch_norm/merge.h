// Chan's merge of (count, mean, M2), one column of [3, C]. In floating point left and right are not
// interchangeable: the compiler always merges in the order of the replicas.
#pragma once
#include <cstdint>

namespace braid::batch_norm {

constexpr void merge_channel(const double* left, const double* right, int64_t channels, int64_t c,
                             double* out) {
  const int64_t mean = channels + c, m2 = 2 * channels + c;
  const double a = left[c], b = right[c];
  if (a == 0 || b == 0) {  // an empty slice contributes nothing, not even a rounding
    const double* only = b == 0 ? left : right;
    out[c] = only[c], out[mean] = only[mean], out[m2] = only[m2];
    return;
  }
  const double n = a + b, delta = right[mean] - left[mean];
  const double merged_m2 = left[m2] + right[m2] + delta * delta * (a * b / n);
  out[mean] = left[mean] + delta * (b / n);
  out[m2] = merged_m2;
  out[c] = n;
}

/// Merges a run of `count` values, given by the sums of (x - shift) and of its square, into the
/// `before` values that came earlier.
constexpr void fold(double before, double count, double shift, double sum, double square,
                    double& mean, double& m2) {
  const double run_mean = shift + sum / count, run_m2 = square - sum * sum / count;
  const double total = before + count, delta = run_mean - mean;
  mean += delta * (count / total);
  m2 += (run_m2 < 0 ? 0 : run_m2) + delta * delta * (before * count / total);
}

}  // namespace braid::batch_norm
