// What the runtime asks of a device beside layers: did anything fail, is anything not finite.
#include <cub/block/block_reduce.cuh>

#include <braid/core/type.h>

#include "cuda/launch.h"

namespace braid::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void join(const int64_t* status, int64_t words, int* stop) {
  using Reduce = cub::BlockReduce<int, kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  int bad = 0;
  for (int64_t i = threadIdx.x; i < words; i += kThreads) bad |= status[i] != 0;
  const int any = Reduce(storage).Sum(bad);
  if (threadIdx.x == 0) *stop = any != 0;
}

// One block: this is for looking for faults, not for speed.
template <class T>
__global__ void count(const T* values, int64_t n, int64_t* counts) {
  using Reduce = cub::BlockReduce<int64_t, kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  int64_t found[3] = {};
  for (int64_t i = threadIdx.x; i < n; i += kThreads) {
    const T v = values[i];
    found[0] += v != v;
    found[1] += v == T(INFINITY);
    found[2] += v == T(-INFINITY);
  }
  for (int k = 0; k < 3; ++k) {
    const int64_t sum = Reduce(storage).Sum(found[k]);
    if (threadIdx.x == 0) counts[k] = sum;
    __syncthreads();
  }
}

}  // namespace

void launch_join_status(Queue* queue, const int64_t* status, int64_t words, int* stop) {
  launch(queue, join, {1, 1, 1}, kThreads, status, words, stop);
}

void launch_count_not_finite(Queue* queue, DType dtype, const void* values, int64_t n,
                             int64_t* counts) {
  if (dtype == DType::f32)
    launch(queue, count<float>, {1, 1, 1}, kThreads, static_cast<const float*>(values), n, counts);
  else if (dtype == DType::f64)
    launch(queue, count<double>, {1, 1, 1}, kThreads, static_cast<const double*>(values), n,
           counts);
}

}  // namespace braid::cuda
