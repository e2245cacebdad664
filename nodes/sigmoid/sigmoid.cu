#include "cuda/functions.h"
#include "cuda/map.h"

namespace braid {
namespace sigmoid_cuda {

struct Sigmoid {
  __device__ float operator()(float x) const { return cuda::logistic(x); }
};
struct SigmoidGrad {
  __device__ float operator()(float g, float y) const { return g * (y * (1.0f - y)); }
};

}  // namespace sigmoid_cuda

void register_sigmoid_cuda(Registry& registry) {
  using namespace sigmoid_cuda;
  registry.add(cuda::map_kernel<float, float>("sigmoid", Sigmoid{}));
  registry.add(cuda::map_kernel<float, float, float>("sigmoid_grad", SigmoidGrad{}));
}

}  // namespace braid
