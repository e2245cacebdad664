#include "conv2d/convolution.h"
#include "cuda/channel_sums.h"
#include "cuda/kernel.h"

namespace braid {
namespace conv2d_cuda {

using cuda::Convolution;
using cuda::ConvPass;

Launch forward(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  Convolution conv(conv_size(s.attrs, s.in[0], s.in[1], s.out[0]), ConvPass::forward);
  auto enqueue = [=, y = cuda::channels_of(s.out[0]),
                  bias = s.in.size() > 2](const LaunchArgs& args) {
    auto& a = args.parts[0];
    conv.forward(args.queue, a.in<float>(0), a.in<float>(1), a.out<float>(0), args.workspace);
    if (bias) cuda::add_bias(args.queue, y, a.in<float>(2), a.out<float>(0));
  };
  return {enqueue, conv.workspace()};
}

Launch grad_input(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  Convolution conv(conv_size(s.attrs, s.out[0], s.in[1], s.in[0]), ConvPass::grad_input);
  auto enqueue = [=](const LaunchArgs& args) {
    auto& a = args.parts[0];
    conv.grad_input(args.queue, a.in<float>(0), a.in<float>(1), a.out<float>(0), args.workspace);
  };
  return {enqueue, conv.workspace()};
}

Launch grad_weight(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  Convolution conv(conv_size(s.attrs, s.in[0], s.out[0], s.in[1]), ConvPass::grad_weight);
  const bool bias = s.out.size() > 1;
  const auto g = cuda::channels_of(s.in[1]);
  auto enqueue = [=](const LaunchArgs& args) {
    auto& a = args.parts[0];
    conv.grad_weight(args.queue, a.in<float>(0), a.in<float>(1), a.out<float>(0), args.workspace);
    const cuda::ChannelSum sum{g, a.in<float>(1), a.out<float>(bias ? 1 : 0)};
    if (bias) cuda::sum_channels(args.queue, {&sum, 1}, args.workspace);  // one after the other
  };
  return {enqueue, std::max(conv.workspace(), bias ? cuda::sum_workspace(g) : 0)};
}

}  // namespace conv2d_cuda

void register_conv2d_cuda(Registry& registry) {
  using namespace conv2d_cuda;
  registry.add(cuda::kernel("conv2d", forward, {.gang = false}));
  registry.add(cuda::kernel("conv2d_grad_input", grad_input, {.gang = false}));
  registry.add(cuda::kernel("conv2d_grad_weight", grad_weight, {.gang = false}));
}

}  // namespace braid
