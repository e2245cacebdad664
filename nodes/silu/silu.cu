#include "cuda/functions.h"
#include "cuda/map.h"

namespace braid {
namespace silu_cuda {

struct Silu {
  __device__ float operator()(float x) const { return x * cuda::logistic(x); }
};
struct SiluGrad {
  __device__ float operator()(float g, float x) const {
    const float s = cuda::logistic(x);
    return g * (s * (1.0f + x * (1.0f - s)));
  }
};

}  // namespace silu_cuda

void register_silu_cuda(Registry& registry) {
  using namespace silu_cuda;
  registry.add(cuda::map_kernel<float, float>("silu", Silu{}));
  registry.add(cuda::map_kernel<float, float, float>("silu_grad", SiluGrad{}));
}

}  // namespace braid
