#include "coordinate_grid/ops.h"
#include "cuda/each.h"
#include "cuda/index.h"
#include "cuda/kernel.h"

namespace braid {
namespace coordinate_grid_cuda {

using namespace cuda;

struct Part {
  float* y;
  int64_t n;  ///< cells
};

struct Grid {
  int axes = 0;
  int64_t size[3] = {};  ///< innermost first

  __device__ void operator()(const Part& p, int64_t i) const {
    int64_t rest = i;
    for (int a = 0; a < axes; ++a) {
      const int64_t next = quotient(rest, size[a]);
      p.y[i * axes + a] = float(coordinate(rest - next * size[a], size[a]));
      rest = next;
    }
  }
};

Launch make(std::span<const Signature> signatures) {
  const auto size = get_ints(signatures[0].attrs, "size");
  Grid grid;
  for (size_t d = size.size(); d-- > 0;) grid.size[grid.axes++] = size[d];
  const int64_t cells = signatures[0].out[0].elements() / grid.axes;
  return {[=](const LaunchArgs& args) {
    enqueue_each(args, grid, [&](const KernelArgs& a, size_t) {
      return Part{a.out<float>(0), cells};
    });
  }};
}

}  // namespace coordinate_grid_cuda

void register_coordinate_grid_cuda(Registry& registry) {
  using namespace coordinate_grid_cuda;
  registry.add(cuda::kernel("coordinate_grid", make));
}

}  // namespace braid
