#include "cuda/pointwise_loss.h"

namespace braid {
namespace contrastive_cuda {

struct Contrastive {
  float shape;
  __device__ float near(float x) const { return fmaxf(shape - x, 0.0f); }
  __device__ float loss(float x, float t) const { return t * x * x + (1 - t) * near(x) * near(x); }
  __device__ float slope(float x, float t) const { return 2 * (t * x - (1 - t) * near(x)); }
  __device__ float target_slope(float x, float) const { return x * x - near(x) * near(x); }
};

}  // namespace contrastive_cuda

void register_contrastive_cuda(Registry& registry) {
  using namespace contrastive_cuda;
  cuda::add_pointwise_loss<Contrastive>(registry, "contrastive", "margin");
}

}  // namespace braid
