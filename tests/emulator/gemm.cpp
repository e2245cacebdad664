// Matrix products without cublasLt.
#include "cuda/gemm.h"

#include "device.h"
#include "emulator.h"

namespace braid::cuda {

struct ProductPlan {
  Product product;
  bool bias;
};
std::shared_ptr<const ProductPlan> plan_product(const Product& product, bool bias) {
  return std::make_shared<ProductPlan>(ProductPlan{product, bias});
}
int64_t workspace_of(const ProductPlan&) { return 0; }

void multiply(Queue* queue, const ProductPlan& plan, const float* a, const float* b,
              const float* given, float* y, void*) {
  const float* bias = plan.bias ? given : nullptr;
  auto work = [=, p = plan.product] {
    for (int64_t i = 0; i < p.m; ++i)
      for (int64_t j = 0; j < p.n; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < p.k; ++k)
          sum += double(p.transpose_a ? a[k * p.m + i] : a[i * p.k + k]) *
                 double(p.transpose_b ? b[j * p.k + k] : b[k * p.n + j]);
        y[i * p.n + j] = float(bias ? sum + double(bias[j]) : sum);
      }
  };
  check(emulator::enqueue(queue->stream, "a matrix product", work), "a matrix product");
}

std::string gemm_version() { return "no cublasLt"; }

}  // namespace braid::cuda
