// What the operations of Conv2d ask oneDNN for. Activations and weights are free to choose their
// format, so that the jit kernels are picked.
#pragma once
#include "conv2d/size.h"
#include "onednn/memory.h"

namespace braid {

struct ConvQuestion {
  using Forward = dnnl::convolution_forward;
  using BackwardData = dnnl::convolution_backward_data;
  using BackwardWeights = dnnl::convolution_backward_weights;

  ConvSize size;
  onednn::Description x, w, b, y;
  onednn::Dims stride, dilation, begin, end;
  bool bias;

  ConvQuestion(const ConvSize& size, bool bias);

  /// [out, in, h, w], or with groups [groups, out / groups, in / groups, h, w].
  onednn::Dims weight_dims() const;
  /// Eval has to give training's bits, so both ask for the same.
  Forward::desc forward() const;
  BackwardData::desc backward_data() const;
  BackwardWeights::desc backward_weights() const;
};

}  // namespace braid
