// Means over any dimensions. Where those that go are the innermost, rows of neighbours are summed;
// else a thread sums what goes into one result, and threads side by side mostly read neighbours.
#include "mean/mean.h"

#include <algorithm>

#include "cuda/axes.h"
#include "cuda/kernel.h"
#include "cuda/means.h"

namespace braid {
namespace mean_cuda {

using namespace cuda;

/// The whole tensor, as what stays and what goes.
struct Split {
  Axes kept, reduced;
  Axes result;  ///< the whole again, with strides of the result: 0 where it is reduced

  Split(const std::vector<int64_t>& dims, const Dict& attrs) {
    const auto gone = get_ints(attrs, "dims");
    auto goes = [&](size_t d) { return std::ranges::count(gone, int64_t(d)) > 0; };
    int64_t stride = 1, inner = 1;
    for (int64_t n : dims) stride *= n;
    for (size_t d = 0; d < dims.size(); ++d)
      if (!goes(d)) inner *= dims[d];
    for (size_t d = 0; d < dims.size(); ++d) {
      stride /= dims[d];
      (goes(d) ? reduced : kept).push(dims[d], stride);
      if (!goes(d)) inner /= dims[d];
      result.push(dims[d], goes(d) ? 0 : inner);
    }
  }
  /// Everything is rows of neighbours, each of which is one result.
  bool rows() const {
    return reduced.count == 1 && reduced.stride[0] == 1 &&
           (kept.count == 0 || (kept.count == 1 && kept.stride[0] == reduced.size[0]));
  }
};

struct Part {
  const float* x;
  float* y;
  int64_t n;  ///< of y
};

__global__ void means(const __grid_constant__ Parts<Part> parts, const __grid_constant__ Axes kept,
                      const __grid_constant__ Axes reduced, const int64_t count) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step) {
    const float* x = p.x + kept.at(i);
    double sum = 0;
    for (int64_t r = 0; r < count; ++r) sum += double(x[reduced.at(r)]);
    p.y[i] = float(sum / double(count));
  }
}

__global__ void shares(const __grid_constant__ Parts<Part> parts,
                       const __grid_constant__ Axes result, const float count) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t packs = p.n / 4, step = int64_t(gridDim.x) * blockDim.x;
  const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += step) {
    Pack<float, 4> pack;
    for (int k = 0; k < 4; ++k) pack.at[k] = p.x[result.at(i * 4 + k)] / count;
    store(p.y + i * 4, pack);
  }
  for (int64_t i = packs * 4 + first; i < p.n; i += step) p.y[i] = p.x[result.at(i)] / count;
}

std::vector<int64_t> results(std::span<const Signature> signatures) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  return sizes;
}

template <class Run>
void for_all(const LaunchArgs& args, const std::vector<int64_t>& sizes, Run run) {
  auto part = [&](const KernelArgs& a, size_t i) {
    return Part{a.in<float>(0), a.out<float>(0), sizes[i]};
  };
  for_parts(args.parts, part, [&](const Parts<Part>& parts) {
    int64_t most = 0;
    for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
    run(parts, most);
  });
}

/// Of the largest part, so that no axis of a batch of one is taken for nothing. Only the size of
/// the outermost axis differs between parts, and `at` does not look at that.
Split split_of(std::span<const Signature> signatures, bool gradient) {
  const std::vector<int64_t>* dims = nullptr;
  for (auto& s : signatures) {
    auto& own = gradient ? s.out[0].dims : s.in[0].dims;
    if (!dims || own[0] > (*dims)[0]) dims = &own;
  }
  return Split(*dims, signatures[0].attrs);
}

Launch make_mean(std::span<const Signature> signatures) {
  const Split split = split_of(signatures, false);
  const int64_t count = split.reduced.cells();
  return {[=, sizes = results(signatures)](const LaunchArgs& args) {
    if (split.rows()) {
      enqueue_means(args, sizes, count);
      return;
    }
    for_all(args, sizes, [&](const Parts<Part>& parts, int64_t most) {
      launch(args.queue, means, {blocks_for(most, 128), 1, parts.size()}, 128, parts, split.kept,
             split.reduced, count);
    });
  }};
}

Launch make_gradient(std::span<const Signature> signatures) {
  const Split split = split_of(signatures, true);
  const auto count = float(split.reduced.cells());
  return {[=, sizes = results(signatures)](const LaunchArgs& args) {
    for_all(args, sizes, [&](const Parts<Part>& parts, int64_t most) {
      launch(args.queue, shares, {blocks_for(most, 1024), 1, parts.size()}, 256, parts,
             split.result, count);
    });
  }};
}

}  // namespace mean_cuda

void register_mean_cuda(Registry& registry) {
  using namespace mean_cuda;
  registry.add(cuda::kernel("mean", make_mean));
  registry.add(cuda::kernel("mean_grad", make_gradient));
}

}  // namespace braid
