// How kernels are launched here: for all parts (slices of replicas) at once, with what each part
// needs in a plain struct. blockIdx.z is the part.
//
//   struct Part { const float* x; float* y; int64_t n; };
//   __global__ void scale(const __grid_constant__ Parts<Part> parts, float by) {
//     const Part& p = parts.at[blockIdx.z];
//     for (int64_t i = thread(); i < p.n; i += threads()) p.y[i] = by * p.x[i];
//   }
//   ...
//   for_parts(args.parts, [&](const KernelArgs& a, size_t i) { return Part{...}; },
//             [&](const Parts<Part>& parts) { launch(queue, scale, {blocks, 1, parts.size()}, 256,
//             parts, 2.f); });
//
// A grid follows from the shape of the *largest* part; what a block computes of its part follows
// from that part alone, so that a part's bits do not depend on its company.
#pragma once
#include <algorithm>
#include <span>

#include "cuda/queue.h"

namespace braid::cuda {

/// As many parts as fit into the arguments of a launch.
template <class P>
struct Parts {
  static constexpr int most = int(3584 / sizeof(P)) < 64 ? int(3584 / sizeof(P)) : 64;
  static_assert(most >= 8, "a part's struct is too large to travel in launch arguments");
  P at[most];
  int count = 0;
  unsigned size() const { return unsigned(count); }
};

/// Fills Parts with make(args, index) and hands them to `run`, as often as it takes.
template <class Make, class Run>
void for_parts(std::span<const KernelArgs> args, Make make, Run run) {
  using P = decltype(make(args[0], size_t(0)));
  for (size_t i = 0; i < args.size();) {
    Parts<P> parts;
    for (; i < args.size() && parts.count < Parts<P>::most; ++i)
      parts.at[parts.count++] = make(args[i], i);
    run(parts);
  }
}

/// Throws what the launch reports. Nothing is launched for an empty grid.
template <class... Formal, class... Actual>
void launch(Queue* queue, void (*kernel)(Formal...), dim3 grid, unsigned block,
            Actual&&... actual) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  auto call = [&](Formal... formal) {
    void* arguments[] = {const_cast<void*>(static_cast<const void*>(&formal))...};
    check(cudaLaunchKernel(kernel, grid, dim3(block), arguments, 0, queue->stream), "a launch");
  };
  call(std::forward<Actual>(actual)...);
}

/// Blocks of `block` threads for n items, at most `most`.
inline unsigned blocks_for(int64_t n, int64_t block, int64_t most = 4096) {
  return unsigned(std::clamp<int64_t>((n + block - 1) / block, 0, most));
}

}  // namespace braid::cuda
