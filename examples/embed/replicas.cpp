// One batch norm over two slices of a batch: DataParallelWithCallback, as in PyTorch.
//
//             x [4, 1] = 1 3 | 5 7
//              /              \          two replicas
//         cpu:0: 1 3       cpu:1: 5 7
//              \   mean 4, variance 5 of all four    /
//         -1.34 -0.45       0.45 1.34
#include <braid/runtime/data_parallel.h>

#include <cmath>
#include <cstdio>

using namespace braid;

int main() try {
  auto bn = std::make_shared<SynchronizedBatchNorm1d>(1, BatchNormOptions{.affine = false});
  DataParallelWithCallback parallel(bn, {0, 1});
  const Array x = Array::of<float>({4, 1}, std::vector<float>{1, 3, 5, 7});
  const Array y = parallel.forward(x);
  float worst = 0;
  for (size_t i = 0; i < 4; ++i) {
    const float wanted = (x.as<float>()[i] - 4) / std::sqrt(5.0F + 1e-5F);
    worst = std::max(worst, std::fabs(y.as<float>()[i] - wanted));
    std::printf("%.2f ", y.as<float>()[i]);
  }
  std::printf("\n");
  return worst < 1e-6F ? 0 : 1;
} catch (const Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
