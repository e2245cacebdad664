// Runs a grid: block after block, the threads of a block as fibers that switch at barriers only.
#pragma once
#include <cuda_runtime.h>

#include <functional>
#include <random>

namespace emulator {

using Random = std::mt19937_64;

/// In an order drawn from `random`.
void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread, Random& random);

}  // namespace emulator
