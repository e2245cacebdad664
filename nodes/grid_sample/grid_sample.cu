// A thread looks from one position, through all channels. The gradient of the input is made by a
// thread for each plane, which adds up position by position: nothing else is the same every time
// without a sorting of the positions.
#include "cuda/each.h"
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "grid_sample/ops.h"

namespace braid {
namespace grid_sample_cuda {

using namespace cuda;

struct Part {
  const float *x, *grid, *g;  ///< x is null where the gradient goes to it, g in the forward pass
  float* y;
  int64_t n;
};

struct Look {
  GridRule rule;
  GridSize s;

  __device__ void operator()(const Part& p, int64_t i) const {
    const int64_t sample = quotient(i, s.results), at = i - sample * s.results;
    const float* x = p.x + sample * s.channels * s.inputs;
    float* y = p.y + sample * s.channels * s.results + at;
    for (int64_t c = 0; c < s.channels; ++c, x += s.inputs, y += s.results) {
      float sum = 0;
      for_each_corner(rule, s, p.grid + i * s.axes,
                      [&](int64_t cell, float weight, const float*) { sum += weight * x[cell]; });
      *y = sum;
    }
  }
};

struct GiveBack {
  GridRule rule;
  GridSize s;

  __device__ void operator()(const Part& p, int64_t plane) const {
    const float* grid = p.grid + quotient(plane, s.channels) * s.results * s.axes;
    float* dx = p.y + plane * s.inputs;
    for (int64_t i = 0; i < s.inputs; ++i) dx[i] = 0;
    for (int64_t i = 0; i < s.results; ++i) {
      const float g = p.g[plane * s.results + i];
      for_each_corner(rule, s, grid + i * s.axes,
                      [&](int64_t cell, float weight, const float*) { dx[cell] += weight * g; });
    }
  }
};

struct Shift {
  GridRule rule;
  GridSize s;

  __device__ void operator()(const Part& p, int64_t i) const {
    const int64_t sample = quotient(i, s.results), at = i - sample * s.results;
    const float* x = p.x + sample * s.channels * s.inputs;
    const float* g = p.g + sample * s.channels * s.results + at;
    double sums[3] = {};
    for_each_corner(rule, s, p.grid + i * s.axes, [&](int64_t cell, float, const float* slopes) {
      double product = 0;
      for (int64_t c = 0; c < s.channels; ++c)
        product += double(g[c * s.results]) * double(x[c * s.inputs + cell]);
      for (int a = 0; a < s.axes; ++a) sums[a] += product * double(slopes[a]);
    });
    for (int a = 0; a < s.axes; ++a) p.y[i * s.axes + a] = float(sums[a]);
  }
};

int64_t positions(const Operand& grid) { return grid.elements() / grid.dims.back(); }

Launch forward(std::span<const Signature> signatures) {
  const Signature& s = signatures[0];
  const Look look{grid_rule(s.attrs), grid_size(s.in[0], s.in[1])};
  auto items = [](const Signature& part) { return positions(part.in[1]); };
  return {[look, n = of_parts(signatures, items)](const LaunchArgs& args) {
    enqueue_each(args, look, [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0), a.in<float>(1), nullptr, a.out<float>(0), n[i]};
    });
  }};
}

Launch grad_input(std::span<const Signature> signatures) {
  const Signature& s = signatures[0];
  const GiveBack back{grid_rule(s.attrs), grid_size(s.out[0], s.in[0])};
  auto items = [](const Signature& part) { return part.out[0].dim(0) * part.out[0].dim(1); };
  return {[back, n = of_parts(signatures, items)](const LaunchArgs& args) {
    enqueue_each(args, back, [&](const KernelArgs& a, size_t i) {
      return Part{nullptr, a.in<float>(0), a.in<float>(1), a.out<float>(0), n[i]};
    });
  }};
}

Launch grad_grid(std::span<const Signature> signatures) {
  const Signature& s = signatures[0];
  const Shift shift{grid_rule(s.attrs), grid_size(s.in[0], s.in[1])};
  auto items = [](const Signature& part) { return positions(part.in[1]); };
  return {[shift, n = of_parts(signatures, items)](const LaunchArgs& args) {
    enqueue_each(args, shift, [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0), a.in<float>(1), a.in<float>(2), a.out<float>(0), n[i]};
    });
  }};
}

}  // namespace grid_sample_cuda

void register_grid_sample_cuda(Registry& registry) {
  using namespace grid_sample_cuda;
  registry.add(cuda::kernel("grid_sample", forward));
  registry.add(cuda::kernel("grid_sample_grad_input", grad_input));
  registry.add(cuda::kernel("grid_sample_grad_grid", grad_grid));
}

}  // namespace braid
