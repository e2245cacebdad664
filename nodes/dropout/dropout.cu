#include "dropout/dropout.h"

#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid {
namespace dropout_cuda {

using namespace cuda;

struct Part {
  const float* x;
  float* y;
  int64_t n, first;  ///< first: the logical index of element 0
  const Scalars* scalars;
};

template <int kWidth>
__device__ void drop(const DropoutRule& rule, const Part& p, uint64_t key, int64_t i) {
  auto pack = load<kWidth>(p.x + i * kWidth);
  const float scale = float(rule.scale);
  for (int k = 0; k < kWidth; ++k)
    pack.at[k] = rule.falls(key, p.first + i * kWidth + k) ? 0 : pack.at[k] * scale;
  store(p.y + i * kWidth, pack);
}

__global__ void dropout(const __grid_constant__ Parts<Part> parts,
                        const __grid_constant__ DropoutRule rule) {
  const Part& p = parts.at[blockIdx.z];
  const uint64_t key = rule.key(*p.scalars);
  const int64_t packs = p.n / 4, step = int64_t(gridDim.x) * blockDim.x;
  const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += step) drop<4>(rule, p, key, i);
  for (int64_t i = packs * 4 + first; i < p.n; i += step) drop<1>(rule, p, key, i);
}

Launch make(std::span<const Signature> signatures) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.in[0].elements());
  const DropoutRule rule(signatures[0].attrs, signatures[0].in[0]);
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0), a.out<float>(0), sizes[i], rule.first(a.first_sample), a.scalars};
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, dropout, {blocks_for(most, 1024), 1, parts.size()}, 256, parts, rule);
    });
  }};
}

}  // namespace dropout_cuda

void register_dropout_cuda(Registry& registry) {
  using namespace dropout_cuda;
  registry.add(cuda::kernel("dropout", make, {.alias = 0}));
}

}  // namespace braid
