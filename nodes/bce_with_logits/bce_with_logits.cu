#include "cuda/functions.h"
#include "cuda/pointwise_loss.h"

namespace braid {
namespace bce_with_logits_cuda {

struct BceWithLogits {
  float shape;
  __device__ float loss(float x, float t) const {
    return (1 - t) * cuda::softplus(x) + shape * t * cuda::softplus(-x);
  }
  __device__ float slope(float x, float t) const {
    return (1 - t) * cuda::logistic(x) - shape * t * cuda::logistic(-x);
  }
  __device__ float target_slope(float x, float) const {
    return shape * cuda::softplus(-x) - cuda::softplus(x);
  }
};

}  // namespace bce_with_logits_cuda

void register_bce_with_logits_cuda(Registry& registry) {
  using namespace bce_with_logits_cuda;
  cuda::add_pointwise_loss<BceWithLogits>(registry, "bce_with_logits", "pos_weight");
}

}  // namespace braid
