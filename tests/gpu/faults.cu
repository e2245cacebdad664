// What goes wrong on a real GPU on demand.
#include "gpu/faults.h"

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace faults {
namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess)
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

// Nothing is mapped at such an address.
__global__ void write_nowhere() { *reinterpret_cast<volatile int*>(8) = 1; }

__device__ unsigned long long nanoseconds() {
  unsigned long long now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

// Never for ever: a test that fails should not take the GPU along.
__global__ void wait(const volatile int* free) {
  const auto start = nanoseconds();
  while (*free == 0 && nanoseconds() - start < 20'000'000'000) {
  }
}

void* ballast = nullptr;
int* free_again = nullptr;  // in memory that the device sees

}  // namespace

void poison() { write_nowhere<<<1, 1>>>(); }

void leave_memory(std::int64_t bytes) {
  std::size_t free = 0, all = 0;
  check(cudaMemGetInfo(&free, &all), "cudaMemGetInfo");
  if (free > std::size_t(bytes)) check(cudaMalloc(&ballast, free - std::size_t(bytes)), "ballast");
}

void occupy() {
  int processors = 0;
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0), "attributes");
  check(cudaHostAlloc(&free_again, sizeof(int), cudaHostAllocMapped), "cudaHostAlloc");
  *free_again = 0;
  // 2048 threads are all that a multiprocessor takes.
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream");
  wait<<<2 * processors, 1024, 0, stream>>>(free_again);
  check(cudaGetLastError(), "a kernel that waits");
}

void undo() {
  if (free_again) {
    *static_cast<volatile int*>(free_again) = 1;
    cudaDeviceSynchronize();
    cudaFreeHost(free_again);
    free_again = nullptr;
  }
  cudaFree(ballast);
  ballast = nullptr;
}

}  // namespace faults
