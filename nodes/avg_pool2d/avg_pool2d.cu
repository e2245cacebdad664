// Average pooling and its gradient, with PyTorch's counts, which are not always cuDNN's. Sums have
// the order of the plain kernels for the CPU.
#include "avg_pool2d/ops.h"
#include "cuda/kernel.h"
#include "cuda/planes.h"
#include "max_pool2d/axis.h"

namespace braid {
namespace avg_pool2d_cuda {

using cuda::Parts;
using cuda::PlaneSize;
using cuda::Run;

constexpr int kThreads = 256;

struct Part {
  const float* from;
  float* to;
  int64_t planes;
};

struct Averages {
  PoolWindow window;
  PoolAxes axes;
  bool count_padding;

  __device__ AverageWindow at(int i, int j) const {
    return average_window(window, count_padding, axes.row.size, axes.column.size, i, j);
  }
};

template <int kWidth>
__global__ void average(const __grid_constant__ Parts<Part> parts, const Averages pool) {
  const Part& p = parts.at[blockIdx.z];
  const int height = pool.axes.row.size, width = pool.axes.column.size;
  const PlaneSize size{pool.axes.row.pooled, pool.axes.column.pooled};
  cuda::for_each_run<kWidth>(p.planes, size, [&](const Run& run) {
    const float* plane = p.from + run.plane * height * width;
    cuda::Pack<float, kWidth> y;
    for (int k = 0; k < kWidth; ++k) {
      const AverageWindow w = pool.at(run.row, run.column + k);
      float sum = 0;
      for (int row = int(w.top); row < int(w.bottom); ++row)
        for (int column = int(w.left); column < int(w.right); ++column)
          sum += plane[row * int64_t(width) + column];
      y.at[k] = sum / float(w.count);
    }
    cuda::store(p.to + run.at, y);
  });
}

template <int kWidth>
__global__ void spread(const __grid_constant__ Parts<Part> parts, const Averages pool) {
  const Part& p = parts.at[blockIdx.z];
  const PoolAxis rows = pool.axes.row, columns = pool.axes.column;
  cuda::for_each_run<kWidth>(p.planes, PlaneSize{rows.size, columns.size}, [&](const Run& run) {
    const float* g = p.from + run.plane * rows.pooled * columns.pooled;
    cuda::Pack<float, kWidth> dx;
    const int first_row = rows.first(run.row), last_row = rows.last(run.row);
    for (int k = 0; k < kWidth; ++k) {
      const int cell = run.column + k, first = columns.first(cell), last = columns.last(cell);
      float sum = 0;
      for (int i = first_row; i <= last_row; ++i)
        for (int j = first; j <= last; ++j)
          sum += g[i * int64_t(columns.pooled) + j] / float(pool.at(i, j).count);
      dx.at[k] = sum;
    }
    cuda::store(p.to + run.at, dx);
  });
}

// `image` and `pooled` of the first part; `to` is the one that is made.
template <class Kernel>
Launch launch_of(std::span<const Signature> parts, const Operand& image, const Operand& pooled,
                 Kernel wide, Kernel narrow) {
  const Dict& attrs = parts[0].attrs;
  const Averages pool{pool_window(attrs), pool_axes(attrs, image, pooled),
                      get_bool(attrs, "count_include_pad", true)};
  const Operand& to = parts[0].out[0];
  const int width = cuda::run_width(to.dim(3));
  const int64_t runs = to.dim(2) * to.dim(3) / width;
  std::vector<int64_t> planes;
  for (auto& s : parts) planes.push_back(s.in[0].dim(0) * s.in[0].dim(1));
  const Kernel kernel = width == 4 ? wide : narrow;
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<const float>(0), a.out<float>(0), planes[i]};
    };
    cuda::for_parts(args.parts, part, [&](const Parts<Part>& some) {
      int64_t most = 0;
      for (int k = 0; k < some.count; ++k) most = std::max(most, some.at[k].planes);
      cuda::launch(args.queue, kernel,
                   {cuda::blocks_for(most * runs, kThreads, 8192), 1, some.size()}, kThreads, some,
                   pool);
    });
  }};
}

}  // namespace avg_pool2d_cuda

void register_avg_pool2d_cuda(Registry& registry) {
  using namespace avg_pool2d_cuda;
  registry.add(cuda::kernel("avg_pool2d", [](std::span<const Signature> parts) {
    return launch_of(parts, parts[0].in[0], parts[0].out[0], average<4>, average<1>);
  }));
  registry.add(cuda::kernel("avg_pool2d_grad", [](std::span<const Signature> parts) {
    return launch_of(parts, parts[0].out[0], parts[0].in[0], spread<4>, spread<1>);
  }));
}

}  // namespace braid
