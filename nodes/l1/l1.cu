#include "cuda/pointwise_loss.h"

namespace braid {
namespace l1_cuda {

struct L1 {
  float shape;
  __device__ float loss(float x, float t) const { return fabsf(x - t); }
  __device__ float slope(float x, float t) const { return float((x > t) - (x < t)); }
  __device__ float target_slope(float x, float t) const { return float((x < t) - (x > t)); }
};

}  // namespace l1_cuda

void register_l1_cuda(Registry& registry) {
  using namespace l1_cuda;
  cuda::add_pointwise_loss<L1>(registry, "l1");
}

}  // namespace braid
