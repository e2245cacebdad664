#include "cuda/map.h"

namespace braid {
namespace elu_cuda {

struct Elu {
  float alpha;
  __device__ float operator()(float x) const { return x <= 0 ? alpha * expm1f(x) : x; }
};
struct EluGrad {
  float alpha;
  __device__ float operator()(float g, float x) const { return x > 0 ? g : g * (alpha * expf(x)); }
};

float alpha_of(const Signature& s) { return float(get_double(s.attrs, "alpha")); }

}  // namespace elu_cuda

void register_elu_cuda(Registry& registry) {
  using namespace elu_cuda;
  registry.add(cuda::map_kernel_of<float, float>(
      "elu", [](const Signature& s) { return Elu{alpha_of(s)}; }));
  registry.add(cuda::map_kernel_of<float, float, float>(
      "elu_grad", [](const Signature& s) { return EluGrad{alpha_of(s)}; }));
}

}  // namespace braid
