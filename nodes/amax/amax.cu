// A thread goes through what goes into one result.
#include <algorithm>

#include "amax/ops.h"
#include "cuda/axes.h"
#include "cuda/kernel.h"
#include "cuda/launch.h"

namespace braid {
namespace amax_cuda {

using namespace cuda;

struct Part {
  const float* x;
  float* y;
  int64_t n;  ///< of y
};

template <bool kLeast>
__global__ void extremes(const __grid_constant__ Parts<Part> parts,
                         const __grid_constant__ Axes kept, const __grid_constant__ Axes reduced,
                         const int64_t count) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step) {
    const float* x = p.x + kept.at(i);
    float best = x[0];
    for (int64_t r = 1; r < count; ++r) {
      const float own = x[reduced.at(r)];
      if ((kLeast ? own < best : own > best) || own != own) best = own;
    }
    p.y[i] = best;
  }
}

/// The largest part: only the size of the outermost axis differs between parts, and `at` does not
/// look at that.
const Signature& largest(std::span<const Signature> signatures) {
  return *std::ranges::max_element(signatures, {},
                                   [](const Signature& s) { return s.in[0].elements(); });
}

template <bool kLeast>
Launch make(std::span<const Signature> signatures) {
  const auto &from = largest(signatures).in[0].dims, &to = largest(signatures).out[0].dims;
  Axes kept, reduced;
  int64_t stride = largest(signatures).in[0].elements();
  for (size_t d = 0; d < from.size() && stride > 0; ++d) {
    stride /= from[d];
    (to[d] == from[d] ? kept : reduced).push(from[d], stride);
  }
  const int64_t count = reduced.cells();
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<const float>(0), a.out<float>(0), sizes[i]};
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, extremes<kLeast>, {blocks_for(most, 128), 1, parts.size()}, 128, parts,
             kept, reduced, count);
    });
  }};
}

}  // namespace amax_cuda

void register_amax_cuda(Registry& registry) {
  using namespace amax_cuda;
  registry.add(cuda::kernel("amax", make<false>));
  registry.add(cuda::kernel("amin", make<true>));
}

}  // namespace braid
