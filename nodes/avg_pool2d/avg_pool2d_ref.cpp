// The judge of average pooling: f64, cell by cell over the padded image.
#include <algorithm>

#include "avg_pool2d/ops.h"

namespace braid {
namespace {

// Calls visit(output, cell or -1 in the padding, divisor) for all places of all windows.
template <class Visit>
void for_each_place(const Dict& attrs, const std::vector<int64_t>& x, const std::vector<int64_t>& y,
                    Visit visit) {
  auto w = pool_window(attrs);
  bool count_padding = get_bool(attrs, "count_include_pad", true);
  auto inside = [](int64_t at, int64_t from, int64_t to) { return at >= from && at < to; };
  for (int64_t out = 0; out < y[0] * y[1] * y[2] * y[3]; ++out) {
    int64_t plane = out / (y[2] * y[3]), i = out / y[3] % y[2], j = out % y[3];
    std::vector<int64_t> cells;
    int64_t counted = 0;
    for (int64_t a = 0; a < w.kernel[0]; ++a)
      for (int64_t b = 0; b < w.kernel[1]; ++b) {
        int64_t row = i * w.stride[0] - w.padding[0] + a;
        int64_t column = j * w.stride[1] - w.padding[1] + b;
        bool cell = inside(row, 0, x[2]) && inside(column, 0, x[3]);
        bool padding = inside(row, -w.padding[0], x[2] + w.padding[0]) &&
                       inside(column, -w.padding[1], x[3] + w.padding[1]);
        counted += count_padding ? padding : cell;
        if (cell) cells.push_back((plane * x[2] + row) * x[3] + column);
      }
    for (int64_t cell : cells) visit(out, cell, counted);
  }
}

KernelBody forward(const Signature& s) {
  return [s](const KernelArgs& args) {
    auto x = args.in<double>(0);
    auto y = args.out<double>(0);
    std::fill_n(y, s.out[0].elements(), 0.0);
    for_each_place(s.attrs, s.in[0].dims, s.out[0].dims,
                   [&](int64_t out, int64_t cell, int64_t n) { y[out] += x[cell] / double(n); });
  };
}

KernelBody gradient(const Signature& s) {
  return [s](const KernelArgs& args) {
    auto g = args.in<double>(0);
    auto dx = args.out<double>(0);
    std::fill_n(dx, s.out[0].elements(), 0.0);
    for_each_place(s.attrs, s.out[0].dims, s.in[0].dims,
                   [&](int64_t out, int64_t cell, int64_t n) { dx[cell] += g[out] / double(n); });
  };
}

}  // namespace

void register_avg_pool2d_reference(Registry& registry) {
  registry.add(plain_kernel("avg_pool2d", "reference", forward));
  registry.add(plain_kernel("avg_pool2d_grad", "reference", gradient));
}

}  // namespace braid
