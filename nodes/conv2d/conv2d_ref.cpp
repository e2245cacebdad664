// The judge of the convolutions: f64, seven nested loops. The gradients walk the same loops as the
// forward pass, so that they are its exact transposes.
#include <algorithm>

#include "conv2d/ops.h"
#include "conv2d/size.h"

namespace braid {
namespace {

// Calls visit(y, x, w) with the flat index of each output element and those of every input element
// and weight that it multiplies.
template <class Visit>
void for_each_product(const ConvSize& s, Visit visit) {
  auto [oh, ow] = s.result;
  auto [ih, iw] = s.input;
  auto [kh, kw] = s.kernel;
  for (int64_t n = 0; n < s.images; ++n)
    for (int64_t o = 0; o < s.out_channels; ++o)
      for (int64_t c = 0; c < s.group_in(); ++c)
        for (int64_t i = 0; i < oh * ow; ++i)
          for (int64_t k = 0; k < kh * kw; ++k) {
            int64_t row = i / ow * s.stride[0] - s.begin[0] + k / kw * s.dilation[0];
            int64_t column = i % ow * s.stride[1] - s.begin[1] + k % kw * s.dilation[1];
            if (row < 0 || row >= ih || column < 0 || column >= iw) continue;
            int64_t channel = o / s.group_out() * s.group_in() + c;
            visit((n * s.out_channels + o) * oh * ow + i,
                  ((n * s.in_channels + channel) * ih + row) * iw + column,
                  (o * s.group_in() + c) * kh * kw + k);
          }
}

KernelBody forward(const Signature& s) {
  auto size = conv_size(s.attrs, s.in[0], s.in[1], s.out[0]);
  int64_t elements = s.out[0].elements(), area = size.result[0] * size.result[1];
  bool bias = s.in.size() > 2;
  return [=](const KernelArgs& args) {
    auto x = args.in<double>(0), w = args.in<double>(1);
    auto y = args.out<double>(0);
    for (int64_t i = 0; i < elements; ++i)
      y[i] = bias ? args.in<double>(2)[i / area % size.out_channels] : 0;
    for_each_product(size, [&](int64_t yi, int64_t xi, int64_t wi) { y[yi] += x[xi] * w[wi]; });
  };
}

KernelBody grad_input(const Signature& s) {
  auto size = conv_size(s.attrs, s.out[0], s.in[1], s.in[0]);
  return [size, elements = s.out[0].elements()](const KernelArgs& args) {
    auto g = args.in<double>(0), w = args.in<double>(1);
    auto dx = args.out<double>(0);
    std::fill_n(dx, elements, 0.0);
    for_each_product(size, [&](int64_t yi, int64_t xi, int64_t wi) { dx[xi] += g[yi] * w[wi]; });
  };
}

KernelBody grad_weight(const Signature& s) {
  auto size = conv_size(s.attrs, s.in[0], s.out[0], s.in[1]);
  int64_t area = size.result[0] * size.result[1], elements = s.in[1].elements();
  bool bias = s.out.size() > 1;
  return [=, weights = s.out[0].elements()](const KernelArgs& args) {
    auto x = args.in<double>(0), g = args.in<double>(1);
    auto dw = args.out<double>(0);
    std::fill_n(dw, weights, 0.0);
    for_each_product(size, [&](int64_t yi, int64_t xi, int64_t wi) { dw[wi] += g[yi] * x[xi]; });
    if (!bias) return;
    auto db = args.out<double>(1);
    std::fill_n(db, size.out_channels, 0.0);
    for (int64_t i = 0; i < elements; ++i) db[i / area % size.out_channels] += g[i];
  };
}

}  // namespace

void register_conv2d_reference(Registry& registry) {
  registry.add(plain_kernel("conv2d", "reference", forward));
  registry.add(plain_kernel("conv2d_grad_input", "reference", grad_input));
  registry.add(plain_kernel("conv2d_grad_weight", "reference", grad_weight));
}

}  // namespace braid
