// add, merge_sum, count_elements, pair, full, and copies between formats, all of which are plain
// here.
#include <braid/core/error.h>

#include "cuda/copy.h"
#include "cuda/merge.h"
#include "ops/count.h"

namespace braid {
namespace ops_cuda {

using namespace cuda;

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

bool is_f64(std::span<const Signature> signatures) {
  const DType dtype = signatures[0].in[0].dtype;
  ensure(dtype == DType::f32 || dtype == DType::f64, "sums are of f32 or f64");
  return dtype == DType::f64;
}

Launch add(std::span<const Signature> s) {
  return is_f64(s) ? map_launch<double, double, double>(s, Sum{})
                   : map_launch<float, float, float>(s, Sum{});
}

Launch merge_sum(std::span<const Signature> s) {
  return is_f64(s) ? merge_launch<double>(s, Sum{}) : merge_launch<float>(s, Sum{});
}

struct PairPart {
  const double* of[2];
  double* out;
};

__global__ void pair_up(const __grid_constant__ Parts<PairPart> parts) {
  const PairPart& p = parts.at[blockIdx.z];
  p.out[threadIdx.x] = p.of[threadIdx.x][0];
}

Launch pair(std::span<const Signature>) {
  return {[](const LaunchArgs& args) {
    auto part = [](const KernelArgs& a, size_t) {
      return PairPart{{a.in<double>(0), a.in<double>(1)}, a.out<double>(0)};
    };
    for_parts(args.parts, part, [&](const Parts<PairPart>& parts) {
      launch(args.queue, pair_up, {1, 1, parts.size()}, 2, parts);
    });
  }};
}

struct CountPart {
  double count, *out;
};

__global__ void set_counts(const __grid_constant__ Parts<CountPart> parts) {
  const CountPart& p = parts.at[blockIdx.z];
  *p.out = p.count;
}

Launch count(std::span<const Signature> signatures) {
  std::vector<double> counts;
  for (auto& s : signatures) counts.push_back(count_elements(s));
  return {[counts](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return CountPart{counts[i], a.out<double>(0)};
    };
    for_parts(args.parts, part, [&](const Parts<CountPart>& parts) {
      launch(args.queue, set_counts, {1, 1, parts.size()}, 1, parts);
    });
  }};
}

struct FullPart {
  float* out;
  int64_t n;
};

__global__ void fill_up(const __grid_constant__ Parts<FullPart> parts, const float value) {
  const FullPart& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step)
    p.out[i] = value;
}

Launch full(std::span<const Signature> signatures) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  const auto value = float(get_double(signatures[0].attrs, "value"));
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) { return FullPart{a.out<float>(0), sizes[i]}; };
    for_parts(args.parts, part, [&](const Parts<FullPart>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, fill_up, {blocks_for(most, 256), 1, parts.size()}, 256, parts, value);
    });
  }};
}

/// The format is the same on both sides: no kernel of this kind of device asks for another.
std::optional<Offer> reorder(const Signature& s, const DeviceTraits&) {
  if (!s.in[0].format.empty() || !s.out[0].format.empty()) return {};
  return Offer{.impl = "cuda:reorder",
               .in_formats = {{}},
               .out_formats = {{}},
               .launch = copy_launch,
               .gang = true};
}

}  // namespace ops_cuda

void register_ops_cuda(Registry& registry) {
  using namespace ops_cuda;
  registry.add(cuda::kernel("add", add, {.alias = 0}));
  registry.add(cuda::kernel("merge_sum", merge_sum, {.alias = 0}));
  registry.add(cuda::kernel("count_elements", count));
  registry.add(cuda::kernel("pair", pair));
  registry.add(cuda::kernel("full", full));
  registry.add(Kernel{"reorder", "cuda", reorder});
}

}  // namespace braid
