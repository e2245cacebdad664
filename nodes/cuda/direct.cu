#include "cuda/direct.h"

#include "cuda/launch.h"

namespace braid::cuda {
namespace {

constexpr int kThreads = 256;

// One thread an element of the result, grid-wide.
template <class F>
__device__ void for_each_element(int64_t count, F f) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += int64_t(gridDim.x) * blockDim.x)
    f(i);
}

// Whether `at` lies in [0, size).
__device__ bool inside(int64_t at, int64_t size) { return at >= 0 && at < size; }

__global__ void forward(const ConvShape s, const float* x, const float* w, float* y) {
  const int64_t ins = s.in_channels / s.groups, outs = s.out_channels / s.groups;
  const int64_t area = s.out_height * s.out_width;
  for_each_element(s.samples * s.out_channels * area, [&](int64_t at) {
    const int64_t column = at % s.out_width, row = at / s.out_width % s.out_height;
    const int64_t o = at / area % s.out_channels, n = at / area / s.out_channels;
    double sum = 0;
    for (int64_t c = 0; c < ins; ++c) {
      const float* plane = x + (n * s.in_channels + o / outs * ins + c) * s.in_height * s.in_width;
      for (int64_t i = 0; i < s.kernel[0]; ++i)
        for (int64_t j = 0; j < s.kernel[1]; ++j) {
          const int64_t from_row = row * s.stride[0] - s.padding[0] + i * s.dilation[0];
          const int64_t from = column * s.stride[1] - s.padding[1] + j * s.dilation[1];
          if (inside(from_row, s.in_height) && inside(from, s.in_width))
            sum += double(plane[from_row * s.in_width + from]) *
                   double(w[((o * ins + c) * s.kernel[0] + i) * s.kernel[1] + j]);
        }
    }
    y[at] = float(sum);
  });
}

// The cell of the result that sees input cell `at` through place `k` of the kernel along an axis,
// or -1.
__device__ int64_t seen_from(const ConvShape& s, int axis, int64_t at, int64_t k, int64_t size) {
  const int64_t offset = at + s.padding[axis] - k * s.dilation[axis];
  if (offset < 0 || offset % s.stride[axis]) return -1;
  const int64_t cell = offset / s.stride[axis];
  return cell < size ? cell : -1;
}

__global__ void grad_input(const ConvShape s, const float* g, const float* w, float* dx) {
  const int64_t ins = s.in_channels / s.groups, outs = s.out_channels / s.groups;
  const int64_t area = s.in_height * s.in_width;
  for_each_element(s.samples * s.in_channels * area, [&](int64_t at) {
    const int64_t column = at % s.in_width, row = at / s.in_width % s.in_height;
    const int64_t c = at / area % s.in_channels, n = at / area / s.in_channels;
    double sum = 0;
    for (int64_t i = 0; i < s.kernel[0]; ++i) {
      const int64_t from_row = seen_from(s, 0, row, i, s.out_height);
      for (int64_t j = 0; from_row >= 0 && j < s.kernel[1]; ++j) {
        const int64_t from = seen_from(s, 1, column, j, s.out_width);
        for (int64_t o = c / ins * outs; from >= 0 && o < (c / ins + 1) * outs; ++o)
          sum +=
              double(g[((n * s.out_channels + o) * s.out_height + from_row) * s.out_width + from]) *
              double(w[((o * ins + c % ins) * s.kernel[0] + i) * s.kernel[1] + j]);
      }
    }
    dx[at] = float(sum);
  });
}

__global__ void grad_weight(const ConvShape s, const float* x, const float* g, float* dw) {
  const int64_t ins = s.in_channels / s.groups, outs = s.out_channels / s.groups;
  const int64_t places = s.kernel[0] * s.kernel[1];
  for_each_element(s.out_channels * ins * places, [&](int64_t at) {
    const int64_t j = at % s.kernel[1], i = at / s.kernel[1] % s.kernel[0];
    const int64_t c = at / places % ins, o = at / places / ins;
    double sum = 0;
    for (int64_t n = 0; n < s.samples; ++n) {
      const float* plane = x + (n * s.in_channels + o / outs * ins + c) * s.in_height * s.in_width;
      const float* result = g + (n * s.out_channels + o) * s.out_height * s.out_width;
      for (int64_t row = 0; row < s.out_height; ++row)
        for (int64_t column = 0; column < s.out_width; ++column) {
          const int64_t from_row = row * s.stride[0] - s.padding[0] + i * s.dilation[0];
          const int64_t from = column * s.stride[1] - s.padding[1] + j * s.dilation[1];
          if (inside(from_row, s.in_height) && inside(from, s.in_width))
            sum += double(plane[from_row * s.in_width + from]) *
                   double(result[row * s.out_width + column]);
        }
    }
    dw[at] = float(sum);
  });
}

dim3 grid_for(int64_t count) { return {blocks_for(count, kThreads), 1, 1}; }

}  // namespace

void direct_forward(Queue* queue, const ConvShape& s, const float* x, const float* w, float* y) {
  const int64_t count = s.samples * s.out_channels * s.out_height * s.out_width;
  launch(queue, forward, grid_for(count), kThreads, s, x, w, y);
}

void direct_grad_input(Queue* queue, const ConvShape& s, const float* g, const float* w,
                       float* dx) {
  const int64_t count = s.samples * s.in_channels * s.in_height * s.in_width;
  launch(queue, grad_input, grid_for(count), kThreads, s, g, w, dx);
}

void direct_grad_weight(Queue* queue, const ConvShape& s, const float* x, const float* g,
                        float* dw) {
  const int64_t count = s.out_channels * (s.in_channels / s.groups) * s.kernel[0] * s.kernel[1];
  launch(queue, grad_weight, grid_for(count), kThreads, s, x, g, dw);
}

}  // namespace braid::cuda
