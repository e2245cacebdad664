// cub::BlockReduce of the emulator. The result is valid in thread 0; the others get garbage.
#pragma once
#include <cub/block/collective.h>

namespace cub {

enum BlockReduceAlgorithm {
  BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY,
  BLOCK_REDUCE_RAKING,
  BLOCK_REDUCE_WARP_REDUCTIONS
};

template <class T, int kThreads, BlockReduceAlgorithm = BLOCK_REDUCE_WARP_REDUCTIONS, int kY = 1,
          int kZ = 1>
class BlockReduce {
  static_assert(kY == 1 && kZ == 1);

 public:
  using TempStorage = emulator::Slots<T, kThreads>;
  explicit BlockReduce(TempStorage& storage) : storage_(storage) {}

  template <class Op>
  T Reduce(T input, Op op, int valid = kThreads) {
    storage_.put(input);
    return threadIdx.x == 0 ? tree(op, 0, valid) : emulator::garbage<T>();
  }
  template <int kItems, class Op>
  T Reduce(T (&inputs)[kItems], Op op) {
    T mine = inputs[0];
    for (int i = 1; i < kItems; ++i) mine = op(mine, inputs[i]);
    return Reduce(mine, op);
  }
  T Sum(T input, int valid = kThreads) {
    return Reduce(
        input, [](const T& a, const T& b) { return T(a + b); }, valid);
  }
  template <int kItems>
  T Sum(T (&inputs)[kItems]) {
    return Reduce(inputs, [](const T& a, const T& b) { return T(a + b); });
  }

 private:
  template <class Op>
  T tree(Op& op, int lo, int hi) {
    if (hi - lo == 1) return storage_.at(lo);
    const int middle = lo + (hi - lo + 1) / 2;
    const T left = tree(op, lo, middle);
    return op(left, tree(op, middle, hi));
  }

  TempStorage& storage_;
};

}  // namespace cub
