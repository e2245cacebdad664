#include <braid/core/error.h>

#include "cuda/each.h"
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "pad/ops.h"

namespace braid {
namespace pad_cuda {

using namespace cuda;

struct Part {
  const float* x;
  float* y;
  int64_t n, outer;  ///< outer: x's size along dimension 0
};

struct Around {
  static constexpr size_t most = 8;
  int rank = 0;
  int64_t x[most] = {}, y[most] = {}, before[most] = {};  ///< that of dimension 0 is the part's
  float value = 0;

  __device__ void operator()(const Part& p, int64_t i) const {
    int64_t rest = i, from = 0, stride = 1;
    bool inside = true;
    for (int d = rank - 1; d >= 0; --d) {
      const int64_t next = d > 0 ? quotient(rest, y[d]) : 0, cells = d > 0 ? x[d] : p.outer;
      const int64_t at = rest - next * y[d] - before[d];
      inside = inside && at >= 0 && at < cells;
      from += at * stride;
      stride *= cells;
      rest = next;
    }
    p.y[i] = inside ? p.x[from] : value;
  }
};

Launch make(std::span<const Signature> signatures) {
  const Signature& s = signatures[0];
  Around around;
  around.value = float(get_double(s.attrs, "value"));
  ensure(s.out[0].dims.size() <= Around::most, "pad: too many dimensions for this kernel");
  const auto before = get_ints(s.attrs, "before");
  for (size_t d = 0; d < before.size(); ++d) {
    around.x[d] = s.in[0].dim(d);
    around.y[d] = s.out[0].dim(d);
    around.before[d] = before[d];
    ++around.rank;
  }
  auto outer = [](const Signature& part) { return part.in[0].dim(0); };
  return {[=, n = of_parts(signatures, results_of),
           outer = of_parts(signatures, outer)](const LaunchArgs& args) {
    enqueue_each(args, around, [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0), a.out<float>(0), n[i], outer[i]};
    });
  }};
}

}  // namespace pad_cuda

void register_pad_cuda(Registry& registry) {
  using namespace pad_cuda;
  for (const char* op : {"pad", "pad_grad"}) registry.add(cuda::kernel(op, make));
}

}  // namespace braid
