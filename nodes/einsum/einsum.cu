// A thread sums up one cell of the result, in f64.
#include "cuda/each.h"
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "einsum/ops.h"

namespace braid {
namespace einsum_cuda {

using namespace cuda;

struct Part {
  const float *a, *b;  ///< b null: one operand
  float* y;
  int64_t n, terms;
};

/// The axes of a Contraction; the size of the outermost does not count.
struct Box {
  int count = 0;
  int64_t size[Contraction::most] = {}, a[Contraction::most] = {}, b[Contraction::most] = {};

  explicit Box(const std::vector<Contraction::Axis>& axes) {
    for (auto& axis : axes) {
      size[count] = axis.size;
      a[count] = axis.stride[0];
      b[count++] = axis.stride[1];
    }
  }
  /// Moves both offsets to cell `index`.
  __device__ void move(int64_t index, int64_t& at_a, int64_t& at_b) const {
    for (int k = count - 1; k >= 0; --k) {
      const int64_t next = k > 0 ? quotient(index, size[k]) : 0;
      const int64_t at = index - next * size[k];
      at_a += at * a[k];
      at_b += at * b[k];
      index = next;
    }
  }
};

struct Sum {
  Box kept, summed;

  __device__ void operator()(const Part& p, int64_t i) const {
    int64_t first_a = 0, first_b = 0;
    kept.move(i, first_a, first_b);
    double sum = 0;
    for (int64_t term = 0; term < p.terms; ++term) {
      int64_t a = first_a, b = first_b;
      summed.move(term, a, b);
      const double x = double(p.a[a]);
      sum += p.b != nullptr ? x * double(p.b[b]) : x;
    }
    p.y[i] = float(sum);
  }
};

int64_t terms_of(const Signature& s) {
  int64_t terms = 1;
  for (auto& axis : contraction_of(s).summed) terms *= axis.size;
  return terms;
}

Launch make(std::span<const Signature> signatures) {
  const Contraction loops = contraction_of(largest(signatures));
  const bool two = signatures[0].in.size() > 1;
  return {[=, sum = Sum{Box(loops.kept), Box(loops.summed)}, n = of_parts(signatures, results_of),
           terms = of_parts(signatures, terms_of)](const LaunchArgs& args) {
    enqueue_each(args, sum, [&](const KernelArgs& a, size_t i) {
      return Part{a.in<float>(0), two ? a.in<float>(1) : nullptr, a.out<float>(0), n[i], terms[i]};
    });
  }};
}

}  // namespace einsum_cuda

void register_einsum_cuda(Registry& registry) {
  using namespace einsum_cuda;
  for (const char* op : {"einsum", "sum"}) registry.add(cuda::kernel(op, make));
}

}  // namespace braid
