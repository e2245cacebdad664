// The example of the original's documentation: a synchronized batch norm on two devices.
#include <braid/runtime/data_parallel.h>

#include <cstdio>

using namespace braid;

int main() {
  auto sync_bn =
      std::make_shared<SynchronizedBatchNorm1d>(10, BatchNormOptions{.eps = 1e-5, .affine = false});
  DataParallelWithCallback parallel(sync_bn, {0, 1});

  Array x = Array::zeros(DType::f32, {4, 10});
  for (int row = 0; row < 4; ++row)
    for (int c = 0; c < 10; ++c) x.as<float>()[size_t(row * 10 + c)] = float(row);

  Array y = parallel.forward(x);  // each half alone would give -1, 1, -1, 1
  for (int row = 0; row < 4; ++row) std::printf("%8.4f", double(y.as<float>()[size_t(row * 10)]));
  std::printf("\nrunning mean %.4f, running variance %.4f, batches %ld\n",
              double(sync_bn->tensor("running_mean").as<float>()[0]),
              double(sync_bn->tensor("running_var").as<float>()[0]),
              long(sync_bn->tensor("num_batches_tracked").as<int64_t>()[0]));

  parallel.module().eval();
  y = parallel.forward(x);
  std::printf("in eval mode ");
  for (int row = 0; row < 4; ++row) std::printf("%8.4f", double(y.as<float>()[size_t(row * 10)]));
  std::printf("\n");
}
