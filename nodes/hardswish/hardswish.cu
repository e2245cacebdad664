#include "cuda/map.h"

namespace braid {
namespace hardswish_cuda {

struct Hardswish {
  __device__ float operator()(float x) const { return x * (fminf(fmaxf(x + 3, 0), 6) / 6); }
};
struct HardswishGrad {
  __device__ float operator()(float g, float x) const {
    return x <= -3 ? 0 : x >= 3 ? g : g * (x / 3 + 0.5f);
  }
};

}  // namespace hardswish_cuda

void register_hardswish_cuda(Registry& registry) {
  using namespace hardswish_cuda;
  registry.add(cuda::map_kernel<float, float>("hardswish", Hardswish{}));
  registry.add(cuda::map_kernel<float, float, float>("hardswish_grad", HardswishGrad{}));
}

}  // namespace braid
