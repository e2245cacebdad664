#include <algorithm>

#include "grid_sample/ops.h"

namespace braid {
namespace {

/// Calls visit(sample, result): every position of the grid.
template <class Visit>
void for_each_position(const GridSize& s, Visit visit) {
  for (int64_t n = 0; n < s.samples; ++n)
    for (int64_t i = 0; i < s.results; ++i) visit(n, i);
}

KernelBody forward(const Signature& sig) {
  return [s = grid_size(sig.in[0], sig.in[1]), rule = grid_rule(sig.attrs),
          elements = sig.out[0].elements()](const KernelArgs& a) {
    const float* grid = a.in<float>(1);
    float* y = a.out<float>(0);
    std::fill_n(y, elements, 0.0f);
    for_each_position(s, [&](int64_t n, int64_t i) {
      const float* x = a.in<float>(0) + n * s.channels * s.inputs;
      float* to = y + n * s.channels * s.results + i;
      for_each_corner(rule, s, grid, [&](int64_t cell, float weight, const float*) {
        for (int64_t c = 0; c < s.channels; ++c)
          to[c * s.results] += weight * x[c * s.inputs + cell];
      });
      grid += s.axes;
    });
  };
}

// Position by position, as they stand in the grid.
KernelBody grad_input(const Signature& sig) {
  return [s = grid_size(sig.out[0], sig.in[0]), rule = grid_rule(sig.attrs),
          elements = sig.out[0].elements()](const KernelArgs& a) {
    const float* grid = a.in<float>(0);
    std::fill_n(a.out<float>(0), elements, 0.0f);
    for_each_position(s, [&](int64_t n, int64_t i) {
      const float* g = a.in<float>(1) + n * s.channels * s.results + i;
      float* dx = a.out<float>(0) + n * s.channels * s.inputs;
      for_each_corner(rule, s, grid, [&](int64_t cell, float weight, const float*) {
        for (int64_t c = 0; c < s.channels; ++c)
          dx[c * s.inputs + cell] += weight * g[c * s.results];
      });
      grid += s.axes;
    });
  };
}

KernelBody grad_grid(const Signature& sig) {
  return [s = grid_size(sig.in[0], sig.in[1]), rule = grid_rule(sig.attrs)](const KernelArgs& a) {
    const float* grid = a.in<float>(1);
    float* dgrid = a.out<float>(0);
    for_each_position(s, [&](int64_t n, int64_t i) {
      const float* x = a.in<float>(0) + n * s.channels * s.inputs;
      const float* g = a.in<float>(2) + n * s.channels * s.results + i;
      double sums[3] = {};
      for_each_corner(rule, s, grid, [&](int64_t cell, float, const float* slopes) {
        double product = 0;
        for (int64_t c = 0; c < s.channels; ++c)
          product += double(g[c * s.results]) * double(x[c * s.inputs + cell]);
        for (int axis = 0; axis < s.axes; ++axis) sums[axis] += product * double(slopes[axis]);
      });
      for (int axis = 0; axis < s.axes; ++axis) *dgrid++ = float(sums[axis]);
      grid += s.axes;
    });
  };
}

}  // namespace

void register_grid_sample_kernels(Registry& registry) {
  registry.add(plain_kernel("grid_sample", "cpu", forward));
  registry.add(plain_kernel("grid_sample_grad_input", "cpu", grad_input));
  registry.add(plain_kernel("grid_sample_grad_grid", "cpu", grad_grid));
}

}  // namespace braid
