// Optimizers: State that is changed in place, element by element, unless the step is not to be.
//
//   struct Sgd {
//     using Rule = SgdRule;           // what was typed
//     using Step = SgdStep<float>;    // Step(rule, scalars): the numbers of this step
//     static constexpr int arrays = 2, written = 1;    // inputs; how many of them are State
//     static __device__ void at(const Step& s, float (&v)[2]) { v[0] -= s.lr * v[1]; }
//   };
//   registry.add(update_kernel<Sgd>("sgd"));
#pragma once
#include <array>
#include <utility>

#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid::cuda {

template <int kArrays>
struct UpdatePart {
  float* of[kArrays];
  int64_t n;
  const Scalars* scalars;
};

template <int kWidth, class F>
__device__ void update_pack(const typename F::Step& step, const UpdatePart<F::arrays>& p,
                            int64_t i) {
  Pack<float, kWidth> packs[F::arrays];
  for (int a = 0; a < F::arrays; ++a) packs[a] = load<kWidth>(p.of[a] + i * kWidth);
  for (int k = 0; k < kWidth; ++k) {
    float v[F::arrays];
    for (int a = 0; a < F::arrays; ++a) v[a] = packs[a].at[k];
    F::at(step, v);
    for (int a = 0; a < F::written; ++a) packs[a].at[k] = v[a];
  }
  for (int a = 0; a < F::written; ++a) store(p.of[a] + i * kWidth, packs[a]);
}

template <class F>
__global__ void update_parts(const __grid_constant__ Parts<UpdatePart<F::arrays>> parts,
                             const typename F::Rule rule, const int* stop) {
  if (stop != nullptr && *stop != 0) return;
  const auto& p = parts.at[blockIdx.z];
  __shared__ typename F::Step step;
  if (threadIdx.x == 0) step = typename F::Step(rule, *p.scalars);
  __syncthreads();
  const int64_t packs = p.n / 4, by = int64_t(gridDim.x) * blockDim.x;
  const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += by) update_pack<4, F>(step, p, i);
  for (int64_t i = packs * 4 + first; i < p.n; i += by) update_pack<1, F>(step, p, i);
}

template <class F>
Launch update_launch(std::span<const Signature> signatures) {
  using Part = UpdatePart<F::arrays>;
  const int64_t n = signatures[0].in[0].elements();
  return {[n, rule = typename F::Rule(signatures[0].attrs)](const LaunchArgs& args) {
    auto part = [n](const KernelArgs& a, size_t) {
      Part p{.n = n, .scalars = a.scalars};
      for (int k = 0; k < F::arrays; ++k) p.of[k] = a.in<float>(k);
      return p;
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      launch(args.queue, update_parts<F>, {blocks_for(n, 1024), 1, parts.size()}, 256, parts, rule,
             args.stop);
    });
  }};
}

template <class F>
Kernel update_kernel(std::string op) {
  return kernel(std::move(op), update_launch<F>);
}

}  // namespace braid::cuda
