// A thread for each row or, for long rows of neighbours, a block.
#include "cuda/softmax.h"

#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/launch.h"

namespace braid {
namespace softmax_cuda {

using namespace cuda;

struct Part {
  const float* in[2];  ///< x, or g and y
  float* out;
  int64_t rows, count, inner;
};

struct Forward {
  static __device__ void thread(const Part& p, int64_t first) {
    softmax_row(p.in[0] + first, p.out + first, p.count, p.inner);
  }
  static __device__ void block(const Part& p, int64_t first, RowScratch& scratch) {
    softmax_row(p.in[0] + first, p.out + first, p.count, scratch);
  }
};

/// dx = y·(g - sum of g·y)
struct Gradient {
  static __device__ void thread(const Part& p, int64_t first) {
    const float *g = p.in[0] + first, *y = p.in[1] + first;
    double dot = 0;
    for (int64_t c = 0; c < p.count; ++c) dot += double(g[c * p.inner]) * double(y[c * p.inner]);
    for (int64_t c = 0; c < p.count; ++c)
      p.out[first + c * p.inner] = y[c * p.inner] * (g[c * p.inner] - float(dot));
  }
  static __device__ void block(const Part& p, int64_t first, RowScratch& scratch) {
    const float *g = p.in[0] + first, *y = p.in[1] + first;
    double dot = 0;
    for (int64_t c = threadIdx.x; c < p.count; c += kRowThreads) dot += double(g[c]) * double(y[c]);
    dot = sum_of_row(dot, scratch);
    for (int64_t c = threadIdx.x; c < p.count; c += kRowThreads)
      p.out[first + c] = y[c] * (g[c] - float(dot));
  }
};

template <class F>
__global__ void by_threads(const __grid_constant__ Parts<Part> parts) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.rows; i += step)
    F::thread(p, quotient(i, p.inner) * (p.count - 1) * p.inner + i);
}

template <class F>
__global__ void by_rows(const __grid_constant__ Parts<Part> parts) {
  __shared__ RowScratch scratch;
  const Part& p = parts.at[blockIdx.z];
  for (int64_t row = blockIdx.x; row < p.rows; row += gridDim.x)
    F::block(p, row * p.count, scratch);
}

template <class F>
Launch make(std::span<const Signature> signatures) {
  std::vector<Rows> shapes;
  for (auto& s : signatures)
    shapes.push_back(rows_of(s.in[0].dims, size_t(get_int(s.attrs, "dim"))));
  return {[shapes](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      Part p{{a.in<float>(0)}, a.out<float>(0), 0, shapes[i].count, shapes[i].inner};
      if constexpr (std::is_same_v<F, Gradient>) p.in[1] = a.in<float>(1);
      p.rows = shapes[i].outer * shapes[i].inner;
      return p;
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].rows);
      if (cuda::by_blocks(shapes[0]))
        launch(args.queue, by_rows<F>, {blocks_for(most, 1), 1, parts.size()}, kRowThreads, parts);
      else
        launch(args.queue, by_threads<F>, {blocks_for(most, 128), 1, parts.size()}, 128, parts);
    });
  }};
}

}  // namespace softmax_cuda

void register_softmax_cuda(Registry& registry) {
  using namespace softmax_cuda;
  registry.add(cuda::kernel("softmax", make<Forward>));
  registry.add(cuda::kernel("softmax_grad", make<Gradient>));
}

}  // namespace braid
