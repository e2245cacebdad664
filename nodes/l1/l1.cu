#include "cuda/pointwise_loss.h"

namespace braid {
namespace {

struct L1 {
  float shape;
  __device__ float loss(float x, float t) const { return fabsf(x - t); }
  __device__ float slope(float x, float t) const { return float((x > t) - (x < t)); }
  __device__ float target_slope(float x, float t) const { return float((x < t) - (x > t)); }
};

}  // namespace

void register_l1_cuda(Registry& registry) { cuda::add_pointwise_loss<L1>(registry, "l1"); }

}  // namespace braid
