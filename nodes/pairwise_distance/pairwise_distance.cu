#include "pairwise_distance/pairwise_distance.h"

#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/row_team.h"

namespace braid {
namespace pairwise_distance_cuda {

using namespace cuda;

struct Part {
  const float *x1, *x2;
  const float *g, *distance;  ///< of each row; null forward
  float* out;
  int64_t n;  ///< rows forward, elements of the gradient
};

template <bool kBlocks>
__global__ void distances(const __grid_constant__ Parts<Part> parts,
                          const __grid_constant__ DistanceRule rule, const int64_t count) {
  __shared__ typename Team<kBlocks>::Scratch scratch;
  Team<kBlocks> team{scratch};
  const Part& p = parts.at[blockIdx.z];
  for (int64_t row = team.first_row(); row < p.n; row += team.row_step()) {
    const float *x1 = p.x1 + row * count, *x2 = p.x2 + row * count;
    double sum = 0;
    for (int64_t c = team.first(); c < count; c += team.step())
      sum += rule.norm.power(rule.off(x1[c], x2[c]));
    sum = team.sum(sum);
    if (team.first() == 0) p.out[row] = float(rule.norm.root(sum));
  }
}

__global__ void distance_slopes(const __grid_constant__ Parts<Part> parts,
                                const __grid_constant__ DistanceRule rule, const int64_t count) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step) {
    const int64_t row = quotient(i, count);
    const double slope = rule.norm.slope(rule.off(p.x1[i], p.x2[i]), p.distance[row]);
    p.out[i] = float(rule.sign * p.g[row] * slope);
  }
}

int64_t most_of(const Parts<Part>& parts) {
  int64_t most = 0;
  for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
  return most;
}

std::vector<int64_t> sizes_of(std::span<const Signature> signatures) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  return sizes;
}

Launch make_forward(std::span<const Signature> signatures) {
  const int64_t count = signatures[0].in[0].dims.back();
  const DistanceRule rule(signatures[0].attrs);
  return {[=, rows = sizes_of(signatures)](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0), a.in<float>(1), nullptr, nullptr, a.out<float>(0), rows[i]};
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      const bool blocks = count > kShortRow;
      launch(args.queue, blocks ? distances<true> : distances<false>,
             row_grid(most_of(parts), blocks, parts.size()), kRowThreads, parts, rule, count);
    });
  }};
}

Launch make_gradient(std::span<const Signature> signatures) {
  const int64_t count = signatures[0].in[1].dims.back();
  const DistanceRule rule(signatures[0].attrs);
  return {[=, sizes = sizes_of(signatures)](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(1), a.in<float>(2),  a.in<float>(0),
                  a.in<float>(3), a.out<float>(0), sizes[i]};
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      launch(args.queue, distance_slopes, {blocks_for(most_of(parts), 256), 1, parts.size()}, 256,
             parts, rule, count);
    });
  }};
}

}  // namespace pairwise_distance_cuda

void register_pairwise_distance_cuda(Registry& registry) {
  using namespace pairwise_distance_cuda;
  registry.add(cuda::kernel("pairwise_distance", make_forward));
  registry.add(cuda::kernel("pairwise_distance_grad", make_gradient));
}

}  // namespace braid
