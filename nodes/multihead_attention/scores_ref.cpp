#include "multihead_attention/ops.h"

namespace braid {

void register_scaled_scores_reference(Registry& registry) {
  registry.add(plain_kernel("scaled_scores", "reference", [](const Signature& s) -> KernelBody {
    return [s](const KernelArgs& a) {
      const int64_t keys = s.in[0].dims.back(), sample = s.in[0].elements() / s.in[0].dim(0);
      for (int64_t i = 0; i < s.in[0].elements(); ++i) {
        const bool out = s.in.size() > 1 && a.in<uint8_t>(1)[i / sample * keys + i % keys] != 0;
        a.out<double>(0)[i] =
            out ? get_double(s.attrs, "masked") : a.in<double>(0)[i] * get_double(s.attrs, "scale");
      }
    };
  }));
}

}  // namespace braid
