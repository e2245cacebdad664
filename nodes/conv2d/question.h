// What the operations of Conv2d and Conv3d ask oneDNN for. Activations and weights are free to
// choose their format, so that the jit kernels are picked. The offers are to be asked for inside a
// Guard.
#pragma once
#include <optional>

#include "conv2d/size.h"
#include "onednn/memory.h"

namespace braid {

/// The sizes of a convolution over any number of spatial dimensions.
struct ConvDims {
  int64_t images, in_channels, out_channels, groups;
  onednn::Dims input, kernel, result;  ///< spatial
  onednn::Dims stride, dilation, begin, end;

  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
};
ConvDims conv_dims(const ConvSize& size);

struct ConvQuestion {
  using Forward = dnnl::convolution_forward;
  using BackwardData = dnnl::convolution_backward_data;
  using BackwardWeights = dnnl::convolution_backward_weights;

  ConvDims size;
  onednn::Description x, w, b, y;
  onednn::Dims dilation;  ///< as oneDNN counts it: 0 = dense
  bool bias;

  ConvQuestion(ConvDims size, bool bias);

  /// [out, in, ...], or with groups [groups, out / groups, in / groups, ...].
  onednn::Dims weight_dims() const;
  /// Eval has to give training's bits, so both ask for the same.
  Forward::desc forward() const;
  BackwardData::desc backward_data() const;
  BackwardWeights::desc backward_weights() const;
};

std::optional<Offer> convolution_offer(const ConvQuestion& question);
std::optional<Offer> convolution_grad_input_offer(const ConvQuestion& question);
std::optional<Offer> convolution_grad_weight_offer(const ConvQuestion& question);

}  // namespace braid
