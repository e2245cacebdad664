// Running statistics of InstanceNorm2d: a thread for each channel.
#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "group_norm/parts.h"

namespace braid::group_norm {
namespace group_norm_instance_norm_cuda {

using namespace cuda;

struct Part {
  const double* in;
  double* out;
  int64_t samples;
};

__global__ void sum_instances(const __grid_constant__ Parts<Part> parts, const InstanceSums sums) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t c = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c < sums.channels) sums.channel(p.in, p.samples, c, p.out);
}

__global__ void mean_instances(const __grid_constant__ Parts<Part> parts, const int64_t channels) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t c = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c < channels) instance_moments(p.in, channels, c, p.out);
}

std::vector<int64_t> samples_of(std::span<const Signature> signatures) {
  std::vector<int64_t> samples;
  for (auto& s : signatures) samples.push_back(s.in[0].dim(0));
  return samples;
}

/// `kernel` for all channels of all parts, with `argument`.
template <class T>
Launch by_channel(std::span<const Signature> signatures, void (*kernel)(Parts<Part>, T),
                  int64_t channels, T argument) {
  return {[=, samples = samples_of(signatures)](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return Part{a.in<double>(0), a.out<double>(0), samples[i]};
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      launch(args.queue, kernel, {blocks_for(channels, 64), 1, parts.size()}, 64, parts, argument);
    });
  }};
}

Launch make_sums(std::span<const Signature> signatures) {
  const InstanceSums sums(signatures[0]);
  return by_channel<InstanceSums>(signatures, sum_instances, sums.channels, sums);
}

Launch make_moments(std::span<const Signature> signatures) {
  const int64_t channels = signatures[0].in[0].dim(1);
  return by_channel<int64_t>(signatures, mean_instances, channels, channels);
}

}  // namespace group_norm_instance_norm_cuda

void register_instance_norm_cuda(Registry& registry) {
  using namespace group_norm_instance_norm_cuda;
  registry.add(cuda::kernel("instance_sums", make_sums));
  registry.add(cuda::kernel("instance_moments", make_moments));
}

}  // namespace braid::group_norm
