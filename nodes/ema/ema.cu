#include "ema/ema.h"

#include "cuda/update.h"

namespace braid {
namespace ema_cuda {

struct Ema {
  using Rule = EmaRule;
  using Step = EmaStep<float>;
  static constexpr int arrays = 2, written = 1;

  static __device__ void at(const Step& s, float (&v)[arrays]) {
    auto& [average, weight] = v;
    average = s.keep * average + s.take * weight;
  }
};

}  // namespace ema_cuda

void register_ema_cuda(Registry& registry) {
  using namespace ema_cuda;
  registry.add(cuda::update_kernel<Ema>("ema"));
}

}  // namespace braid
