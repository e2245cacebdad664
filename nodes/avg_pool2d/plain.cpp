// Average pooling in plain format: for windows that oneDNN counts otherwise than PyTorch, and for
// machines that oneDNN does not answer for.
#include <algorithm>

#include "avg_pool2d/ops.h"

namespace braid {
namespace {

struct Planes {
  PoolWindow window;
  bool count_padding;
  int64_t planes, height, width, out_height, out_width;

  Planes(const Dict& attrs, const Operand& x, const Operand& y)
      : window(pool_window(attrs)),
        count_padding(get_bool(attrs, "count_include_pad", true)),
        planes(x.dim(0) * x.dim(1)),
        height(x.dim(2)),
        width(x.dim(3)),
        out_height(y.dim(2)),
        out_width(y.dim(3)) {}

  /// visit(index of the output, index of the plane's first cell, window)
  template <class Visit>
  void for_each_window(Visit visit) const {
    int64_t out = 0;
    for (int64_t plane = 0; plane < planes; ++plane)
      for (int64_t i = 0; i < out_height; ++i)
        for (int64_t j = 0; j < out_width; ++j)
          visit(out++, plane * height * width,
                average_window(window, count_padding, height, width, i, j));
  }
};

KernelBody forward(const Signature& s) {
  return [planes = Planes(s.attrs, s.in[0], s.out[0])](const KernelArgs& args) {
    auto x = args.in<float>(0);
    auto y = args.out<float>(0);
    planes.for_each_window([&](int64_t out, int64_t plane, const AverageWindow& w) {
      float sum = 0;
      for (int64_t row = w.top; row < w.bottom; ++row)
        for (int64_t column = w.left; column < w.right; ++column)
          sum += x[plane + row * planes.width + column];
      y[out] = sum / float(w.count);
    });
  };
}

KernelBody gradient(const Signature& s) {
  Planes planes(s.attrs, s.out[0], s.in[0]);
  return [planes, cells = s.out[0].elements()](const KernelArgs& args) {
    auto g = args.in<float>(0);
    auto dx = args.out<float>(0);
    std::fill_n(dx, cells, 0.0f);
    planes.for_each_window([&](int64_t out, int64_t plane, const AverageWindow& w) {
      float share = g[out] / float(w.count);
      for (int64_t row = w.top; row < w.bottom; ++row)
        for (int64_t column = w.left; column < w.right; ++column)
          dx[plane + row * planes.width + column] += share;
    });
  };
}

}  // namespace

void register_avg_pool2d_plain(Registry& registry) {
  registry.add(plain_kernel("avg_pool2d", "cpu", forward));
  registry.add(plain_kernel("avg_pool2d_grad", "cpu", gradient));
}

}  // namespace braid
