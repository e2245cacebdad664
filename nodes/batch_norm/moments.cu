// Count, mean and M2 per channel in one sweep: the sums of the distances d from the channel's first
// value, and of their squares, in f64; of a few bf16 values at a time in f32. Neither a mean far
// from zero nor values of 1e30 cost digits: as the first value is one of them, M2 >= (first -
// mean)^2, so that of sum(d^2) = M2 + n (first - mean)^2 at most a factor of n + 1 is lost. A
// channel of equal values has M2 = 0 exactly.
#include "batch_norm/channel_sums.h"

namespace braid::batch_norm {
namespace batch_norm_moments_cuda {

struct Chan {
  double count, mean, m2;
};
__device__ inline Chan merge_chan_of(const Chan& a, const Chan& b) {
  if (b.count == 0) return a;
  if (a.count == 0) return b;
  const double n = a.count + b.count, delta = b.mean - a.mean, share = b.count / n;
  return {n, a.mean + delta * share, a.m2 + b.m2 + delta * delta * (a.count * share)};
}
/// Of the sums of distances from `shift` and of their squares.
__device__ inline Chan chan_of(double count, double shift, double sum, double square) {
  if (count == 0) return {0, 0, 0};
  const double mean = sum / count, m2 = square - sum * mean;
  return {count, shift + mean, m2 < 0 ? 0 : m2};
}

template <class T>
struct MomentsPart {
  const T* x;
  const float* w;
  double* out;
  __device__ void give(const Lay& lay, int64_t c, const Chan& chan) const {
    out[c] = chan.count;
    out[lay.channels + c] = chan.mean;
    out[2 * lay.channels + c] = chan.m2;
  }
};

template <class T>
struct Moments {
  using Part = MomentsPart<T>;
  static constexpr bool kWrites = false;
  static constexpr bool kShort = sizeof(T) < sizeof(float);
  struct Channel {
    float shift;
  };
  template <class R>
  struct Own {
    R sum, square;
    __device__ Own& operator+=(const Own<float>& o) {
      sum += o.sum, square += o.square;
      return *this;
    }
  };
  using Sum = Own<double>;

  template <class R>
  static __device__ Own<R> start() {
    return {0, 0};
  }
  static __device__ Channel channel(const Part& p, const Lay& lay, int64_t c) {
    return {lay.count() > 0 ? cuda::to_float(p.x[lay.rows ? c : c * lay.points]) : 0};
  }
  template <int kWidth>
  using Values = cuda::Pack<T, kWidth>;
  template <int kWidth>
  static __device__ Values<kWidth> load(const Part& p, int64_t at, int64_t) {
    return cuda::load<kWidth>(p.x + at);
  }
  template <int kWidth>
  static __device__ Values<kWidth> load_row(const Part& p, int64_t at, int64_t) {
    return cuda::load<kWidth>(p.x + at);
  }
  template <int kWidth, class R>
  static __device__ void add(const Values<kWidth>& v, int k, const Channel& channel, Own<R>& own) {
    const R d = R(cuda::to_float(v.at[k])) - R(channel.shift);
    own.sum += d, own.square = fma(d, d, own.square);
  }
  /// Neither too large for a float, nor so small that squares lose digits.
  static __device__ bool holds(const Own<float>& own) {
    return own.square < 1e38f && (own.square > 1e-30f || own.sum == 0);
  }

  static __device__ Sum sum(const Own<double>& own) { return own; }
  static __device__ Sum merge(const Sum& a, const Sum& b) {
    return {a.sum + b.sum, a.square + b.square};
  }
  static __device__ void finish(const Part& p, const Lay& lay, int64_t c, const Sum& sum) {
    const double shift = channel(p, lay, c).shift;
    p.give(lay, c, chan_of(double(lay.count()), shift, sum.sum, sum.square));
  }
};

// What has weight 0 may be NaN: each thread begins with the first value that counts.
template <class T>
struct WeightedMoments {
  using Part = MomentsPart<T>;
  static constexpr bool kWrites = false;
  static constexpr bool kShort = false;
  struct Channel {};
  template <class R>
  struct Own {
    R count, shift, sum, square;
  };
  using Sum = Chan;

  template <class R>
  static __device__ Own<R> start() {
    return {0, 0, 0, 0};
  }
  static __device__ Channel channel(const Part&, const Lay&, int64_t) { return {}; }

  template <int kWidth>
  struct Values {
    cuda::Pack<T, kWidth> x;
    cuda::Pack<float, kWidth> w;
  };
  template <int kWidth>
  static __device__ Values<kWidth> load(const Part& p, int64_t at, int64_t position) {
    return {cuda::load<kWidth>(p.x + at), cuda::load<kWidth>(p.w + position)};
  }
  template <int kWidth>
  static __device__ Values<kWidth> load_row(const Part& p, int64_t at, int64_t row) {
    Values<kWidth> v{cuda::load<kWidth>(p.x + at), {}};
    for (int k = 0; k < kWidth; ++k) v.w.at[k] = p.w[row];
    return v;
  }
  template <int kWidth>
  static __device__ void add(const Values<kWidth>& v, int k, const Channel&, Own<double>& own) {
    const double weight = v.w.at[k], x = cuda::to_float(v.x.at[k]);
    if (!(weight > 0)) return;  // selected, never multiplied
    if (own.count == 0) own.shift = x;
    const double d = x - own.shift, weighted = weight * d;
    own.count += weight;
    own.sum += weighted, own.square = fma(weighted, d, own.square);
  }

  static __device__ Sum sum(const Own<double>& own) {
    return chan_of(own.count, own.shift, own.sum, own.square);
  }
  static __device__ Sum merge(const Sum& a, const Sum& b) { return merge_chan_of(a, b); }
  static __device__ void finish(const Part& p, const Lay& lay, int64_t c, const Sum& sum) {
    p.give(lay, c, sum);
  }
};

template <class Op, class T>
Launch launch_of(std::span<const Signature> signatures) {
  ChannelSums<Op, T> sums(signatures, 0);
  auto enqueue = [sums, weighted = signatures[0].in.size() > 1](const LaunchArgs& args) {
    sums.enqueue(args, args.workspace, [&](const KernelArgs& a, size_t) {
      return typename Op::Part{a.in<T>(0), weighted ? a.in<float>(1) : nullptr, a.out<double>(0)};
    });
  };
  return {enqueue, sums.workspace()};
}

Launch moments(std::span<const Signature> s) {
  return with_activation(s[0].in[0].dtype, [&](auto value) {
    using T = decltype(value);
    return s[0].in.size() > 1 ? launch_of<WeightedMoments<T>, T>(s) : launch_of<Moments<T>, T>(s);
  });
}

}  // namespace batch_norm_moments_cuda

void register_moments_cuda(Registry& r) {
  using namespace batch_norm_moments_cuda;
  r.add(activation_kernel("moments", 0, moments, -1));
}

}  // namespace braid::batch_norm
