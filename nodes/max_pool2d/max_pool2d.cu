// Max pooling and its gradient: cuDNN's keeps no places of maxima and knows no dilation. A window's
// maximum is the first of equals, and a NaN counts as larger than all. A cell of the image collects
// its gradient from the windows that reach over it, in their order.
#include "cuda/kernel.h"
#include "cuda/planes.h"
#include "max_pool2d/axis.h"
#include "max_pool2d/ops.h"

namespace braid {
namespace max_pool2d_cuda {

using cuda::Parts;
using cuda::PlaneSize;
using cuda::Run;

constexpr int kThreads = 256;

struct Part {
  const float* from;  // x, or the pooled image's gradient
  float* to;          // y, or dx
  void* index;        // may be null in the forward pass
  int64_t planes;
};

template <int kWidth, class Index>
__global__ void pool(const __grid_constant__ Parts<Part> parts, const PoolAxes axes) {
  const Part& p = parts.at[blockIdx.z];
  const PoolAxis row = axes.row, column = axes.column;
  cuda::for_each_run<kWidth>(p.planes, PlaneSize{row.pooled, column.pooled}, [&](const Run& run) {
    const float* plane = p.from + run.plane * row.size * column.size;
    cuda::Pack<float, kWidth> y;
    cuda::Pack<Index, kWidth> index;
    for (int k = 0; k < kWidth; ++k) {
      float best = -INFINITY;
      int place = -1;
      for (int i = 0; i < row.kernel; ++i) {
        const int at_row = row.cell(run.row, i);
        if (at_row < 0 || at_row >= row.size) continue;
        for (int j = 0; j < column.kernel; ++j) {
          const int at = column.cell(run.column + k, j);
          if (at < 0 || at >= column.size) continue;
          const float x = plane[at_row * int64_t(column.size) + at];
          if (place >= 0 && !(x > best) && x == x) continue;
          best = x;
          place = i * column.kernel + j;
        }
      }
      y.at[k] = best;
      index.at[k] = Index(place < 0 ? 0 : place);
    }
    cuda::store(p.to + run.at, y);
    if (p.index) cuda::store(static_cast<Index*>(p.index) + run.at, index);
  });
}

template <int kWidth, class Index>
__global__ void spread(const __grid_constant__ Parts<Part> parts, const PoolAxes axes) {
  const Part& p = parts.at[blockIdx.z];
  const PoolAxis row = axes.row, column = axes.column;
  cuda::for_each_run<kWidth>(p.planes, PlaneSize{row.size, column.size}, [&](const Run& run) {
    const int64_t plane = run.plane * row.pooled * column.pooled;
    const float* g = p.from + plane;
    const Index* index = static_cast<const Index*>(p.index) + plane;
    cuda::Pack<float, kWidth> dx;
    for (int k = 0; k < kWidth; ++k) dx.at[k] = 0;
    const int last_row = row.last(run.row);
    for (int i = row.first(run.row); i <= last_row; ++i) {
      const int place_row = row.place(i, run.row);
      if (place_row < 0) continue;
      for (int k = 0; k < kWidth; ++k) {
        const int cell = run.column + k, last = column.last(cell);
        for (int j = column.first(cell); j <= last; ++j) {
          const int place = column.place(j, cell);
          const int64_t at = i * int64_t(column.pooled) + j;
          if (place >= 0 && int(index[at]) == place_row * column.kernel + place) dx.at[k] += g[at];
        }
      }
    }
    cuda::store(p.to + run.at, dx);
  });
}

using PoolKernel = void (*)(Parts<Part>, PoolAxes);

// `cells` of a plane of the result.
Launch launch_of(PoolKernel kernel, const PoolAxes& axes, std::vector<int64_t> planes, int64_t runs,
                 bool indices, bool forward) {
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<const float>(0), a.out<float>(0),
                  !indices  ? nullptr
                  : forward ? a.out<void>(1)
                            : a.in<void>(1),
                  planes[i]};
    };
    cuda::for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].planes);
      cuda::launch(args.queue, kernel,
                   {cuda::blocks_for(most * runs, kThreads, 8192), 1, parts.size()}, kThreads,
                   parts, axes);
    });
  }};
}

std::vector<int64_t> planes_of(std::span<const Signature> parts) {
  std::vector<int64_t> planes;
  for (auto& s : parts) planes.push_back(s.in[0].dim(0) * s.in[0].dim(1));
  return planes;
}

Launch forward(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  const PoolAxes axes = pool_axes(s.attrs, s.in[0], s.out[0]);
  const bool indices = s.out.size() > 1, small = s.out.back().dtype != DType::i32;
  const int width = cuda::run_width(axes.column.pooled);
  const PoolKernel kernel = width == 4 ? (small ? pool<4, uint8_t> : pool<4, int32_t>)
                                       : (small ? pool<1, uint8_t> : pool<1, int32_t>);
  return launch_of(kernel, axes, planes_of(parts), s.out[0].dim(2) * s.out[0].dim(3) / width,
                   indices, true);
}

Launch gradient(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  const PoolAxes axes = pool_axes(s.attrs, s.out[0], s.in[0]);
  const bool small = s.in[1].dtype != DType::i32;
  const int width = cuda::run_width(axes.column.size);
  const PoolKernel kernel = width == 4 ? (small ? spread<4, uint8_t> : spread<4, int32_t>)
                                       : (small ? spread<1, uint8_t> : spread<1, int32_t>);
  return launch_of(kernel, axes, planes_of(parts), s.out[0].dim(2) * s.out[0].dim(3) / width, true,
                   false);
}

}  // namespace max_pool2d_cuda

void register_max_pool2d_cuda(Registry& registry) {
  using namespace max_pool2d_cuda;
  registry.add(cuda::kernel("max_pool2d", forward));
  registry.add(cuda::kernel("max_pool2d_grad", gradient));
}

}  // namespace braid
