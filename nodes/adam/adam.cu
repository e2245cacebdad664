#include "adam/adam.h"

#include "cuda/update.h"

namespace braid {
namespace adam_cuda {

/// The new m and v, and the step of the weight with the v that it is divided by.
__device__ void averages(const AdamStep<float>& s, float w, float g, float& m, float& v) {
  const float d = g + s.decay * w;
  m = s.beta1 * m + s.keep1 * d;
  v = s.beta2 * v + s.keep2 * d * d;
}
__device__ float step_of(const AdamStep<float>& s, float m, float v) {
  return s.rate * m / (sqrtf(v) * s.root + s.eps);
}

struct Adam {
  using Rule = AdamRule;
  using Step = AdamStep<float>;
  static constexpr int arrays = 4, written = 3;

  static __device__ void at(const Step& s, float (&of)[arrays]) {
    auto& [w, m, v, g] = of;
    averages(s, w, g, m, v);
    w = s.keep * w - step_of(s, m, v);
  }
};

struct AdamAmsgrad {
  using Rule = AdamRule;
  using Step = AdamStep<float>;
  static constexpr int arrays = 5, written = 4;

  static __device__ void at(const Step& s, float (&of)[arrays]) {
    auto& [w, m, v, most, g] = of;
    averages(s, w, g, m, v);
    most = most > v ? most : v;  // a NaN in v goes on
    w = s.keep * w - step_of(s, m, most);
  }
};

}  // namespace adam_cuda

void register_adam_cuda(Registry& registry) {
  using namespace adam_cuda;
  registry.add(cuda::update_kernel<Adam>("adam"));
  registry.add(cuda::update_kernel<AdamAmsgrad>("adam_amsgrad"));
}

}  // namespace braid
