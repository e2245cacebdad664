#include "cuda/map.h"

namespace braid {
namespace relu_cuda {

struct Relu {
  __device__ float operator()(float x) const { return x < 0 ? 0 : x; }  // a NaN stays one
};
struct ReluGrad {
  __device__ float operator()(float g, float y) const { return y > 0 ? g : 0; }
};

}  // namespace relu_cuda

void register_relu_cuda(Registry& registry) {
  using namespace relu_cuda;
  registry.add(cuda::map_kernel<float, float>("relu", Relu{}));
  registry.add(cuda::map_kernel<float, float, float>("relu_grad", ReluGrad{}));
}

}  // namespace braid
