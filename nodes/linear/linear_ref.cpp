// The judges of matmul and column_sum: f64, one loop an index.
#include "linear/matmul.h"

namespace braid {
namespace {

KernelBody matmul_reference(const Signature& s) {
  return [size = matmul_size(s)](const KernelArgs& args) {
    auto [rows, inner, columns, ta, tb, bias] = size;
    auto a = args.in<double>(0), b = args.in<double>(1);
    auto y = args.out<double>(0);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        double sum = bias ? args.in<double>(2)[j] : 0;
        for (int64_t k = 0; k < inner; ++k)
          sum += a[ta ? k * rows + i : i * inner + k] * b[tb ? j * inner + k : k * columns + j];
        y[i * columns + j] = sum;
      }
  };
}

KernelBody column_sum_reference(const Signature& s) {
  int64_t columns = s.in[0].dims.back(), rows = s.in[0].elements() / columns;
  return [rows, columns](const KernelArgs& args) {
    auto g = args.in<double>(0);
    auto sums = args.out<double>(0);
    for (int64_t j = 0; j < columns; ++j) {
      sums[j] = 0;
      for (int64_t i = 0; i < rows; ++i) sums[j] += g[i * columns + j];
    }
  };
}

}  // namespace

void register_matmul_reference(Registry& registry) {
  registry.add(plain_kernel("matmul", "reference", matmul_reference));
  registry.add(plain_kernel("column_sum", "reference", column_sum_reference));
}

}  // namespace braid
