// The gradient of a convolution's input, of which x is the result and y the input.
#include "conv2d/convolution.h"
#include "cuda/channel_sums.h"
#include "cuda/kernel.h"

namespace braid {
namespace conv_transpose2d_cuda {

Launch forward(std::span<const Signature> parts) {
  const Signature& s = parts[0];
  cuda::Convolution conv(conv_size(s.attrs, s.out[0], s.in[1], s.in[0]),
                         cuda::ConvPass::grad_input);
  auto enqueue = [=, y = cuda::channels_of(s.out[0]),
                  bias = s.in.size() > 2](const LaunchArgs& args) {
    auto& a = args.parts[0];
    conv.grad_input(args.queue, a.in<float>(0), a.in<float>(1), a.out<float>(0), args.workspace);
    if (bias) cuda::add_bias(args.queue, y, a.in<float>(2), a.out<float>(0));
  };
  return {enqueue, conv.workspace()};
}

}  // namespace conv_transpose2d_cuda

void register_conv_transpose2d_cuda(Registry& registry) {
  using namespace conv_transpose2d_cuda;
  registry.add(cuda::kernel("conv_transpose2d", forward, {.gang = false}));
  registry.add(cuda::kernel("conv_transpose2d_grad_bias", [](std::span<const Signature> parts) {
    return cuda::sum_launch(parts, cuda::channels_of);
  }));
}

}  // namespace braid
