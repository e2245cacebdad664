// Kernels in which a thread makes one item, such as an element of the result: for operations whose
// arithmetic is small, or of which a network has few.
//
//   struct Part { const float* x; float* y; int64_t n; };     // of one slice; n items
//   struct Twice {                                            // what all slices share
//     __device__ void operator()(const Part& p, int64_t i) const { p.y[i] = 2 * p.x[i]; }
//   };
//   enqueue_each(args, Twice{}, [&](const KernelArgs& a, size_t part) { return Part{...}; });
#pragma once
#include <algorithm>
#include <vector>

#include "cuda/launch.h"

namespace braid::cuda {

template <class Part, class F>
__global__ void each_item(const __grid_constant__ Parts<Part> parts, const __grid_constant__ F f) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step) f(p, i);
}

template <class F, class Make>
void enqueue_each(const LaunchArgs& args, const F& f, Make make) {
  using Part = decltype(make(args.parts[0], size_t(0)));
  for_parts(args.parts, make, [&](const Parts<Part>& parts) {
    int64_t most = 0;
    for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
    launch(args.queue, each_item<Part, F>, {blocks_for(most, 128), 1, parts.size()}, 128, parts, f);
  });
}

/// One number of each part's signature.
template <class Of>
std::vector<int64_t> of_parts(std::span<const Signature> signatures, Of of) {
  std::vector<int64_t> numbers;
  for (auto& s : signatures) numbers.push_back(of(s));
  return numbers;
}

inline int64_t results_of(const Signature& s) { return s.out[0].elements(); }

/// The part with the most samples: axes of one cell are left out of loops, and a batch of one must
/// not be. Only the outermost axis differs between parts.
inline const Signature& largest(std::span<const Signature> signatures) {
  return *std::max_element(signatures.begin(), signatures.end(),
                           [](const Signature& a, const Signature& b) {
                             auto cells = [](const Signature& s) {
                               int64_t all = s.out[0].elements();
                               for (auto& operand : s.in) all += operand.elements();
                               return all;
                             };
                             return cells(a) < cells(b);
                           });
}

}  // namespace braid::cuda
