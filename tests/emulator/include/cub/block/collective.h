// What the emulated CUB's collectives share: every thread of the block lays its value down, and
// after a barrier reads what it needs. As with the real ones, the storage may be used again only
// after another barrier.
#pragma once
#include <cuda_runtime.h>

#include <cstring>

namespace emulator {

/// Dies unless the block is one-dimensional and of this size, and after a barrier unless all of its
/// threads have met there: CUB's collectives are for whole blocks.
void whole_block(unsigned threads, bool met);

template <class T, int kThreads>
struct Slots {
  alignas(T) unsigned char bytes[kThreads][sizeof(T)];

  void put(const T& value) {
    whole_block(kThreads, false);
    std::memcpy(bytes[threadIdx.x], static_cast<const void*>(&value), sizeof(T));
    __syncthreads();
    whole_block(kThreads, true);
  }
  T at(int thread) const {
    T value;
    std::memcpy(static_cast<void*>(&value), bytes[thread], sizeof(T));
    return value;
  }
};

template <class T>
T garbage() {
  T value;
  std::memset(static_cast<void*>(&value), 0xff, sizeof(T));
  return value;
}

}  // namespace emulator
