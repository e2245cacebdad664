#include "cuda/gemm.h"
#include "cuda/kernel.h"
#include "linear/column_sum.h"
#include "linear/matmul.h"

namespace braid {
namespace linear_cuda {

Launch matmul(std::span<const Signature> parts) {
  const MatmulSize s = matmul_size(parts[0]);
  auto plan = cuda::plan_product({.m = s.rows,
                                  .n = s.columns,
                                  .k = s.inner,
                                  .transpose_a = s.transpose_a,
                                  .transpose_b = s.transpose_b},
                                 s.bias);
  auto enqueue = [plan, bias = s.bias](const LaunchArgs& args) {
    auto& a = args.parts[0];
    cuda::multiply(args.queue, *plan, a.in<float>(0), a.in<float>(1),
                   bias ? a.in<float>(2) : nullptr, a.out<float>(0), args.workspace);
  };
  return {enqueue, cuda::workspace_of(*plan)};
}

}  // namespace linear_cuda

void register_linear_cuda(Registry& registry) {
  using namespace linear_cuda;
  registry.add(cuda::kernel("matmul", matmul, {.gang = false}));
  register_column_sum_cuda(registry);
}

}  // namespace braid
