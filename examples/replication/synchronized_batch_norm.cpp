// 1d, 2d and 3d: what a batch of 8 is, cut into 1, 2, 4 or 8 slices, makes no difference.
#include <braid/runtime/data_parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace braid;

template <class BatchNorm>
void compare(const char* name, const std::vector<int64_t>& dims) {
  Array x = Array::zeros(DType::f32, dims);
  for (size_t i = 0; i < x.as<float>().size(); ++i)
    x.as<float>()[i] = float(100 + std::sin(double(i * i)));
  std::vector<float> whole;
  double largest = 0;
  for (int replicas : {1, 2, 4, 8}) {
    std::vector<int> ids;
    for (int i = 0; i < replicas; ++i) ids.push_back(i);
    DataParallelWithCallback parallel(std::make_shared<BatchNorm>(dims[1]), ids);
    Array y = parallel.forward(x);
    if (whole.empty()) whole.assign(y.as<float>().begin(), y.as<float>().end());
    for (size_t i = 0; i < whole.size(); ++i)
      largest = std::max(largest, std::abs(double(y.as<float>()[i]) - double(whole[i])));
  }
  std::printf("%s of %s: %s\n", name, to_string(x).c_str(),
              largest < 1e-6 ? "equal to 1e-6 for 1, 2, 4 and 8 replicas" : "they differ");
}

int main() {
  compare<SynchronizedBatchNorm1d>("SynchronizedBatchNorm1d", {8, 5});
  compare<SynchronizedBatchNorm1d>("SynchronizedBatchNorm1d", {8, 5, 7});
  compare<SynchronizedBatchNorm2d>("SynchronizedBatchNorm2d", {8, 5, 7, 3});
  compare<SynchronizedBatchNorm3d>("SynchronizedBatchNorm3d", {8, 5, 2, 7, 3});
}
