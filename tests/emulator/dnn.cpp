// Convolutions and pooling without cuDNN.
#include "cuda/dnn.h"

#include <limits>
#include <vector>

#include "device.h"
#include "emulator.h"

namespace braid::cuda {
namespace {

/// Calls f(index in x, index in w, index in y) for every product of a convolution.
template <class F>
void every_product(const ConvShape& s, F f) {
  const int64_t ins = s.in_channels / s.groups, outs = s.out_channels / s.groups;
  for (int64_t n = 0; n < s.samples; ++n)
    for (int64_t o = 0; o < s.out_channels; ++o)
      for (int64_t c = 0; c < ins; ++c)
        for (int64_t ky = 0; ky < s.kernel[0]; ++ky)
          for (int64_t kx = 0; kx < s.kernel[1]; ++kx)
            for (int64_t oy = 0; oy < s.out_height; ++oy)
              for (int64_t ox = 0; ox < s.out_width; ++ox) {
                const int64_t y = oy * s.stride[0] - s.padding[0] + ky * s.dilation[0];
                const int64_t x = ox * s.stride[1] - s.padding[1] + kx * s.dilation[1];
                if (y < 0 || y >= s.in_height || x < 0 || x >= s.in_width) continue;
                const int64_t in = n * s.in_channels + o / outs * ins + c;
                f((in * s.in_height + y) * s.in_width + x,
                  ((o * ins + c) * s.kernel[0] + ky) * s.kernel[1] + kx,
                  ((n * s.out_channels + o) * s.out_height + oy) * s.out_width + ox);
              }
}

int64_t inputs(const ConvShape& s) { return s.samples * s.in_channels * s.in_height * s.in_width; }
int64_t outputs(const ConvShape& s) {
  return s.samples * s.out_channels * s.out_height * s.out_width;
}
int64_t weights(const ConvShape& s) {
  return s.out_channels * (s.in_channels / s.groups) * s.kernel[0] * s.kernel[1];
}

void put(const std::vector<double>& sums, float* to) {
  for (size_t i = 0; i < sums.size(); ++i) to[i] = float(sums[i]);
}

void enqueue(Queue* queue, const char* what, std::function<void()> work) {
  check(emulator::enqueue(queue->stream, what, std::move(work)), what);
}

/// Calls f(index of the plane's element, index in the window's outputs) for what a window covers.
template <class F>
void every_cell(const PoolShape& s, int64_t oy, int64_t ox, F f) {
  for (int64_t ky = 0; ky < s.kernel[0]; ++ky)
    for (int64_t kx = 0; kx < s.kernel[1]; ++kx) {
      const int64_t y = oy * s.stride[0] - s.padding[0] + ky;
      const int64_t x = ox * s.stride[1] - s.padding[1] + kx;
      if (y >= 0 && y < s.in_height && x >= 0 && x < s.in_width) f(y * s.in_width + x);
    }
}

int64_t cells(const PoolShape& s, int64_t oy, int64_t ox) {
  int64_t count = 0;
  every_cell(s, oy, ox, [&](int64_t) { ++count; });
  return s.count_padding ? s.kernel[0] * s.kernel[1] : count;
}

/// The first of the greatest; a NaN is greater than all.
int64_t greatest(const PoolShape& s, const float* plane, int64_t oy, int64_t ox) {
  int64_t at = -1;
  every_cell(s, oy, ox, [&](int64_t i) {
    if (at < 0 || plane[i] > plane[at] || (plane[i] != plane[i] && plane[at] == plane[at])) at = i;
  });
  return at;
}

/// Calls f(offset of the input's plane, oy, ox, index of the output).
template <class F>
void every_window(const PoolShape& s, F f) {
  for (int64_t p = 0, out = 0; p < s.samples * s.channels; ++p)
    for (int64_t oy = 0; oy < s.out_height; ++oy)
      for (int64_t ox = 0; ox < s.out_width; ++ox, ++out)
        f(p * s.in_height * s.in_width, oy, ox, out);
}

}  // namespace

int64_t conv_workspace(Queue*, const ConvShape&, ConvPass) { return 0; }

void conv_forward(Queue* queue, const ConvShape& s, const float* x, const float* w,
                  const float* bias, float* y, void*) {
  enqueue(queue, "a convolution", [=] {
    std::vector<double> sums(size_t(outputs(s)));
    const int64_t plane = s.out_height * s.out_width;
    for (size_t i = 0; bias && i < sums.size(); ++i)
      sums[i] = bias[int64_t(i) / plane % s.out_channels];
    every_product(s, [&](int64_t i, int64_t k, int64_t o) {
      sums[size_t(o)] += double(x[i]) * double(w[k]);
    });
    put(sums, y);
  });
}

void conv_grad_input(Queue* queue, const ConvShape& s, const float* g, const float* w, float* dx,
                     void*) {
  enqueue(queue, "a convolution's gradient", [=] {
    std::vector<double> sums(size_t(inputs(s)));
    every_product(s, [&](int64_t i, int64_t k, int64_t o) {
      sums[size_t(i)] += double(g[o]) * double(w[k]);
    });
    put(sums, dx);
  });
}

void conv_grad_weight(Queue* queue, const ConvShape& s, const float* x, const float* g, float* dw,
                      float* dbias, void*) {
  enqueue(queue, "a convolution's gradient of weights", [=] {
    std::vector<double> sums(size_t(weights(s))), biases(size_t(s.out_channels));
    every_product(s, [&](int64_t i, int64_t k, int64_t o) {
      sums[size_t(k)] += double(x[i]) * double(g[o]);
    });
    put(sums, dw);
    if (!dbias) return;
    const int64_t plane = s.out_height * s.out_width;
    for (int64_t o = 0; o < outputs(s); ++o) biases[size_t(o / plane % s.out_channels)] += g[o];
    put(biases, dbias);
  });
}

void pool_forward(Queue* queue, const PoolShape& s, const float* x, float* y) {
  enqueue(queue, "pooling", [=] {
    every_window(s, [&](int64_t plane, int64_t oy, int64_t ox, int64_t out) {
      if (s.max) {
        y[out] = x[plane + greatest(s, x + plane, oy, ox)];
        return;
      }
      double sum = 0;
      every_cell(s, oy, ox, [&](int64_t i) { sum += x[plane + i]; });
      y[out] = float(sum / double(cells(s, oy, ox)));
    });
  });
}

void pool_backward(Queue* queue, const PoolShape& s, const float* x, const float*, const float* g,
                   float* dx) {
  enqueue(queue, "pooling's gradient", [=] {
    std::vector<double> sums(size_t(s.samples * s.channels * s.in_height * s.in_width));
    every_window(s, [&](int64_t plane, int64_t oy, int64_t ox, int64_t out) {
      if (s.max) {
        sums[size_t(plane + greatest(s, x + plane, oy, ox))] += g[out];
        return;
      }
      const double share = double(g[out]) / double(cells(s, oy, ox));
      every_cell(s, oy, ox, [&](int64_t i) { sums[size_t(plane + i)] += share; });
    });
    put(sums, dx);
  });
}

void release_dnn(Queue*) noexcept {}
std::string dnn_version() { return "no cuDNN"; }

}  // namespace braid::cuda
