// Count, mean and M2 per channel in one sweep. A thread sums in f64 around the first value that it
// sees, so that neither a mean far from zero nor values of 1e30 cost digits; threads and tiles are
// merged by Chan's formula in a fixed order. A channel of equal values has M2 = 0 exactly.
#include "batch_norm/channel_sums.h"

namespace braid::batch_norm {
namespace {

template <class T, bool kWeighted>
struct Moments {
  struct Part {
    const T* x;
    const float* w;
    double* out;
  };
  struct Channel {};
  struct Own {
    std::conditional_t<kWeighted, double, unsigned> count;
    double shift, sum, square;
    __device__ void add(double x, float weight) {
      if (count == 0) shift = x;
      const double d = x - shift, weighted = kWeighted ? weight * d : d;
      count += decltype(count)(weight);
      sum += weighted, square = fma(weighted, d, square);
    }
  };
  struct Sum {
    double count, mean, m2;
  };

  static __device__ Own start() { return {0, 0, 0, 0}; }
  static __device__ Channel channel(const Part&, const Lay&, int64_t) { return {}; }

  template <int kWidth>
  struct Values {
    cuda::Pack<T, kWidth> x;
    cuda::Pack<float, kWidth> w;
  };
  template <int kWidth>
  static __device__ Values<kWidth> load(const Part& p, int64_t at, int64_t position) {
    Values<kWidth> v{cuda::load<kWidth>(p.x + at), {}};
    if constexpr (kWeighted) v.w = cuda::load<kWidth>(p.w + position);
    return v;
  }
  template <int kWidth>
  static __device__ Values<kWidth> load_row(const Part& p, int64_t at, int64_t row) {
    Values<kWidth> v{cuda::load<kWidth>(p.x + at), {}};
    if constexpr (kWeighted)
      for (int k = 0; k < kWidth; ++k) v.w.at[k] = p.w[row];
    return v;
  }
  template <int kWidth>
  static __device__ void add(const Values<kWidth>& v, int k, const Channel&, Own& own) {
    const float weight = kWeighted ? v.w.at[k] : 1;
    // Selected, never multiplied: what has weight 0 may be NaN.
    if (weight > 0) own.add(cuda::to_float(v.x.at[k]), weight);
  }

  static __device__ Sum sum(const Own& own) {
    if (own.count == 0) return {0, 0, 0};
    const double count = own.count, mean = own.sum / count, m2 = own.square - own.sum * mean;
    return {count, own.shift + mean, m2 < 0 ? 0 : m2};
  }
  static __device__ Sum merge(const Sum& a, const Sum& b) {
    if (b.count == 0) return a;
    if (a.count == 0) return b;
    const double n = a.count + b.count, delta = b.mean - a.mean, share = b.count / n;
    return {n, a.mean + delta * share, a.m2 + b.m2 + delta * delta * (a.count * share)};
  }
  static __device__ void finish(const Part& p, const Lay& lay, int64_t c, const Sum& sum) {
    p.out[c] = sum.count;
    p.out[lay.channels + c] = sum.mean;
    p.out[2 * lay.channels + c] = sum.m2;
  }
};

template <class T, bool kWeighted>
Launch launch_of(std::span<const Signature> signatures) {
  using Op = Moments<T, kWeighted>;
  ChannelSums<Op, T> sums(signatures, 0);
  auto enqueue = [sums](const LaunchArgs& args) {
    sums.enqueue(args, args.workspace, [](const KernelArgs& a, size_t) {
      return typename Op::Part{a.in<T>(0), kWeighted ? a.in<float>(1) : nullptr, a.out<double>(0)};
    });
  };
  return {enqueue, sums.workspace()};
}

Launch moments(std::span<const Signature> s) {
  return with_activation(s[0].in[0].dtype, [&](auto value) {
    using T = decltype(value);
    return s[0].in.size() > 1 ? launch_of<T, true>(s) : launch_of<T, false>(s);
  });
}

}  // namespace

void register_moments_cuda(Registry& r) { r.add(activation_kernel("moments", 0, moments, -1)); }

}  // namespace braid::batch_norm
