#include "conv2d/question.h"

namespace braid {
namespace {

constexpr auto direct = dnnl::algorithm::convolution_direct;

onednn::Dims both(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

}  // namespace

ConvQuestion::ConvQuestion(const ConvSize& s, bool with_bias)
    : size(s),
      x(onednn::any({s.images, s.in_channels, s.input[0], s.input[1]})),
      w(onednn::any(weight_dims())),
      b(onednn::plain({s.out_channels})),
      y(onednn::any({s.images, s.out_channels, s.result[0], s.result[1]})),
      stride(both(s.stride)),
      dilation({s.dilation[0] - 1, s.dilation[1] - 1}),
      begin(both(s.begin)),
      end(both(s.end)),
      bias(with_bias) {}

onednn::Dims ConvQuestion::weight_dims() const {
  if (size.groups == 1)
    return {size.out_channels, size.in_channels, size.kernel[0], size.kernel[1]};
  return {size.groups, size.group_out(), size.group_in(), size.kernel[0], size.kernel[1]};
}

ConvQuestion::Forward::desc ConvQuestion::forward() const {
  constexpr auto training = dnnl::prop_kind::forward_training;
  return bias ? Forward::desc(training, direct, x, w, b, y, stride, dilation, begin, end)
              : Forward::desc(training, direct, x, w, y, stride, dilation, begin, end);
}

ConvQuestion::BackwardData::desc ConvQuestion::backward_data() const {
  return {direct, x, w, y, stride, dilation, begin, end};
}

ConvQuestion::BackwardWeights::desc ConvQuestion::backward_weights() const {
  return bias ? BackwardWeights::desc(direct, x, w, b, y, stride, dilation, begin, end)
              : BackwardWeights::desc(direct, x, w, y, stride, dilation, begin, end);
}

}  // namespace braid
