// The judge of Expand: every cell's index is taken apart.
#include <cstring>

#include "expand/ops.h"

namespace braid {

void register_expand_reference(Registry& registry) {
  registry.add(plain_kernel("expand", "reference", [](const Signature& s) -> KernelBody {
    return [s](const KernelArgs& a) {
      const auto &x = s.in[0].dims, &y = s.out[0].dims;
      const size_t bytes = size_of(s.out[0].dtype);
      for (int64_t i = 0; i < s.out[0].elements(); ++i) {
        int64_t rest = i, from = 0, stride = 1;
        for (size_t d = y.size(); d-- > 0; rest /= y[d], stride *= x[d])
          from += x[d] == 1 ? 0 : rest % y[d] * stride;
        std::memcpy(a.out<char>(0) + size_t(i) * bytes, a.in<char>(0) + size_t(from) * bytes,
                    bytes);
      }
    };
  }));
}

}  // namespace braid
