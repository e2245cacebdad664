#include "conv2d/convolution.h"

#include "cuda/launch.h"

namespace braid::cuda {
namespace {

constexpr int kThreads = 256;

/// A window of [height, width] cells at (top, left) in planes of [outer_height, outer_width].
struct Frame {
  int64_t planes, height, width, outer_height, outer_width, top, left;
};

__global__ void pad(const Frame f, const float* inner, float* outer) {
  const int64_t area = f.outer_height * f.outer_width;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < f.planes * area;
       i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t row = i % area / f.outer_width - f.top, column = i % f.outer_width - f.left;
    const bool inside = row >= 0 && row < f.height && column >= 0 && column < f.width;
    outer[i] = inside ? inner[(i / area * f.height + row) * f.width + column] : 0;
  }
}

__global__ void crop(const Frame f, const float* outer, float* inner) {
  const int64_t area = f.height * f.width;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < f.planes * area;
       i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t row = i % area / f.width + f.top, column = i % f.width + f.left;
    inner[i] = outer[(i / area * f.outer_height + row) * f.outer_width + column];
  }
}

Frame frame_of(const ConvSize& s) {
  return {s.images * s.in_channels,
          s.input[0],
          s.input[1],
          s.input[0] + s.begin[0] + s.end[0],
          s.input[1] + s.begin[1] + s.end[1],
          s.begin[0],
          s.begin[1]};
}

// Whether the padding at the beginning, at both sides, gives the same windows.
bool symmetric(const ConvSize& s) {
  ConvWindow window = s;
  window.end = window.begin;
  return window.output(0, s.input[0], s.kernel[0]) == s.result[0] &&
         window.output(1, s.input[1], s.kernel[1]) == s.result[1];
}

ConvShape shape_of(const ConvSize& s, bool padded) {
  const Frame frame = frame_of(s);
  ConvShape shape{.samples = s.images,
                  .in_channels = s.in_channels,
                  .in_height = padded ? frame.outer_height : s.input[0],
                  .in_width = padded ? frame.outer_width : s.input[1],
                  .out_channels = s.out_channels,
                  .out_height = s.result[0],
                  .out_width = s.result[1],
                  .groups = s.groups};
  for (size_t d = 0; d < 2; ++d) {
    shape.kernel[d] = s.kernel[d];
    shape.stride[d] = s.stride[d];
    shape.padding[d] = padded ? 0 : s.begin[d];
    shape.dilation[d] = s.dilation[d];
  }
  return shape;
}

}  // namespace

Convolution::Convolution(const ConvSize& size, ConvPass pass)
    : size_(size), padded_(!symmetric(size)), plan_(plan_conv(shape_of(size, padded_), pass)) {}

int64_t Convolution::image_bytes() const {
  const Frame f = frame_of(size_);
  const int64_t bytes = f.planes * f.outer_height * f.outer_width * int64_t(sizeof(float));
  return padded_ ? (bytes + 255) / 256 * 256 : 0;
}

int64_t Convolution::workspace() const { return image_bytes() + workspace_of(*plan_); }

static float* padded_image(Queue* queue, const ConvSize& size, const float* x, void* workspace) {
  const Frame f = frame_of(size);
  auto image = static_cast<float*>(workspace);
  const int64_t cells = f.planes * f.outer_height * f.outer_width;
  launch(queue, pad, {blocks_for(cells, kThreads), 1, 1}, kThreads, f, x, image);
  return image;
}

void Convolution::forward(Queue* queue, const float* x, const float* w, float* y,
                          void* workspace) const {
  if (padded_) x = padded_image(queue, size_, x, workspace);
  conv_forward(queue, *plan_, x, w, y, static_cast<char*>(workspace) + image_bytes());
}

void Convolution::grad_input(Queue* queue, const float* g, const float* w, float* dx,
                             void* workspace) const {
  float* image = padded_ ? static_cast<float*>(workspace) : dx;
  conv_grad_input(queue, *plan_, g, w, image, static_cast<char*>(workspace) + image_bytes());
  if (!padded_) return;
  const Frame f = frame_of(size_);
  const int64_t cells = f.planes * f.height * f.width;
  launch(queue, crop, {blocks_for(cells, kThreads), 1, 1}, kThreads, f,
         static_cast<const float*>(image), dx);
}

void Convolution::grad_weight(Queue* queue, const float* x, const float* g, float* dw,
                              void* workspace) const {
  if (padded_) x = padded_image(queue, size_, x, workspace);
  conv_grad_weight(queue, *plan_, x, g, dw, static_cast<char*>(workspace) + image_bytes());
}

}  // namespace braid::cuda
