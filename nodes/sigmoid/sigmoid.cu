#include "cuda/map.h"

namespace braid {
namespace {

/// From e^-|x|, so that both tails keep their precision.
struct Sigmoid {
  __device__ float operator()(float x) const {
    const float e = expf(-fabsf(x));
    return (x < 0 ? e : 1.0f) / (1.0f + e);
  }
};
struct SigmoidGrad {
  __device__ float operator()(float g, float y) const { return g * (y * (1.0f - y)); }
};

}  // namespace

void register_sigmoid_cuda(Registry& registry) {
  registry.add(cuda::map_kernel<float, float>("sigmoid", Sigmoid{}));
  registry.add(cuda::map_kernel<float, float, float>("sigmoid_grad", SigmoidGrad{}));
}

}  // namespace braid
