// What the threads of a block find out together.
#pragma once
#include <cub/block/block_reduce.cuh>

namespace braid::cuda {

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
/// A NaN does not win.
struct Larger {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

/// A reduction in an order that only kThreads decides, whose result all threads get. All have to
/// call it; it may be called again at once.
template <class T, int kThreads>
class BlockAll {
  using Reduce = cub::BlockReduce<T, kThreads>;

 public:
  struct Storage {
    typename Reduce::TempStorage temporary;
    T result;
  };

  template <class Op>
  static __device__ T reduce(Storage& storage, T value, Op op) {
    const T found = Reduce(storage.temporary).Reduce(value, op);
    if (threadIdx.x == 0) storage.result = found;
    __syncthreads();
    const T all = storage.result;
    __syncthreads();
    return all;
  }
};

}  // namespace braid::cuda
