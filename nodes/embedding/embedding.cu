// A thread copies one number; of the gradient it makes one number of the table, from all tokens in
// their order.
#include "cuda/each.h"
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "embedding/ops.h"

namespace braid {
namespace embedding_cuda {

using namespace cuda;

struct Part {
  const int64_t* tokens;
  const float* x;  ///< the table, or the gradient
  float* y;
  int64_t n, count;  ///< count: tokens
  int64_t* status;
};

struct LookUp {
  int64_t rows, columns;

  __device__ void operator()(const Part& p, int64_t i) const {
    const int64_t at = quotient(i, columns), token = p.tokens[at];
    if (token >= 0 && token < rows)
      p.y[i] = p.x[token * columns + i - at * columns];
    else
      *p.status = 1;
  }
};

struct Gather {
  int64_t columns;

  __device__ void operator()(const Part& p, int64_t i) const {
    const int64_t row = quotient(i, columns), column = i - row * columns;
    float sum = 0;
    for (int64_t at = 0; at < p.count; ++at)
      if (p.tokens[at] == row) sum += p.x[at * columns + column];
    p.y[i] = sum;
  }
};

template <class F>
Launch make(std::span<const Signature> signatures, const F& f) {
  auto tokens = [](const Signature& s) { return s.in[0].elements(); };
  return {[=, n = of_parts(signatures, results_of),
           count = of_parts(signatures, tokens)](const LaunchArgs& args) {
    enqueue_each(args, f, [&](const KernelArgs& a, size_t i) {
      return Part{a.in<int64_t>(0), a.in<float>(1), a.out<float>(0), n[i],
                  count[i],         args.status + i};
    });
  }};
}

}  // namespace embedding_cuda

void register_embedding_cuda(Registry& registry) {
  using namespace embedding_cuda;
  registry.add(cuda::kernel("embedding", [](std::span<const Signature> s) {
    return make(s, LookUp{s[0].in[1].dim(0), s[0].in[1].dim(1)});
  }));
  registry.add(cuda::kernel("embedding_grad", [](std::span<const Signature> s) {
    return make(s, Gather{s[0].out[0].dim(1)});
  }));
}

}  // namespace braid
