// The judge of the transposed convolution: f64, every input cell spreads its value over the cells
// of the result that its kernel covers. It shares no loop with the convolution's judge.
#include <algorithm>

#include "conv2d/size.h"
#include "conv_transpose2d/ops.h"

namespace braid {
namespace {

struct Size {
  ConvWindow window;
  int64_t images, in, out, height, width, kernel_h, kernel_w, out_height, out_width;

  explicit Size(const Signature& s)
      : window(conv_window(s.attrs)),
        images(s.in[0].dim(0)),
        in(s.in[0].dim(1)),
        out(s.out[0].dim(1)),
        height(s.in[0].dim(2)),
        width(s.in[0].dim(3)),
        kernel_h(s.in[1].dim(2)),
        kernel_w(s.in[1].dim(3)),
        out_height(s.out[0].dim(2)),
        out_width(s.out[0].dim(3)) {}

  // One input cell (its image n, channel c and value) into all it reaches.
  void spread(int64_t n, int64_t c, int64_t row, int64_t column, double value, const double* w,
              double* y) const {
    const int64_t each = out / window.groups, group = c / (in / window.groups);
    for (int64_t o = 0; o < each; ++o)
      for (int64_t i = 0; i < kernel_h; ++i)
        for (int64_t j = 0; j < kernel_w; ++j) {
          int64_t to_row = row * window.stride[0] - window.begin[0] + i * window.dilation[0];
          int64_t to_column = column * window.stride[1] - window.begin[1] + j * window.dilation[1];
          if (to_row < 0 || to_row >= out_height || to_column < 0 || to_column >= out_width)
            continue;
          y[((n * out + group * each + o) * out_height + to_row) * out_width + to_column] +=
              value * w[((c * each + o) * kernel_h + i) * kernel_w + j];
        }
  }
};

KernelBody forward(const Signature& s) {
  const bool bias = s.in.size() > 2;
  return [size = Size(s), bias, elements = s.out[0].elements()](const KernelArgs& args) {
    auto x = args.in<double>(0), w = args.in<double>(1);
    auto y = args.out<double>(0);
    const int64_t area = size.out_height * size.out_width;
    for (int64_t i = 0; i < elements; ++i)
      y[i] = bias ? args.in<double>(2)[i / area % size.out] : 0;
    for (int64_t n = 0; n < size.images; ++n)
      for (int64_t c = 0; c < size.in; ++c)
        for (int64_t row = 0; row < size.height; ++row)
          for (int64_t column = 0; column < size.width; ++column)
            size.spread(n, c, row, column, *x++, w, y);
  };
}

KernelBody grad_bias(const Signature& s) {
  const int64_t channels = s.in[0].dim(1), area = s.in[0].dim(2) * s.in[0].dim(3);
  return [=, elements = s.in[0].elements()](const KernelArgs& args) {
    auto g = args.in<double>(0);
    auto db = args.out<double>(0);
    std::fill_n(db, channels, 0.0);
    for (int64_t i = 0; i < elements; ++i) db[i / area % channels] += g[i];
  };
}

}  // namespace

void register_conv_transpose2d_reference(Registry& registry) {
  registry.add(plain_kernel("conv_transpose2d", "reference", forward));
  registry.add(plain_kernel("conv_transpose2d_grad_bias", "reference", grad_bias));
}

}  // namespace braid
