#include "rmsprop/rmsprop.h"

#include "cuda/update.h"

namespace braid {
namespace rmsprop_cuda {

/// The arrays are w, v, the mean, the buffer and g, without those that are not kept.
template <bool kCentered, bool kMomentum>
struct Rmsprop {
  using Rule = RmspropRule;
  using Step = RmspropStep<float>;
  static constexpr int written = 2 + kCentered + kMomentum, arrays = written + 1;

  static __device__ void at(const Step& s, float (&of)[arrays]) {
    const float d = of[written] + s.decay * of[0];
    float v = of[1] = s.alpha * of[1] + s.keep * d * d;
    if constexpr (kCentered) {
      const float mean = of[2] = s.alpha * of[2] + s.keep * d;
      v -= mean * mean;
      v = v < 0 ? 0 : v;  // a NaN stays
    }
    float by = d / (sqrtf(v) + s.eps);
    if constexpr (kMomentum) by = of[2 + kCentered] = s.momentum * of[2 + kCentered] + by;
    of[0] -= s.lr * by;
  }
};

}  // namespace rmsprop_cuda

void register_rmsprop_cuda(Registry& registry) {
  using namespace rmsprop_cuda;
  registry.add(cuda::update_kernel<Rmsprop<false, false>>("rmsprop"));
  registry.add(cuda::update_kernel<Rmsprop<true, false>>("rmsprop_centered"));
  registry.add(cuda::update_kernel<Rmsprop<false, true>>("rmsprop_momentum"));
  registry.add(cuda::update_kernel<Rmsprop<true, true>>("rmsprop_centered_momentum"));
}

}  // namespace braid
