#include "ema/ema.h"

#include "cuda/update.h"

namespace braid {
namespace {

struct Ema {
  using Rule = EmaRule;
  using Step = EmaStep<float>;
  static constexpr int arrays = 2, written = 1;

  static __device__ void at(const Step& s, float (&v)[arrays]) {
    auto& [average, weight] = v;
    average = s.keep * average + s.take * weight;
  }
};

}  // namespace

void register_ema_cuda(Registry& registry) { registry.add(cuda::update_kernel<Ema>("ema")); }

}  // namespace braid
