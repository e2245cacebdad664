// The judge of resizing: f64, output cell by output cell; the gradient hands each output's on to
// the cells it came from.
#include <algorithm>

#include "upsample/axis.h"
#include "upsample/ops.h"

namespace braid {
namespace {

// Calls visit(result cell, image cell, weight) for the four cells that each result cell mixes.
template <class Visit>
void for_each_share(const Dict& attrs, int64_t planes, Visit visit) {
  const Axis rows = axis_of(attrs, 0), columns = axis_of(attrs, 1);
  for (int64_t plane = 0; plane < planes; ++plane)
    for (int64_t i = 0; i < rows.result; ++i)
      for (int64_t j = 0; j < columns.result; ++j) {
        const Origin y = rows.origin(i), x = columns.origin(j);
        const int64_t out = (plane * rows.result + i) * columns.result + j;
        auto cell = [&](int64_t row, int64_t column) {
          return (plane * rows.image + row) * columns.image + column;
        };
        visit(out, cell(y.low, x.low), (1 - y.weight) * (1 - x.weight));
        visit(out, cell(y.low, x.high), (1 - y.weight) * x.weight);
        visit(out, cell(y.high, x.low), y.weight * (1 - x.weight));
        visit(out, cell(y.high, x.high), y.weight * x.weight);
      }
}

KernelBody forward(const Signature& s) {
  return [s](const KernelArgs& args) {
    auto x = args.in<double>(0);
    auto y = args.out<double>(0);
    std::fill_n(y, s.out[0].elements(), 0.0);
    for_each_share(s.attrs, s.in[0].dim(0) * s.in[0].dim(1),
                   [&](int64_t out, int64_t cell, double weight) { y[out] += weight * x[cell]; });
  };
}

KernelBody gradient(const Signature& s) {
  return [s](const KernelArgs& args) {
    auto g = args.in<double>(0);
    auto dx = args.out<double>(0);
    std::fill_n(dx, s.out[0].elements(), 0.0);
    for_each_share(s.attrs, s.in[0].dim(0) * s.in[0].dim(1),
                   [&](int64_t out, int64_t cell, double weight) { dx[cell] += weight * g[out]; });
  };
}

}  // namespace

void register_upsample_reference(Registry& registry) {
  registry.add(plain_kernel("upsample", "reference", forward));
  registry.add(plain_kernel("upsample_grad", "reference", gradient));
}

}  // namespace braid
