#include "conv2d/question.h"

namespace braid {
namespace {

constexpr auto direct = dnnl::algorithm::convolution_direct;

onednn::Dims with(std::initializer_list<int64_t> first, const onednn::Dims& spatial) {
  onednn::Dims dims = first;
  dims.insert(dims.end(), spatial.begin(), spatial.end());
  return dims;
}

onednn::Dims skipped(onednn::Dims dilation) {
  for (auto& d : dilation) --d;
  return dilation;
}

}  // namespace

ConvDims conv_dims(const ConvSize& s) {
  auto list = [](const std::array<int64_t, 2>& pair) { return onednn::Dims{pair[0], pair[1]}; };
  return {s.images,         s.in_channels,  s.out_channels, s.groups,
          list(s.input),    list(s.kernel), list(s.result), list(s.stride),
          list(s.dilation), list(s.begin),  list(s.end)};
}

ConvQuestion::ConvQuestion(ConvDims s, bool with_bias)
    : size(std::move(s)),
      x(onednn::any(with({size.images, size.in_channels}, size.input))),
      w(onednn::any(weight_dims())),
      b(onednn::plain({size.out_channels})),
      y(onednn::any(with({size.images, size.out_channels}, size.result))),
      dilation(skipped(size.dilation)),
      bias(with_bias) {}

onednn::Dims ConvQuestion::weight_dims() const {
  if (size.groups == 1) return with({size.out_channels, size.in_channels}, size.kernel);
  return with({size.groups, size.group_out(), size.group_in()}, size.kernel);
}

ConvQuestion::Forward::desc ConvQuestion::forward() const {
  constexpr auto training = dnnl::prop_kind::forward_training;
  return bias ? Forward::desc(training, direct, x, w, b, y, size.stride, dilation, size.begin,
                              size.end)
              : Forward::desc(training, direct, x, w, y, size.stride, dilation, size.begin,
                              size.end);
}

ConvQuestion::BackwardData::desc ConvQuestion::backward_data() const {
  return {direct, x, w, y, size.stride, dilation, size.begin, size.end};
}

ConvQuestion::BackwardWeights::desc ConvQuestion::backward_weights() const {
  return bias ? BackwardWeights::desc(direct, x, w, b, y, size.stride, dilation, size.begin,
                                      size.end)
              : BackwardWeights::desc(direct, x, w, y, size.stride, dilation, size.begin, size.end);
}

}  // namespace braid
