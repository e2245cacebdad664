// A block for each group of each sample: its elements are neighbours. Moments take two passes, the
// sum and then the squares around the mean, both in f64: no mean, however large, cancels digits.
#include <cmath>

#include "cuda/block.h"
#include "cuda/columns.h"
#include "cuda/index.h"
#include "cuda/kernel.h"
#include "cuda/vector.h"
#include "group_norm/parts.h"
#include "ops/view.h"

namespace braid {
namespace group_norm {
namespace group_norm_cuda {

using namespace cuda;

/// Threads of a block: few for small groups, of which there are many; large groups may be so few
/// that each has to keep a multiprocessor busy.
constexpr int kFew = 128, kMany = 512;
constexpr int64_t kLargeGroup = 4096;

struct Shape {
  int64_t channels, points, groups, members;
  double eps;

  Shape(const View& v, const Groups& g)
      : channels(v.channels), points(v.points), groups(g.groups), members(g.members), eps(g.eps) {}
  __host__ __device__ int64_t count() const { return members * points; }
};

/// What the elements of a channel are multiplied by, and what is added then.
struct Line {
  float scale, offset;
};

/// Calls f(index, pack) for all of a group: packs of 4 where `of` elements are whole packs, those
/// of a group or, where all of a pack have to be of one channel, those of a plane.
template <class F>
__device__ void for_packs(const Shape& s, int64_t of, F f) {
  const int64_t count = s.count();
  if (of % 4 == 0)
    for (int64_t i = threadIdx.x; i < count / 4; i += blockDim.x)
      f(i * 4, std::integral_constant<int, 4>());
  else
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x)
      f(i, std::integral_constant<int, 1>());
}

struct ForwardPart {
  const float *x, *weight, *bias;  ///< weight and bias may be null
  float* y;
  double* statistics;  ///< [samples, 2, groups]
  int64_t units;       ///< groups of all samples
};

__device__ double sum_of(const Shape& s, const float* x) {
  double sum = 0;
  for_packs(s, s.count(), [&](int64_t i, auto width) {
    const auto pack = load<width>(x + i);
    for (float v : pack.at) sum += double(v);
  });
  return sum;
}
__device__ double squares_of(const Shape& s, const float* x, double mean) {
  double sum = 0;
  for_packs(s, s.count(), [&](int64_t i, auto width) {
    const auto pack = load<width>(x + i);
    for (float v : pack.at) sum += (double(v) - mean) * (double(v) - mean);
  });
  return sum;
}

/// y = (x - shift)·scale + offset, shift being the mean rounded to f32: x - shift is exact near it.
template <int kThreads>
__global__ void forward(const __grid_constant__ Parts<ForwardPart> parts, const Shape s) {
  using AllSums = BlockAll<double, kThreads>;
  __shared__ typename AllSums::Storage storage;
  const ForwardPart& p = parts.at[blockIdx.z];
  const auto count = double(s.count());
  for (int64_t unit = blockIdx.x; unit < p.units; unit += gridDim.x) {
    const int64_t sample = quotient(unit, s.groups), group = unit - sample * s.groups;
    const float* x = p.x + unit * s.count();
    float* y = p.y + unit * s.count();
    const double mean = AllSums::reduce(storage, sum_of(s, x), Plus{}) / count;
    const double variance = AllSums::reduce(storage, squares_of(s, x, mean), Plus{}) / count;
    const double inverse = 1 / sqrt(variance + s.eps);
    if (threadIdx.x == 0) {
      p.statistics[2 * sample * s.groups + group] = mean;
      p.statistics[(2 * sample + 1) * s.groups + group] = inverse;
    }
    const auto shift = float(mean);
    const double rest = double(shift) - mean;
    auto line = [&](int64_t member) {
      const int64_t c = group * s.members + member;
      const double by = inverse * (p.weight ? double(p.weight[c]) : 1);
      return Line{float(by), float((p.bias ? double(p.bias[c]) : 0) + rest * by)};
    };
    for_packs(s, s.points, [&](int64_t i, auto width) {
      auto pack = load<width>(x + i);
      const Line l = line(quotient(i, s.points));
      for (int k = 0; k < width; ++k) pack.at[k] = (pack.at[k] - shift) * l.scale + l.offset;
      store(y + i, pack);
    });
  }
}

struct GradientPart {
  const float *g, *x, *weight;
  const double* statistics;
  float* dx;
  double* sums;  ///< [samples, 2, channels]
  int64_t units;

  __device__ double weight_of(int64_t c) const { return weight ? double(weight[c]) : 1; }
};

struct Two {
  double sum, product;
  friend __device__ Two operator+(Two a, Two b) { return {a.sum + b.sum, a.product + b.product}; }
};

/// Of g and g·(x - mean) over points first, first + step, ... of a channel.
__device__ Two products_of(const Shape& s, const float* g, const float* x, double mean,
                           int64_t first, int64_t step) {
  Two two{};
  for (int64_t i = first; i < s.points; i += step) {
    two.sum += double(g[i]);
    two.product += double(g[i]) * (double(x[i]) - mean);
  }
  return two;
}

/// The sums of each channel of a group, to `sums` and, `channels` behind, their products: by all
/// threads together, or one a channel where planes are small.
template <int kThreads, class Storage>
__device__ void channel_sums(const Shape& s, const float* g, const float* x, double mean,
                             double inverse, double* sums, Storage& storage) {
  auto keep = [&](int64_t member, Two two) {
    sums[member] = two.sum;
    sums[s.channels + member] = two.product * inverse;
  };
  if (s.points < 64) {
    for (int64_t m = threadIdx.x; m < s.members; m += kThreads)
      keep(m, products_of(s, g + m * s.points, x + m * s.points, mean, 0, 1));
  } else {
    for (int64_t m = 0; m < s.members; ++m) {
      const Two own =
          products_of(s, g + m * s.points, x + m * s.points, mean, threadIdx.x, kThreads);
      const Two all = cub::BlockReduce<Two, kThreads>(storage).Reduce(own, Plus{});
      if (threadIdx.x == 0) keep(m, all);
      __syncthreads();
    }
  }
  __syncthreads();
}

/// With m values in a group and sums over it: dx = inverse·(w·g - sum(w·g)/m - x̂·sum(w·g·x̂)/m),
/// as g·scale + (x - shift)·slope + bias.
template <int kThreads>
__global__ void gradient(const __grid_constant__ Parts<GradientPart> parts, const Shape s) {
  using AllSums = BlockAll<double, kThreads>;
  __shared__ typename cub::BlockReduce<Two, kThreads>::TempStorage two_storage;
  __shared__ typename AllSums::Storage storage;
  const GradientPart& p = parts.at[blockIdx.z];
  const auto count = double(s.count());
  for (int64_t unit = blockIdx.x; unit < p.units; unit += gridDim.x) {
    const int64_t sample = quotient(unit, s.groups), group = unit - sample * s.groups;
    const int64_t first = group * s.members;
    const float *g = p.g + unit * s.count(), *x = p.x + unit * s.count();
    const double mean = p.statistics[2 * sample * s.groups + group];
    const double inverse = p.statistics[(2 * sample + 1) * s.groups + group];
    double* sums = p.sums + 2 * sample * s.channels + first;
    channel_sums<kThreads>(s, g, x, mean, inverse, sums, two_storage);
    double own = 0, own_with_x = 0;
    for (int64_t m = threadIdx.x; m < s.members; m += kThreads) {
      own += p.weight_of(first + m) * sums[m];
      own_with_x += p.weight_of(first + m) * sums[s.channels + m];
    }
    const double all = AllSums::reduce(storage, own, Plus{});
    const double all_with_x = AllSums::reduce(storage, own_with_x, Plus{});
    const auto shift = float(mean);
    const double by_x = -inverse * inverse * all_with_x / count;
    const auto slope = float(by_x);
    const auto bias = float(-inverse * all / count + by_x * (double(shift) - mean));
    auto line = [&](int64_t m) { return Line{float(inverse * p.weight_of(first + m)), bias}; };
    for_packs(s, s.points, [&](int64_t i, auto width) {
      auto pack = load<width>(g + i);
      const auto at = load<width>(x + i);
      const Line l = line(quotient(i, s.points));
      for (int k = 0; k < width; ++k)
        pack.at[k] = pack.at[k] * l.scale + (at.at[k] - shift) * slope + l.offset;
      store(p.dx + unit * s.count() + i, pack);
    });
  }
}

/// Groups of all samples, of each part.
std::vector<int64_t> units_of(std::span<const Signature> signatures, int64_t groups, size_t of) {
  std::vector<int64_t> units;
  for (auto& s : signatures) units.push_back(s.in[of].dim(0) * groups);
  return units;
}

template <class Part>
using GroupKernel = void (*)(Parts<Part>, Shape);

template <class Part, class Make>
void enqueue(const LaunchArgs& args, GroupKernel<Part> few, GroupKernel<Part> many,
             const Shape& shape, Make make) {
  const bool large = shape.count() >= kLargeGroup;
  for_parts(args.parts, make, [&](const Parts<Part>& parts) {
    int64_t most = 0;
    for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].units);
    launch(args.queue, large ? many : few, {blocks_for(most, 1, 1 << 20), 1, parts.size()},
           large ? kMany : kFew, parts, shape);
  });
}

Launch make_forward(std::span<const Signature> signatures) {
  const auto& first = signatures[0];
  const View v = view_of(first.in[0]);
  const Shape shape(v, Groups(first.attrs, v.channels));
  const bool affine = first.in.size() > 1, shifted = first.in.size() > 2;
  return {[=, units = units_of(signatures, shape.groups, 0)](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return ForwardPart{a.in<float>(0),
                         affine ? a.in<float>(1) : nullptr,
                         shifted ? a.in<float>(2) : nullptr,
                         a.out<float>(0),
                         a.out<double>(1),
                         units[i]};
    };
    enqueue<ForwardPart>(args, forward<kFew>, forward<kMany>, shape, part);
  }};
}

Launch make_gradient(std::span<const Signature> signatures) {
  const auto& first = signatures[0];
  const View v = view_of(first.in[1]);
  const Shape shape(v, Groups(first.attrs, v.channels));
  const bool affine = first.in.size() > 3;
  return {[=, units = units_of(signatures, shape.groups, 1)](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return GradientPart{a.in<float>(0),  a.in<float>(1),  affine ? a.in<float>(3) : nullptr,
                          a.in<double>(2), a.out<float>(0), a.out<double>(1),
                          units[i]};
    };
    enqueue<GradientPart>(args, gradient<kFew>, gradient<kMany>, shape, part);
  }};
}

/// [N, 2, C] summed over samples.
Launch make_sums(std::span<const Signature> signatures) {
  std::vector<int64_t> samples;
  for (auto& s : signatures) samples.push_back(s.in[0].dim(0));
  return column_sums<double, double>(samples, 2 * signatures[0].in[0].dim(2));
}

}  // namespace group_norm_cuda
}  // namespace group_norm

void register_group_norm_cuda(Registry& registry) {
  using namespace group_norm::group_norm_cuda;
  registry.add(cuda::kernel("group_norm", make_forward, {.alias = 0}));
  registry.add(cuda::kernel("group_norm_grad", make_gradient, {.alias = 0}));
  registry.add(cuda::kernel("group_norm_sums", make_sums));
  group_norm::register_instance_norm_cuda(registry);
}

}  // namespace braid
