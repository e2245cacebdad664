#include "gelu/gelu.h"

#include "cuda/map.h"

namespace braid {
namespace gelu_cuda {

/// The standard normal law's probability of a value below x.
__device__ float below(float x) { return 0.5f * erfcf(x * -0.707106781f); }

struct Gelu {
  __device__ float operator()(float x) const { return x * below(x); }
};
struct GeluGrad {
  __device__ float operator()(float g, float x) const {
    return g * (below(x) + x * (0.398942280f * expf(-0.5f * x * x)));
  }
};

__device__ float bent(float x) { return 0.797884561f * (x + 0.044715f * x * x * x); }

struct GeluTanh {
  __device__ float operator()(float x) const { return 0.5f * x * (1.0f + tanhf(bent(x))); }
};
struct GeluTanhGrad {
  __device__ float operator()(float g, float x) const {
    const float t = tanhf(bent(x)), inner = 0.797884561f * (1.0f + 3 * 0.044715f * x * x);
    return g * (0.5f * (1.0f + t) + 0.5f * x * inner * (1.0f - t * t));
  }
};

Launch forward(std::span<const Signature> s) {
  return by_tanh(s[0].attrs) ? cuda::map_launch<float, float>(s, GeluTanh{})
                             : cuda::map_launch<float, float>(s, Gelu{});
}
Launch gradient(std::span<const Signature> s) {
  return by_tanh(s[0].attrs) ? cuda::map_launch<float, float, float>(s, GeluTanhGrad{})
                             : cuda::map_launch<float, float, float>(s, GeluGrad{});
}

}  // namespace gelu_cuda

void register_gelu_cuda(Registry& registry) {
  using namespace gelu_cuda;
  registry.add(cuda::kernel("gelu", forward, {.alias = 0}));
  registry.add(cuda::kernel("gelu_grad", gradient, {.alias = 0}));
}

}  // namespace braid
