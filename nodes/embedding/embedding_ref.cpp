// The judge of Embedding: a product with the matrix that has a 1 in each token's column.
#include "embedding/ops.h"

namespace braid {
namespace {

double one_if(bool same) { return same ? 1 : 0; }

KernelBody look_up(const Signature& s) {
  return [s](const KernelArgs& a) {
    const int64_t rows = s.in[1].dim(0), columns = s.in[1].dim(1);
    for (int64_t i = 0; i < s.in[0].elements(); ++i)
      for (int64_t k = 0; k < columns; ++k) {
        double sum = 0;
        for (int64_t r = 0; r < rows; ++r)
          sum += one_if(a.in<int64_t>(0)[i] == r) * a.in<double>(1)[r * columns + k];
        a.out<double>(0)[i * columns + k] = sum;
      }
  };
}

KernelBody gather(const Signature& s) {
  return [s](const KernelArgs& a) {
    const int64_t rows = s.out[0].dim(0), columns = s.out[0].dim(1);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < columns; ++k) {
        double sum = 0;
        for (int64_t i = 0; i < s.in[0].elements(); ++i)
          sum += one_if(a.in<int64_t>(0)[i] == r) * a.in<double>(1)[i * columns + k];
        a.out<double>(0)[r * columns + k] = sum;
      }
  };
}

}  // namespace

void register_embedding_reference(Registry& registry) {
  registry.add(plain_kernel("embedding", "reference", look_up));
  registry.add(plain_kernel("embedding_grad", "reference", gather));
}

}  // namespace braid
