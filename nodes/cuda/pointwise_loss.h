// The kernels of a loss that is taken element by element (see ops/pointwise_loss.h), from its
// formulas:
//
//   struct Mse {
//     float shape;  // the loss's own parameter
//     __device__ float loss(float x, float t) const { return (x - t) * (x - t); }
//     __device__ float slope(float x, float t) const { return 2 * (x - t); }
//     __device__ float target_slope(float x, float t) const { return -2 * (x - t); }
//   };
//   add_pointwise_loss<Mse>(registry, "mse");
#pragma once
#include "cuda/kernel.h"
#include "cuda/totals.h"
#include "cuda/vector.h"
#include "ops/pointwise_loss.h"

namespace braid::cuda {

template <class F>
struct ElementLoss {
  F f;
  const float *x, *t;  ///< t is null where the target is a constant
  float constant;

  __device__ double operator()(int64_t i) const { return f.loss(x[i], t ? t[i] : constant); }
};

template <class F>
Launch pointwise_sum(std::span<const Signature> signatures, const PointwiseRule& rule) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.in[0].elements());
  const Totals<ElementLoss<F>> totals(std::move(sizes));
  const bool given = signatures[0].in.size() > 1;
  auto enqueue = [=](const LaunchArgs& args) {
    totals.enqueue(args, 0, [&](const KernelArgs& a, size_t) {
      return ElementLoss<F>{F{float(rule.shape)}, a.in<float>(0), given ? a.in<float>(1) : nullptr,
                            float(rule.target)};
    });
  };
  return {enqueue, totals.workspace()};
}

struct SlopePart {
  const float *x, *t;
  const double* count;
  float* out;
  int64_t n;
};

template <class F, bool kOfTarget>
__global__ void pointwise_slopes(const __grid_constant__ Parts<SlopePart> parts, const F f,
                                 const float constant, const double factor) {
  const SlopePart& p = parts.at[blockIdx.z];
  const float scale = *p.count > 0 ? float(factor / *p.count) : 0;
  auto at = [&](float x, float t) {
    return scale * (kOfTarget ? f.target_slope(x, t) : f.slope(x, t));
  };
  const int64_t packs = p.n / 4, step = int64_t(gridDim.x) * blockDim.x;
  const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += step) {
    auto x = load<4>(p.x + i * 4);
    Pack<float, 4> t{{constant, constant, constant, constant}};
    if (p.t) t = load<4>(p.t + i * 4);
    for (int k = 0; k < 4; ++k) x.at[k] = at(x.at[k], t.at[k]);
    store(p.out + i * 4, x);
  }
  for (int64_t i = packs * 4 + first; i < p.n; i += step)
    p.out[i] = at(p.x[i], p.t ? p.t[i] : constant);
}

template <class F, bool kOfTarget>
Launch pointwise_slope(std::span<const Signature> signatures, const PointwiseRule& rule) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  const int last = int(signatures[0].in.size()) - 1;
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return SlopePart{a.in<float>(0), last > 1 ? a.in<float>(1) : nullptr, a.in<double>(last),
                       a.out<float>(0), sizes[i]};
    };
    for_parts(args.parts, part, [&](const Parts<SlopePart>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, pointwise_slopes<F, kOfTarget>, {blocks_for(most, 1024), 1, parts.size()},
             256, parts, F{float(rule.shape)}, float(rule.target), rule.factor);
    });
  }};
}

template <class F>
void add_pointwise_loss(Registry& registry, const std::string& op, const std::string& shape = {}) {
  auto ruled = [shape](Launch (*make)(std::span<const Signature>, const PointwiseRule&)) {
    return [=](std::span<const Signature> s) { return make(s, PointwiseRule(s[0].attrs, shape)); };
  };
  registry.add(kernel(op, ruled(pointwise_sum<F>)));
  registry.add(kernel(op + "_grad", ruled(pointwise_slope<F, false>), {.alias = 0}));
  registry.add(kernel(op + "_target_grad", ruled(pointwise_slope<F, true>), {.alias = 0}));
}

}  // namespace braid::cuda
