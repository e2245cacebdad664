// The judge of max pooling: f64, window by window.
#include <algorithm>

#include "max_pool2d/ops.h"
#include "max_pool2d/window.h"

namespace braid {
namespace {

struct Pooling {
  PoolWindow window;
  int64_t planes, height, width, out_height, out_width;

  Pooling(const Dict& attrs, const Operand& x, const Operand& y)
      : window(pool_window(attrs)),
        planes(x.dim(0) * x.dim(1)),
        height(x.dim(2)),
        width(x.dim(3)),
        out_height(y.dim(2)),
        out_width(y.dim(3)) {}

  int64_t outputs() const { return planes * out_height * out_width; }

  /// The cell of the image that place k of output i's window sees, or -1 in the padding.
  int64_t cell(int64_t i, int64_t k) const {
    int64_t plane = i / (out_height * out_width), at = i % (out_height * out_width);
    int64_t row = at / out_width * window.stride[0] - window.padding[0] +
                  k / window.kernel[1] * window.dilation[0];
    int64_t column = at % out_width * window.stride[1] - window.padding[1] +
                     k % window.kernel[1] * window.dilation[1];
    bool inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? (plane * height + row) * width + column : -1;
  }
};

void put_index(const KernelArgs& args, DType dtype, int64_t i, int64_t k) {
  if (dtype == DType::u8)
    args.out<uint8_t>(1)[i] = uint8_t(k);
  else
    args.out<int32_t>(1)[i] = int32_t(k);
}

KernelBody forward(const Signature& s) {
  Pooling pooling(s.attrs, s.in[0], s.out[0]);
  bool indices = s.out.size() > 1;
  return [pooling, indices, dtype = s.out.back().dtype](const KernelArgs& args) {
    auto x = args.in<double>(0);
    int64_t places = pooling.window.kernel[0] * pooling.window.kernel[1];
    for (int64_t i = 0; i < pooling.outputs(); ++i) {
      int64_t best = -1;
      for (int64_t k = 0; k < places; ++k) {
        int64_t cell = pooling.cell(i, k);
        if (cell >= 0 && (best < 0 || x[cell] > x[pooling.cell(i, best)])) best = k;
      }
      args.out<double>(0)[i] = x[pooling.cell(i, best)];
      if (indices) put_index(args, dtype, i, best);
    }
  };
}

KernelBody gradient(const Signature& s) {
  Pooling pooling(s.attrs, s.out[0], s.in[0]);
  return [pooling, dtype = s.in[1].dtype, cells = s.out[0].elements()](const KernelArgs& args) {
    auto g = args.in<double>(0);
    auto dx = args.out<double>(0);
    std::fill_n(dx, cells, 0.0);
    for (int64_t i = 0; i < pooling.outputs(); ++i) {
      int64_t k = dtype == DType::u8 ? args.in<uint8_t>(1)[i] : args.in<int32_t>(1)[i];
      dx[pooling.cell(i, k)] += g[i];
    }
  };
}

}  // namespace

void register_max_pool2d_reference(Registry& registry) {
  registry.add(plain_kernel("max_pool2d", "reference", forward));
  registry.add(plain_kernel("max_pool2d_grad", "reference", gradient));
}

}  // namespace braid
