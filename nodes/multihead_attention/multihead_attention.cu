#include "cuda/each.h"
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "multihead_attention/ops.h"

namespace braid {
namespace multihead_attention_cuda {

using namespace cuda;

struct Part {
  const float* x;
  const uint8_t* mask;  ///< null: none
  float* y;
  int64_t n;
};

struct Scale {
  int64_t rows, keys;
  float scale, masked;

  __device__ void operator()(const Part& p, int64_t i) const {
    const auto at = Place::of(i, rows, keys);
    const bool out = p.mask != nullptr && p.mask[at.outer * keys + at.in] != 0;
    p.y[i] = out ? masked : p.x[i] * scale;
  }
};

Launch make(std::span<const Signature> signatures) {
  const Signature& s = signatures[0];
  const ScoreSize size = score_size(s.in[0]);
  const Scale scale{size.rows, size.keys, float(get_double(s.attrs, "scale")),
                    float(get_double(s.attrs, "masked"))};
  return {[scale, mask = s.in.size() > 1,
           n = of_parts(signatures, results_of)](const LaunchArgs& args) {
    enqueue_each(args, scale, [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0), mask ? a.in<uint8_t>(1) : nullptr, a.out<float>(0), n[i]};
    });
  }};
}

}  // namespace multihead_attention_cuda

void register_multihead_attention_cuda(Registry& registry) {
  using namespace multihead_attention_cuda;
  registry.add(cuda::kernel("scaled_scores", make));
}

}  // namespace braid
