// The convolutions of volumes through oneDNN, as those of images.
#include "conv2d/question.h"
#include "conv3d/ops.h"
#include "onednn/kernel.h"

namespace braid {
namespace {

ConvDims dims(const Conv3dSize& s) {
  auto list = [](const Three& three) { return onednn::Dims(three.begin(), three.end()); };
  onednn::Dims end;  // padding behind, without the cells that the stride leaves over
  for (size_t d = 0; d < 3; ++d)
    end.push_back((s.result[d] - 1) * s.stride[d] + s.reach(d) - s.input[d] - s.padding[d]);
  return {s.volumes,
          s.in_channels,
          s.out_channels,
          s.groups,
          list(s.input),
          list(s.kernel),
          list(s.result),
          list(s.stride),
          list(s.dilation),
          list(s.padding),
          end};
}

std::optional<Offer> forward(const Signature& s) {
  return convolution_offer(
      {dims(conv3d_size(s.attrs, s.in[0], s.in[1], s.out[0])), s.in.size() > 2});
}

std::optional<Offer> grad_input(const Signature& s) {
  return convolution_grad_input_offer(
      {dims(conv3d_size(s.attrs, s.out[0], s.in[1], s.in[0])), false});
}

std::optional<Offer> grad_weight(const Signature& s) {
  return convolution_grad_weight_offer(
      {dims(conv3d_size(s.attrs, s.in[0], s.out[0], s.in[1])), s.out.size() > 1});
}

}  // namespace

void register_conv3d_kernels(Registry& registry) {
  registry.add(onednn::kernel("conv3d", forward));
  registry.add(onednn::kernel("conv3d_grad_input", grad_input));
  registry.add(onednn::kernel("conv3d_grad_weight", grad_weight));
}

}  // namespace braid
