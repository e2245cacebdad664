// What the emulator's own tests share.
#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "emulator.h"

namespace emulator {

inline void good(cudaError_t result) { ASSERT_STREQ(cudaGetErrorName(result), "cudaSuccess"); }

inline cudaStream_t make_stream() {
  cudaStream_t stream = nullptr;
  good(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

inline cudaEvent_t make_event() {
  cudaEvent_t event = nullptr;
  good(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

template <class T>
T* on_device(size_t count) {
  T* memory = nullptr;
  good(cudaMalloc(&memory, count * sizeof(T)));
  return memory;
}

template <class T>
std::vector<T> read(const T* memory, size_t count) {
  std::vector<T> host(count);
  good(cudaMemcpy(host.data(), memory, count * sizeof(T), cudaMemcpyDeviceToHost));
  return host;
}

template <class... Formal, class... Actual>
cudaError_t run(cudaStream_t stream, void (*kernel)(Formal...), dim3 grid, dim3 block,
                Actual... actual) {
  auto call = [&](Formal... formal) {
    void* arguments[] = {const_cast<void*>(static_cast<const void*>(&formal))...};
    return cudaLaunchKernel(kernel, grid, block, arguments, 0, stream);
  };
  return call(actual...);
}

/// How many of some seeds make the same of it as `expected`; `what` starts on a fresh machine.
template <class F, class T>
int agreeing_seeds(int seeds, F what, const T& expected) {
  int count = 0;
  for (int s = 1; s <= seeds; ++s) {
    reset();
    seed(uint64_t(s));
    count += what() == expected;
  }
  return count;
}

class Emulator : public ::testing::Test {
 protected:
  Emulator() { reset(); }
  ~Emulator() override { reset(); }
};

}  // namespace emulator
