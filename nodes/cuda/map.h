// Elementwise kernels: y[i] = f(x0[i], x1[i], ...), in accesses of 16 bytes. Tensors begin at
// multiples of 64 bytes.
//
//   struct Relu { __device__ float operator()(float x) const { return x > 0 ? x : 0; } };
//   registry.add(map_kernel<float, float>("relu", Relu{}));
//
// A functor that needs attributes is made from the signature of the launch's first part; all parts
// have the same attributes.
//
//   registry.add(map_kernel_of<float, float>("leaky_relu", [](const Signature& s) {
//     return Leaky{float(get_double(s.attrs, "negative_slope"))};
//   }));
#pragma once
#include <array>
#include <utility>

#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/vector.h"

namespace braid::cuda {

template <class Y, class... X>
struct MapPart {
  Y* y;
  const void* x[sizeof...(X)];
  int64_t n;
};

template <class F, class Y, class... X, size_t... I>
__device__ void map_element(const F& f, const MapPart<Y, X...>& p, int64_t i,
                            std::index_sequence<I...>) {
  p.y[i] = f(static_cast<const X*>(p.x[I])[i]...);
}

template <int kWidth, class F, class Y, class... X, size_t... I>
__device__ void map_pack(const F& f, const MapPart<Y, X...>& p, int64_t i,
                         std::index_sequence<I...>) {
  auto x = std::make_tuple(load<kWidth>(static_cast<const X*>(p.x[I]) + i * kWidth)...);
  Pack<Y, kWidth> y;
  for (int k = 0; k < kWidth; ++k) y.at[k] = f(std::get<I>(x).at[k]...);
  store(p.y + i * kWidth, y);
}

template <class F, class Y, class... X>
__global__ void map_parts(const __grid_constant__ Parts<MapPart<Y, X...>> parts, const F f) {
  constexpr int width = int(16 / std::max({sizeof(Y), sizeof(X)...}));
  constexpr auto all = std::index_sequence_for<X...>{};
  const auto& p = parts.at[blockIdx.z];
  const int64_t packs = p.n / width, step = int64_t(gridDim.x) * blockDim.x;
  const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += step) map_pack<width>(f, p, i, all);
  for (int64_t i = packs * width + first; i < p.n; i += step) map_element(f, p, i, all);
}

/// The launch of such a kernel: output 0 from the first sizeof...(X) inputs.
template <class Y, class... X, class F>
Launch map_launch(std::span<const Signature> signatures, F f) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      MapPart<Y, X...> p{.y = a.out<Y>(0), .n = sizes[i]};
      for (size_t k = 0; k < sizeof...(X); ++k) p.x[k] = a.inputs[k];
      return p;
    };
    for_parts(args.parts, part, [&](const Parts<MapPart<Y, X...>>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, map_parts<F, Y, X...>, {blocks_for(most, 1024), 1, parts.size()}, 256,
             parts, f);
    });
  }};
}

template <class Y, class... X, class Make>
Kernel map_kernel_of(std::string op, Make functor_of, int alias = 0) {
  auto make = [functor_of](std::span<const Signature> s) {
    return map_launch<Y, X...>(s, functor_of(s[0]));
  };
  return kernel(std::move(op), make, {.alias = alias});
}

template <class Y, class... X, class F>
Kernel map_kernel(std::string op, F f, int alias = 0) {
  return map_kernel_of<Y, X...>(
      std::move(op), [f](const Signature&) { return f; }, alias);
}

}  // namespace braid::cuda
