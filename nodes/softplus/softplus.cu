#include "softplus/softplus.h"

#include "cuda/functions.h"
#include "cuda/map.h"

namespace braid {
namespace softplus_cuda {

struct Softplus {
  float beta, threshold;
  __device__ float operator()(float x) const {
    const float z = x * beta;
    return z > threshold ? x : cuda::softplus(z) / beta;
  }
};
struct SoftplusGrad {
  float beta, threshold;
  __device__ float operator()(float g, float x) const {
    const float z = x * beta;
    return z > threshold ? g : g * cuda::logistic(z);
  }
};

template <class F>
F functor(const Signature& s) {
  const SoftplusRule r(s.attrs);
  return {float(r.beta), float(r.threshold)};
}

}  // namespace softplus_cuda

void register_softplus_cuda(Registry& registry) {
  using namespace softplus_cuda;
  registry.add(cuda::map_kernel_of<float, float>("softplus", functor<Softplus>));
  registry.add(cuda::map_kernel_of<float, float, float>("softplus_grad", functor<SoftplusGrad>));
}

}  // namespace braid
