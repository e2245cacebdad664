#include "cuda/map.h"

namespace braid {
namespace tanh_cuda {

struct Tanh {
  __device__ float operator()(float x) const { return tanhf(x); }
};
struct TanhGrad {
  __device__ float operator()(float g, float y) const { return g * (1.0f - y * y); }
};

}  // namespace tanh_cuda

void register_tanh_cuda(Registry& registry) {
  using namespace tanh_cuda;
  registry.add(cuda::map_kernel<float, float>("tanh", Tanh{}));
  registry.add(cuda::map_kernel<float, float, float>("tanh_grad", TanhGrad{}));
}

}  // namespace braid
