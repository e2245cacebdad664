// Convolution and pooling by cuDNN: plain NCHW, f32 without TF32, algorithms pinned and
// deterministic. dnn.cpp talks to cuDNN; tests bring another one for machines without a GPU.
#pragma once
#include <cstdint>

#include "cuda/queue.h"

namespace braid::cuda {

/// What a convolution is; sizes as in PyTorch. Padding is the same on both sides of an axis.
struct ConvShape {
  int64_t samples, in_channels, in_height, in_width;
  int64_t out_channels, out_height, out_width;
  int64_t kernel[2], stride[2], padding[2], dilation[2];
  int64_t groups;
};

enum class ConvPass { forward, grad_input, grad_weight };

/// Bytes of workspace. Needs the device of `queue`.
int64_t conv_workspace(Queue* queue, const ConvShape& shape, ConvPass pass);
/// y = conv(x, w) [+ bias]; `bias` may be null.
void conv_forward(Queue*, const ConvShape&, const float* x, const float* w, const float* bias,
                  float* y, void* workspace);
void conv_grad_input(Queue*, const ConvShape&, const float* g, const float* w, float* dx,
                     void* workspace);
/// `dbias` may be null.
void conv_grad_weight(Queue*, const ConvShape&, const float* x, const float* g, float* dw,
                      float* dbias, void* workspace);

struct PoolShape {
  int64_t samples, channels, in_height, in_width, out_height, out_width;
  int64_t kernel[2], stride[2], padding[2];
  bool max;
  bool count_padding;  ///< averages only
};
void pool_forward(Queue*, const PoolShape&, const float* x, float* y);
void pool_backward(Queue*, const PoolShape&, const float* x, const float* y, const float* g,
                   float* dx);

}  // namespace braid::cuda
