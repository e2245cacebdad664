#include "clip/clip.h"

#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/totals.h"

namespace braid {
namespace clip_cuda {

using namespace cuda;

struct Squares {
  const float* x;
  __device__ double operator()(int64_t i) const { return double(x[i]) * double(x[i]); }
};

Launch square_sum(std::span<const Signature> signatures) {
  std::vector<int64_t> items;
  for (auto& s : signatures) items.push_back(s.in[0].elements());
  const Totals<Squares> totals(std::move(items));
  auto enqueue = [=](const LaunchArgs& args) {
    totals.enqueue(args, 0, [](const KernelArgs& a, size_t) { return Squares{a.in<float>(0)}; });
  };
  return {enqueue, totals.workspace()};
}

struct ClipPart {
  const float* g;
  const double* square_sum;
  float* y;
  int64_t n;
};

__global__ void scale_down(const __grid_constant__ Parts<ClipPart> parts, const double norm) {
  const ClipPart& p = parts.at[blockIdx.z];
  const float factor = clip_factor<float>(norm, p.square_sum[0]);
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step)
    p.y[i] = factor * p.g[i];
}

Launch clip(std::span<const Signature> signatures) {
  const int64_t n = signatures[0].in[0].elements();
  return {[n, norm = get_double(signatures[0].attrs, "norm")](const LaunchArgs& args) {
    auto part = [n](const KernelArgs& a, size_t) {
      return ClipPart{a.in<float>(0), a.in<double>(1), a.out<float>(0), n};
    };
    for_parts(args.parts, part, [&](const Parts<ClipPart>& parts) {
      launch(args.queue, scale_down, {blocks_for(n, 1024), 1, parts.size()}, 256, parts, norm);
    });
  }};
}

}  // namespace clip_cuda

void register_clip_cuda(Registry& registry) {
  using namespace clip_cuda;
  registry.add(cuda::kernel("square_sum", square_sum));
  registry.add(cuda::kernel("clip", clip));
}

}  // namespace braid
