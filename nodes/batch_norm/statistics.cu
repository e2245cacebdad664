// Arithmetic on a few numbers per channel: the same functions as on the CPU.
#include "batch_norm/device.h"
#include "batch_norm/merge.h"
#include "batch_norm/parts.h"
#include "batch_norm/running.h"
#include "cuda/kernel.h"

namespace braid::batch_norm {
namespace batch_norm_statistics_cuda {

using cuda::Parts;

struct ChanPart {
  const double *left, *right;
  double* out;
};

// A merge may read what an earlier part of this launch wrote: a thread takes its channel through
// all parts in their order.
__global__ void merge_channels(const __grid_constant__ Parts<ChanPart> parts, int64_t channels) {
  const int64_t c = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  for (int i = 0; i < parts.count; ++i)
    merge_channel(parts.at[i].left, parts.at[i].right, channels, c, parts.at[i].out);
}

Launch merge_chan(std::span<const Signature> s) {
  return {[channels = s[0].in[0].dim(1)](const LaunchArgs& args) {
    cuda::for_parts(
        args.parts,
        [](const KernelArgs& a, size_t) {
          return ChanPart{a.in<double>(0), a.in<double>(1), a.out<double>(0)};
        },
        [&](const Parts<ChanPart>& parts) {
          cuda::launch(args.queue, merge_channels, {cuda::blocks_for(channels, 128, 1 << 20), 1, 1},
                       128, parts, channels);
        });
  }};
}

struct RowPart {
  const double* from;
  float* to;
};

__global__ void take_row(const __grid_constant__ Parts<RowPart> parts, int64_t channels) {
  const int64_t c = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c < channels) parts.at[blockIdx.z].to[c] = float(parts.at[blockIdx.z].from[c]);
}

Launch row(std::span<const Signature> s) {
  return {[channels = s[0].in[0].dim(1), row = get_int(s[0].attrs, "row")](const LaunchArgs& args) {
    cuda::for_parts(
        args.parts,
        [&](const KernelArgs& a, size_t) {
          return RowPart{a.in<double>(0) + row * channels, a.out<float>(0)};
        },
        [&](const Parts<RowPart>& parts) {
          cuda::launch(args.queue, take_row,
                       {cuda::blocks_for(channels, 128, 1 << 20), 1, parts.size()}, 128, parts,
                       channels);
        });
  }};
}

// One block: the counter moves once, before any channel uses it.
__global__ void update(const RunningRule rule, const double* moments, int64_t channels, float* mean,
                       float* variance, int64_t* batches, const int* stop) {
  if (stop && *stop) return;
  if (!(moments[0] > 1)) return;
  const int64_t counted = *batches + 1;
  __syncthreads();
  for (int64_t c = threadIdx.x; c < channels; c += blockDim.x)
    update_channel(rule, moments, channels, c, counted, mean, variance);
  if (threadIdx.x == 0) *batches = counted;
}

Launch running(std::span<const Signature> s) {
  return {[channels = s[0].in[1].dim(0), rule = running_rule(s[0].attrs)](const LaunchArgs& args) {
    if (channels == 0) return;
    auto& a = args.parts[0];
    cuda::launch(args.queue, update, {1, 1, 1}, kThreads, rule, a.in<double>(0), channels,
                 a.in<float>(1), a.in<float>(2), a.in<int64_t>(3), args.stop);
  }};
}

struct WeightPart {
  const void* mask;
  float* w;
  int64_t count;
  int64_t* status;
};

template <class T>
__global__ void weigh(const __grid_constant__ Parts<WeightPart> parts, bool truths) {
  const WeightPart& p = parts.at[blockIdx.z];
  const T* mask = static_cast<const T*>(p.mask);
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.count;
       i += int64_t(gridDim.x) * blockDim.x) {
    const float weight = float(mask[i]);
    // Negative, NaN or infinite: no weight.
    if (!truths && p.status && !(weight >= 0 && weight <= 3.402823466e38f)) *p.status = 1;
    p.w[i] = truths ? float(mask[i] != T(0)) : weight;
  }
}

Launch weights(std::span<const Signature> s) {
  std::vector<int64_t> counts;
  for (auto& part : s) counts.push_back(part.out[0].elements());
  const DType dtype = s[0].in[0].dtype;
  return {[=](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return WeightPart{a.inputs[0], a.out<float>(0), counts[i],
                        args.status ? args.status + i : nullptr};
    };
    const int64_t most = *std::ranges::max_element(counts);
    cuda::for_parts(args.parts, part, [&](const Parts<WeightPart>& parts) {
      cuda::launch(args.queue, dtype == DType::f32 ? weigh<float> : weigh<uint8_t>,
                   {cuda::blocks_for(most, 1024), 1, parts.size()}, kThreads, parts,
                   dtype == DType::boolean);
    });
  }};
}

}  // namespace batch_norm_statistics_cuda

void register_statistics_cuda(Registry& r) {
  using namespace batch_norm_statistics_cuda;
  r.add(cuda::kernel("merge_chan", merge_chan));
  r.add(cuda::kernel("bn_row", row));
  r.add(cuda::kernel("bn_running", running, {.gang = false}));
  r.add(cuda::kernel("bn_weights", weights));
}

}  // namespace braid::batch_norm
