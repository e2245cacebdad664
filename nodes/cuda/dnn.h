// Convolutions by cuDNN: plain NCHW, f32 without TF32, algorithms pinned and deterministic. dnn.cpp
// talks to cuDNN; tests bring another one for machines without a GPU.
//
//   auto plan = plan_conv(shape, ConvPass::forward);       // once, the device being active
//   void* workspace = ... workspace_of(*plan) bytes ...
//   conv_forward(queue, *plan, x, w, y, workspace);        // in every step
#pragma once
#include <cstdint>
#include <memory>

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

/// A pass over one shape on one device: descriptors and the algorithm.
struct ConvPlan;
std::shared_ptr<const ConvPlan> plan_conv(const ConvShape& shape, ConvPass pass);
int64_t workspace_of(const ConvPlan& plan);  ///< bytes

/// y = conv(x, w)
void conv_forward(Queue* queue, const ConvPlan& plan, const float* x, const float* w, float* y,
                  void* workspace);
void conv_grad_input(Queue* queue, const ConvPlan& plan, const float* g, const float* w, float* dx,
                     void* workspace);
void conv_grad_weight(Queue* queue, const ConvPlan& plan, const float* x, const float* g, float* dw,
                      void* workspace);

}  // namespace braid::cuda
