// Through x in the order of memory, each cell to the result that it goes into.
#include <algorithm>
#include <limits>

#include "amax/ops.h"
#include "math/spread.h"

namespace braid {
namespace {

template <bool kLeast>
KernelBody make(const Signature& s) {
  return [spread = math::Spread(s.out[0].dims, s.in[0].dims), n = s.in[0].elements(),
          size = s.out[0].elements()](const KernelArgs& a) {
    constexpr float inf = std::numeric_limits<float>::infinity();
    const float* x = a.in<float>(0);
    float* y = a.out<float>(0);
    std::fill_n(y, size, kLeast ? inf : -inf);
    spread.runs(0, n, [&](int64_t offset, int64_t stride, int64_t at, int64_t count) {
      for (int64_t k = 0; k < count; ++k) {
        float& best = y[offset + k * stride];
        const float own = x[at + k];
        if ((kLeast ? own < best : own > best) || own != own) best = own;
      }
    });
  };
}

}  // namespace

void register_amax_kernels(Registry& registry) {
  registry.add(plain_kernel("amax", "cpu", make<false>));
  registry.add(plain_kernel("amin", "cpu", make<true>));
}

}  // namespace braid
