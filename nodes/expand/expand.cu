#include "cuda/axes.h"
#include "cuda/each.h"
#include "cuda/kernel.h"
#include "expand/ops.h"

namespace braid {
namespace expand_cuda {

using namespace cuda;

template <class T>
struct Part {
  const T* x;
  T* y;
  int64_t n;
};

struct Repeat {
  Axes axes;  ///< of y, with strides of x: 0 where a cell is repeated

  template <class T>
  __device__ void operator()(const Part<T>& p, int64_t i) const {
    p.y[i] = p.x[axes.at(i)];
  }
};

Axes axes_of(const Signature& s) {
  Axes axes;
  int64_t stride = s.in[0].elements();
  for (size_t d = 0; d < s.out[0].dims.size(); ++d) {
    stride /= s.in[0].dim(d);
    axes.push(s.out[0].dim(d), s.in[0].dim(d) == s.out[0].dim(d) ? stride : 0);
  }
  return axes;
}

template <class T>
Launch make_of(std::span<const Signature> signatures) {
  return {[repeat = Repeat{axes_of(largest(signatures))},
           n = of_parts(signatures, results_of)](const LaunchArgs& args) {
    enqueue_each(args, repeat, [&](const KernelArgs& a, size_t i) {
      return Part<T>{a.in<T>(0), a.out<T>(0), n[i]};
    });
  }};
}

Launch make(std::span<const Signature> signatures) {
  const size_t bytes = size_of(signatures[0].out[0].dtype);
  return bytes == 8   ? make_of<uint64_t>(signatures)
         : bytes == 4 ? make_of<uint32_t>(signatures)
         : bytes == 2 ? make_of<uint16_t>(signatures)
                      : make_of<uint8_t>(signatures);
}

}  // namespace expand_cuda

void register_expand_cuda(Registry& registry) {
  using namespace expand_cuda;
  registry.add(cuda::kernel("expand", make));
}

}  // namespace braid
