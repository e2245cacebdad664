// The convolutions of volumes, directly: a thread sums up one cell of the result, or one
// weight of the gradient, in f64.
#include "conv3d/ops.h"
#include "cuda/channel_sums.h"
#include "cuda/each.h"
#include "cuda/index.h"
#include "cuda/kernel.h"

namespace braid {
namespace conv3d_cuda {

using namespace cuda;

/// A cell of a box, taken apart.
struct Cell {
  int64_t at[3];

  __device__ Cell(int64_t index, const Three& size) {
    const int64_t rows = quotient(index, size[2]), planes = quotient(rows, size[1]);
    at[0] = planes;
    at[1] = rows - planes * size[1];
    at[2] = index - rows * size[2];
  }
};

struct Part {
  const float *a, *b, *bias;  ///< bias null: none
  float* y;
  int64_t n;
};

struct Sizes : Conv3dSize {
  int64_t inputs, results, cells;  ///< of a channel, of a channel's kernel

  explicit Sizes(const Conv3dSize& s)
      : Conv3dSize(s),
        inputs(s.input[0] * s.input[1] * s.input[2]),
        results(s.result[0] * s.result[1] * s.result[2]),
        cells(s.kernel[0] * s.kernel[1] * s.kernel[2]) {}

  /// The input cell that kernel cell k sees from a result cell, or -1.
  __device__ int64_t seen(const Cell& result, const Cell& k) const {
    int64_t index = 0;
    for (int d = 0; d < 3; ++d) {
      const int64_t x = result.at[d] * stride[d] - padding[d] + k.at[d] * dilation[d];
      if (x < 0 || x >= input[d]) return -1;
      index = index * input[d] + x;
    }
    return index;
  }
  /// The result cell from which kernel cell k sees an input cell, or -1.
  __device__ int64_t seeing(const Cell& cell, const Cell& k) const {
    int64_t index = 0;
    for (int d = 0; d < 3; ++d) {
      const int64_t steps = cell.at[d] + padding[d] - k.at[d] * dilation[d];
      if (steps < 0 || steps % stride[d] != 0 || steps / stride[d] >= result[d]) return -1;
      index = index * result[d] + steps / stride[d];
    }
    return index;
  }
};

struct Forward : Sizes {
  __device__ void operator()(const Part& p, int64_t i) const {
    const auto at = Place::of(i, out_channels, results);
    const Cell result(at.in, this->result);
    const int64_t group = at.at / group_out();
    const float* x = p.a + (at.outer * in_channels + group * group_in()) * inputs;
    const float* w = p.b + at.at * group_in() * cells;
    double sum = p.bias != nullptr ? double(p.bias[at.at]) : 0;
    for (int64_t k = 0; k < cells; ++k) {
      const int64_t cell = seen(result, Cell(k, kernel));
      for (int64_t c = 0; cell >= 0 && c < group_in(); ++c)
        sum += double(x[c * inputs + cell]) * double(w[c * cells + k]);
    }
    p.y[i] = float(sum);
  }
};

struct GradInput : Sizes {
  __device__ void operator()(const Part& p, int64_t i) const {
    const auto at = Place::of(i, in_channels, inputs);
    const Cell cell(at.in, input);
    const int64_t group = at.at / group_in(), own = at.at - group * group_in();
    const float* g = p.a + (at.outer * out_channels + group * group_out()) * results;
    const float* w = p.b + (group * group_out() * group_in() + own) * cells;
    double sum = 0;
    for (int64_t k = 0; k < cells; ++k) {
      const int64_t result = seeing(cell, Cell(k, kernel));
      for (int64_t o = 0; result >= 0 && o < group_out(); ++o)
        sum += double(g[o * results + result]) * double(w[o * group_in() * cells + k]);
    }
    p.y[i] = float(sum);
  }
};

struct GradWeight : Sizes {
  __device__ void operator()(const Part& p, int64_t i) const {
    const auto at = Place::of(i, group_in(), cells);
    const Cell k(at.in, kernel);
    const int64_t channel = at.outer / group_out() * group_in() + at.at;
    double sum = 0;
    for (int64_t n = 0; n < volumes; ++n) {
      const float* x = p.a + (n * in_channels + channel) * inputs;
      const float* g = p.b + (n * out_channels + at.outer) * results;
      for (int64_t r = 0; r < results; ++r) {
        const int64_t cell = seen(Cell(r, result), k);
        if (cell >= 0) sum += double(x[cell]) * double(g[r]);
      }
    }
    p.y[i] = float(sum);
  }
};

template <class F>
void enqueue(const LaunchArgs& args, const F& f, bool bias, int64_t n) {
  enqueue_each(args, f, [&](const KernelArgs& a, size_t) {
    return Part{a.in<float>(0), a.in<float>(1), bias ? a.in<float>(2) : nullptr, a.out<float>(0),
                n};
  });
}

Launch forward(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  const Forward f{Sizes(conv3d_size(s.attrs, s.in[0], s.in[1], s.out[0]))};
  return {[f, bias = s.in.size() > 2, n = results_of(s)](const LaunchArgs& args) {
    enqueue(args, f, bias, n);
  }};
}

Launch grad_input(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  const GradInput f{Sizes(conv3d_size(s.attrs, s.out[0], s.in[1], s.in[0]))};
  return {[f, n = results_of(s)](const LaunchArgs& args) { enqueue(args, f, false, n); }};
}

Launch grad_weight(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  const GradWeight f{Sizes(conv3d_size(s.attrs, s.in[0], s.out[0], s.in[1]))};
  const bool bias = s.out.size() > 1;
  const auto g = cuda::channels_of(s.in[1]);
  auto run = [=, n = results_of(s)](const LaunchArgs& args) {
    enqueue(args, f, false, n);
    auto& a = args.parts[0];
    const cuda::ChannelSum sum{g, a.in<float>(1), a.out<float>(bias ? 1 : 0)};
    if (bias) cuda::sum_channels(args.queue, {&sum, 1}, args.workspace);
  };
  return {run, bias ? cuda::sum_workspace(g) : 0};
}

}  // namespace conv3d_cuda

void register_conv3d_cuda(Registry& registry) {
  using namespace conv3d_cuda;
  registry.add(cuda::kernel("conv3d", forward, {.gang = false}));
  registry.add(cuda::kernel("conv3d_grad_input", grad_input, {.gang = false}));
  registry.add(cuda::kernel("conv3d_grad_weight", grad_weight, {.gang = false}));
}

}  // namespace braid
