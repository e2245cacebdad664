// Matrix products by cublasLt: row-major f32 without TF32, one algorithm for a shape. gemm.cpp
// talks to cublasLt; tests bring another one for machines without a GPU.
#pragma once
#include <cstdint>

#include "cuda/queue.h"

namespace braid::cuda {

/// y[m, n] = op(a) · op(b) [+ bias], with a [m, k] ([k, m] when transposed), b [k, n] ([n, k]).
struct Product {
  int64_t m, n, k;
  bool transpose_a, transpose_b;
};

int64_t product_workspace(Queue* queue, const Product& product);
/// `bias` [n] may be null.
void multiply(Queue*, const Product&, const float* a, const float* b, const float* bias, float* y,
              void* workspace);

}  // namespace braid::cuda
