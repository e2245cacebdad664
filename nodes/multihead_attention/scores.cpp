#include "multihead_attention/ops.h"

namespace braid {

ScoreSize score_size(const Operand& x) {
  ScoreSize s{x.dim(0), 1, x.dims.back()};
  for (size_t d = 1; d + 1 < x.dims.size(); ++d) s.rows *= x.dim(d);
  return s;
}

static KernelBody make(const Signature& sig) {
  return [s = score_size(sig.in[0]), scale = float(get_double(sig.attrs, "scale")),
          masked = float(get_double(sig.attrs, "masked")),
          with_mask = sig.in.size() > 1](const KernelArgs& a) {
    const float* x = a.in<float>(0);
    float* y = a.out<float>(0);
    for (int64_t n = 0; n < s.samples; ++n) {
      const uint8_t* mask = with_mask ? a.in<uint8_t>(1) + n * s.keys : nullptr;
      for (int64_t row = 0; row < s.rows; ++row, x += s.keys, y += s.keys)
        for (int64_t k = 0; k < s.keys; ++k) y[k] = mask && mask[k] ? masked : x[k] * scale;
    }
  };
}

void register_scaled_scores(Registry& registry) {
  registry.add(OpDef{.name = "scaled_scores", .infer = same_type});
  registry.add(plain_kernel("scaled_scores", "cpu", make));
  register_scaled_scores_reference(registry);
}

}  // namespace braid
