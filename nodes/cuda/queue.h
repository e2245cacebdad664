// A queue of the CUDA backend: a stream, and the library handle that belongs to it.
#pragma once
#include <cuda_runtime.h>

#include <braid/core/kernel.h>

namespace braid {

struct Queue {
  int ordinal = 0;  ///< of the GPU
  cudaStream_t stream = nullptr;
  void* dnn = nullptr;  ///< cudnnHandle_t, made by the first that needs it (dnn.cpp)
};

namespace cuda {

/// Throws Error(run): E0401 for want of memory, E0520 for anything else, with `what` was tried.
void check(cudaError_t result, const char* what);

}  // namespace cuda
}  // namespace braid
