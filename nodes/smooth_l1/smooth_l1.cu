#include "cuda/pointwise_loss.h"

namespace braid {
namespace smooth_l1_cuda {

struct SmoothL1 {
  float shape;
  __device__ float bend(float off) const {
    return fabsf(off) < shape ? off / shape : float((off > 0) - (off < 0));
  }
  __device__ float loss(float x, float t) const {
    const float off = fabsf(x - t);
    return off < shape ? 0.5f * off * off / shape : off - 0.5f * shape;
  }
  __device__ float slope(float x, float t) const { return bend(x - t); }
  __device__ float target_slope(float x, float t) const { return bend(t - x); }
};

}  // namespace smooth_l1_cuda

void register_smooth_l1_cuda(Registry& registry) {
  using namespace smooth_l1_cuda;
  cuda::add_pointwise_loss<SmoothL1>(registry, "smooth_l1", "beta");
}

}  // namespace braid
