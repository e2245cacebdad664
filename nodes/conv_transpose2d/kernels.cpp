// The transposed convolution on a CPU. Where windows do not overlap it has a kernel of its own
// (patches.h). Elsewhere oneDNN's gradient of a convolution's input is the same sum, and its
// kernels for it are jit; the bias is added behind it, in the format of the result.
#include <algorithm>

#include "conv2d/ops.h"
#include "conv_transpose2d/ops.h"
#include "conv_transpose2d/patches.h"
#include "conv_transpose2d/strips.h"
#include "onednn/guard.h"
#include "onednn/kernel.h"

namespace braid {
namespace {

std::optional<Offer> forward_offer(const Signature& s) {
  Signature transposed = s;
  transposed.in.resize(2);
  auto offer = conv2d_grad_input_offer(transposed);
  if (!offer || s.in.size() < 3) return offer;
  auto y = s.out[0];
  y.format = offer->out_formats[0];
  const auto strips = strips_of(y);
  if (!strips) return {};
  offer->impl += "+bias";
  offer->in_formats.push_back({});
  offer->bind = [bind = offer->bind, strips = *strips] {
    return [product = bind(), strips](const KernelArgs& args) {
      onednn::Guard guard;  // both in one floating-point mode
      product(args);
      add_bias(strips, args.in<float>(2), args.out<float>(0));
    };
  };
  return offer;
}

std::optional<Offer> grad_bias_offer(const Signature& s, const DeviceTraits&) {
  auto g = s.in[0];
  auto strips = strips_of(g);
  if (!strips) {
    g.format = {};
    strips = strips_of(g);
  }
  return Offer{.impl = "braid:channel_sum",
               .in_formats = {g.format},
               .out_formats = {{}},
               .workspace = channel_sum_workspace(*strips),
               .bind = [strips = *strips] {
                 return [strips](const KernelArgs& args) {
                   channel_sum(strips, args.in<float>(0), args.out<float>(0), args.workspace);
                 };
               }};
}

}  // namespace

void register_conv_transpose2d_kernels(Registry& registry) {
  registry.add(onednn::kernel("conv_transpose2d", forward_offer));
  registry.add(Kernel{"conv_transpose2d", "cpu", patches_offer});
  registry.add(Kernel{"conv_transpose2d_grad_bias", "cpu", grad_bias_offer});
}

}  // namespace braid
