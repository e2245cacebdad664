// Matrix products by cublasLt: row-major f32 without TF32, one algorithm for a shape. gemm.cpp
// talks to cublasLt; tests bring another one for machines without a GPU.
//
//   auto plan = plan_product({.m = 64, .n = 10, .k = 128}, true);  // once, the device being active
//   multiply(queue, *plan, a, b, bias, y, workspace);              // in every step
#pragma once
#include <cstdint>
#include <memory>

#include "cuda/queue.h"

namespace braid::cuda {

/// y[m, n] = op(a) · op(b) [+ bias], with a [m, k] ([k, m] when transposed), b [k, n] ([n, k]).
struct Product {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;
};

/// A product on one device: layouts and the algorithm.
struct ProductPlan;
std::shared_ptr<const ProductPlan> plan_product(const Product& product, bool bias);
int64_t workspace_of(const ProductPlan& plan);  ///< bytes

/// `bias` [n] is read when the plan was made with one.
void multiply(Queue* queue, const ProductPlan& plan, const float* a, const float* b,
              const float* bias, float* y, void* workspace);

}  // namespace braid::cuda
