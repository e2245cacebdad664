#include "cuda/update.h"
#include "sgd/sgd.h"

namespace braid {
namespace sgd_cuda {

struct Sgd {
  using Rule = SgdRule;
  using Step = SgdStep<float>;
  static constexpr int arrays = 2, written = 1;

  static __device__ void at(const Step& s, float (&v)[arrays]) {
    auto& [w, g] = v;
    w -= s.lr * (g + s.decay * w);
  }
};

struct SgdMomentum {
  using Rule = SgdRule;
  using Step = SgdStep<float>;
  static constexpr int arrays = 3, written = 2;

  static __device__ void at(const Step& s, float (&v)[arrays]) {
    auto& [w, buffer, g] = v;
    const float d = g + s.decay * w;
    buffer = s.first ? d : s.momentum * buffer + s.keep * d;
    w -= s.lr * (s.nesterov ? d + s.momentum * buffer : buffer);
  }
};

}  // namespace sgd_cuda

void register_sgd_cuda(Registry& registry) {
  using namespace sgd_cuda;
  registry.add(cuda::update_kernel<Sgd>("sgd"));
  registry.add(cuda::update_kernel<SgdMomentum>("sgd_momentum"));
}

}  // namespace braid
