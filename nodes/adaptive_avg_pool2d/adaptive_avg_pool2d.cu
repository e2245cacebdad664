// Adaptive average pooling of planes: to one cell it is a mean of rows; else a thread sums a
// window, or a block where windows are large. In the gradient every cell of the image collects from
// the windows that see it.
#include "adaptive_avg_pool2d/ops.h"
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/means.h"

namespace braid {
namespace adaptive_avg_pool2d_cuda {

using namespace cuda;

constexpr int64_t kLargeWindow = 256;

struct Planes {
  int64_t height, width, pooled_height, pooled_width;

  Planes(const Operand& image, const Operand& pooled)
      : height(image.dim(2)),
        width(image.dim(3)),
        pooled_height(pooled.dim(2)),
        pooled_width(pooled.dim(3)) {}

  int64_t cells() const { return pooled_height * pooled_width; }
  bool large() const { return height * width / cells() >= kLargeWindow; }
};

struct Part {
  const float* in;
  float* out;
  int64_t n;  ///< cells of `out`
};

/// The window of a cell of the pooled image.
struct Window {
  const float* corner;
  int64_t rows, columns;

  __device__ Window(const Planes& s, const Part& p, int64_t cell) {
    const auto at = Place::of(cell, s.pooled_height, s.pooled_width);
    const Span down = adaptive_span(at.at, s.height, s.pooled_height);
    const Span across = adaptive_span(at.in, s.width, s.pooled_width);
    corner = p.in + (at.outer * s.height + down.begin) * s.width + across.begin;
    rows = down.size(), columns = across.size();
  }
};

__global__ void pool(const __grid_constant__ Parts<Part> parts, const Planes s) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step) {
    const Window w(s, p, i);
    double sum = 0;
    for (int64_t row = 0; row < w.rows; ++row)
      for (int64_t column = 0; column < w.columns; ++column)
        sum += double(w.corner[row * s.width + column]);
    p.out[i] = float(sum / double(w.rows * w.columns));
  }
}

__global__ void pool_large(const __grid_constant__ Parts<Part> parts, const Planes s) {
  using Reduce = cub::BlockReduce<double, kMeanThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const Part& p = parts.at[blockIdx.z];
  for (int64_t i = blockIdx.x; i < p.n; i += gridDim.x) {
    const Window w(s, p, i);
    const int64_t cells = w.rows * w.columns;
    double sum = 0;
    for (int64_t k = threadIdx.x; k < cells; k += kMeanThreads) {
      const int64_t row = quotient(k, w.columns);
      sum += double(w.corner[row * s.width + k - row * w.columns]);
    }
    sum = Reduce(storage).Sum(sum);
    if (threadIdx.x == 0) p.out[i] = float(sum / double(cells));
    __syncthreads();
  }
}

__device__ float gradient_at(const Planes& s, const float* g, int64_t cell) {
  const auto at = Place::of(cell, s.height, s.width);
  const Span down = adaptive_span(at.at, s.pooled_height, s.height);
  const Span across = adaptive_span(at.in, s.pooled_width, s.width);
  float sum = 0;
  for (int64_t i = down.begin; i < down.end; ++i)
    for (int64_t j = across.begin; j < across.end; ++j) {
      const int64_t cells = adaptive_span(i, s.height, s.pooled_height).size() *
                            adaptive_span(j, s.width, s.pooled_width).size();
      sum += g[(at.outer * s.pooled_height + i) * s.pooled_width + j] / float(cells);
    }
  return sum;
}

__global__ void spread(const __grid_constant__ Parts<Part> parts, const Planes s) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step)
    p.out[i] = gradient_at(s, p.in, i);
}

/// To one cell: every cell of the image gets the same.
__global__ void spread_evenly(const __grid_constant__ Parts<Part> parts, const int64_t cells) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t packs = p.n / 4, step = int64_t(gridDim.x) * blockDim.x;
  const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += step) {
    Pack<float, 4> pack;
    for (int k = 0; k < 4; ++k) pack.at[k] = p.in[quotient(i * 4 + k, cells)] / float(cells);
    store(p.out + i * 4, pack);
  }
  for (int64_t i = packs * 4 + first; i < p.n; i += step)
    p.out[i] = p.in[quotient(i, cells)] / float(cells);
}

std::vector<int64_t> sizes_of(std::span<const Signature> signatures) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  return sizes;
}

template <class Run>
void for_all(const LaunchArgs& args, const std::vector<int64_t>& sizes, Run run) {
  auto part = [&](const KernelArgs& a, size_t i) {
    return Part{a.in<float>(0), a.out<float>(0), sizes[i]};
  };
  for_parts(args.parts, part, [&](const Parts<Part>& parts) {
    int64_t most = 0;
    for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
    run(parts, most);
  });
}

Launch make_forward(std::span<const Signature> signatures) {
  const Planes s(signatures[0].in[0], signatures[0].out[0]);
  return {[=, sizes = sizes_of(signatures)](const LaunchArgs& args) {
    if (s.cells() == 1) {
      enqueue_means(args, sizes, s.height * s.width);
      return;
    }
    for_all(args, sizes, [&](const Parts<Part>& parts, int64_t most) {
      if (s.large())
        launch(args.queue, pool_large, {blocks_for(most, 1, 1 << 20), 1, parts.size()},
               kMeanThreads, parts, s);
      else
        launch(args.queue, pool, {blocks_for(most, 128), 1, parts.size()}, 128, parts, s);
    });
  }};
}

Launch make_gradient(std::span<const Signature> signatures) {
  const Planes s(signatures[0].out[0], signatures[0].in[0]);
  return {[=, sizes = sizes_of(signatures)](const LaunchArgs& args) {
    for_all(args, sizes, [&](const Parts<Part>& parts, int64_t most) {
      if (s.cells() == 1)
        launch(args.queue, spread_evenly, {blocks_for(most, 1024), 1, parts.size()}, 256, parts,
               s.height * s.width);
      else
        launch(args.queue, spread, {blocks_for(most, 256), 1, parts.size()}, 256, parts, s);
    });
  }};
}

}  // namespace adaptive_avg_pool2d_cuda

void register_adaptive_avg_pool2d_cuda(Registry& registry) {
  using namespace adaptive_avg_pool2d_cuda;
  registry.add(cuda::kernel("adaptive_avg_pool2d", make_forward));
  registry.add(cuda::kernel("adaptive_avg_pool2d_grad", make_gradient));
}

}  // namespace braid
