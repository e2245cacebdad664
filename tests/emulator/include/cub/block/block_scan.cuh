// cub::BlockScan of the emulator.
#pragma once
#include <cub/block/collective.h>

namespace cub {

enum BlockScanAlgorithm { BLOCK_SCAN_RAKING, BLOCK_SCAN_RAKING_MEMOIZE, BLOCK_SCAN_WARP_SCANS };

template <class T, int kThreads, BlockScanAlgorithm = BLOCK_SCAN_RAKING, int kY = 1, int kZ = 1>
class BlockScan {
  static_assert(kY == 1 && kZ == 1);

 public:
  using TempStorage = emulator::Slots<T, kThreads>;
  explicit BlockScan(TempStorage& storage) : storage_(storage) {}

  template <class Op>
  void InclusiveScan(T input, T& output, Op op, T& all) {
    storage_.put(input);
    output = range(op, 0, int(threadIdx.x) + 1);
    all = range(op, 0, kThreads);
  }
  template <class Op>
  void InclusiveScan(T input, T& output, Op op) {
    T all;
    InclusiveScan(input, output, op, all);
  }
  template <class Op>
  void ExclusiveScan(T input, T& output, T initial, Op op, T& all) {
    storage_.put(input);
    output = threadIdx.x == 0 ? initial : op(initial, range(op, 0, int(threadIdx.x)));
    all = range(op, 0, kThreads);
  }
  template <class Op>
  void ExclusiveScan(T input, T& output, T initial, Op op) {
    T all;
    ExclusiveScan(input, output, initial, op, all);
  }
  void InclusiveSum(T input, T& output, T& all) { InclusiveScan(input, output, plus, all); }
  void InclusiveSum(T input, T& output) { InclusiveScan(input, output, plus); }
  void ExclusiveSum(T input, T& output, T& all) { ExclusiveScan(input, output, T{}, plus, all); }
  void ExclusiveSum(T input, T& output) { ExclusiveScan(input, output, T{}, plus); }

 private:
  static T plus(const T& a, const T& b) { return T(a + b); }

  template <class Op>
  T range(Op op, int lo, int hi) {
    T sum = storage_.at(lo);
    for (int i = lo + 1; i < hi; ++i) sum = op(sum, storage_.at(i));
    return sum;
  }

  TempStorage& storage_;
};

}  // namespace cub
