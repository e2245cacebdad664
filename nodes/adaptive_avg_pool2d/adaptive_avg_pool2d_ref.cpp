// The judge of adaptive average pooling: f64, output by output.
#include <algorithm>

#include "adaptive_avg_pool2d/ops.h"

namespace braid {
namespace {

// Calls visit(output, cell, cells in its window) for every cell of every window.
template <class Visit>
void for_each_cell(const std::vector<int64_t>& x, const std::vector<int64_t>& y, Visit visit) {
  for (int64_t out = 0; out < y[0] * y[1] * y[2] * y[3]; ++out) {
    int64_t plane = out / (y[2] * y[3]);
    Span rows = adaptive_span(out / y[3] % y[2], x[2], y[2]);
    Span columns = adaptive_span(out % y[3], x[3], y[3]);
    for (int64_t row = rows.begin; row < rows.end; ++row)
      for (int64_t column = columns.begin; column < columns.end; ++column)
        visit(out, (plane * x[2] + row) * x[3] + column, rows.size() * columns.size());
  }
}

KernelBody forward(const Signature& s) {
  return [s](const KernelArgs& args) {
    auto x = args.in<double>(0);
    auto y = args.out<double>(0);
    std::fill_n(y, s.out[0].elements(), 0.0);
    for_each_cell(s.in[0].dims, s.out[0].dims,
                  [&](int64_t out, int64_t cell, int64_t n) { y[out] += x[cell] / double(n); });
  };
}

KernelBody gradient(const Signature& s) {
  return [s](const KernelArgs& args) {
    auto g = args.in<double>(0);
    auto dx = args.out<double>(0);
    std::fill_n(dx, s.out[0].elements(), 0.0);
    for_each_cell(s.out[0].dims, s.in[0].dims,
                  [&](int64_t out, int64_t cell, int64_t n) { dx[cell] += g[out] / double(n); });
  };
}

}  // namespace

void register_adaptive_avg_pool2d_reference(Registry& registry) {
  registry.add(plain_kernel("adaptive_avg_pool2d", "reference", forward));
  registry.add(plain_kernel("adaptive_avg_pool2d_grad", "reference", gradient));
}

}  // namespace braid
