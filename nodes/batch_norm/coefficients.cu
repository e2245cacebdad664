// The constants of each channel, once for all of its values.
#include "batch_norm/device.h"

namespace braid::batch_norm {
namespace batch_norm_coefficients_cuda {

using cuda::Parts;

__global__ void coefficients(const __grid_constant__ Parts<CoefficientPart> parts,
                             const EpsRule rule, int64_t channels) {
  const CoefficientPart& p = parts.at[blockIdx.z];
  const int64_t c = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const auto out = CoefficientRows::at(p.out, channels);
  const auto s = statistics_of(p.statistics, channels, c);
  const auto forward = forward_of(s, p.affine.weight ? p.affine.weight[c] : 1.0,
                                  p.affine.bias ? p.affine.bias[c] : 0.0, rule);
  out.shift[c] = forward.shift, out.scale[c] = forward.scale, out.offset[c] = forward.offset;
  BackwardCoefficients backward{0, 0};
  if (p.sums) backward = backward_of(s, p.sums[c], p.sums[channels + c], forward.shift, rule);
  out.slope[c] = backward.slope, out.bias[c] = backward.bias;
  if (p.status && c == 0 && !(s.count > 1)) *p.status = 1;
}

}  // namespace batch_norm_coefficients_cuda

void make_coefficients(Queue* queue, const EpsRule& rule, int64_t channels,
                       std::span<const CoefficientPart> all) {
  using namespace batch_norm_coefficients_cuda;
  for (size_t i = 0; i < all.size();) {
    Parts<CoefficientPart> parts;
    while (i < all.size() && parts.count < Parts<CoefficientPart>::most)
      parts.at[parts.count++] = all[i++];
    cuda::launch(queue, coefficients, {cuda::blocks_for(channels, 128, 1 << 20), 1, parts.size()},
                 128, parts, rule, channels);
  }
}

}  // namespace braid::batch_norm
