#include "cuda/map.h"

namespace braid {
namespace leaky_relu_cuda {

/// v where x > 0, slope·v elsewhere: forward with v = x, and the gradient with v = g.
struct Leaky {
  float slope;
  __device__ float operator()(float v, float x) const { return x > 0 ? v : v * slope; }
  __device__ float operator()(float x) const { return (*this)(x, x); }
};

Leaky leaky(const Signature& s) { return {float(get_double(s.attrs, "negative_slope"))}; }

}  // namespace leaky_relu_cuda

void register_leaky_relu_cuda(Registry& registry) {
  using namespace leaky_relu_cuda;
  registry.add(cuda::map_kernel_of<float, float>("leaky_relu", leaky));
  registry.add(cuda::map_kernel_of<float, float, float>("leaky_relu_grad", leaky));
}

}  // namespace braid
