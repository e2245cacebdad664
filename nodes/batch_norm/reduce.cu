// The first pass of backward: the sums of g and of g·x̂ per channel, in f64, in one sweep over g and
// x. Where ReLU is fused, g is 0 where y was not positive; where a sum stands before ReLU, y is
// given, and what passes is written in the same sweep.
#include "batch_norm/channel_sums.h"
#include "batch_norm/normal.h"

namespace braid::batch_norm {
namespace batch_norm_reduce_cuda {

enum class Relu { none, fused, apart };

template <class T, int kWidth, bool kApart>
struct Loaded {
  cuda::Pack<T, kWidth> g, x;
};
template <class T, int kWidth>
struct Loaded<T, kWidth, true> {
  cuda::Pack<T, kWidth> g, x, y;
  int64_t at;
};

template <class T, Relu kRelu, bool kMasked>
struct Reduce {
  static constexpr bool kWrites = kRelu == Relu::apart;
  struct Part {
    const T *g, *x, *y;
    T* passed;
    CoefficientRows k;
    Statistics statistics;
    EpsRule rule;
    double* out;
  };
  static constexpr bool kShort = sizeof(T) < sizeof(float);
  using Channel = ForwardCoefficients;
  template <class R>
  struct Own {
    R g, gx;
    __device__ Own& operator+=(const Own<float>& o) {
      g += o.g, gx += o.gx;
      return *this;
    }
  };
  using Sum = Own<double>;

  template <class R>
  static __device__ Own<R> start() {
    return {0, 0};
  }
  static __device__ Channel channel(const Part& p, const Lay&, int64_t c) {
    return {p.k.shift[c], p.k.scale[c], p.k.offset[c]};
  }
  template <int kWidth>
  using Values = Loaded<T, kWidth, kWrites>;
  template <int kWidth>
  static __device__ Values<kWidth> load(const Part& p, int64_t at, int64_t) {
    Values<kWidth> v;
    v.g = cuda::load<kWidth>(p.g + at), v.x = cuda::load<kWidth>(p.x + at);
    if constexpr (kWrites) v.y = cuda::load<kWidth>(p.y + at), v.at = at;
    return v;
  }
  template <int kWidth>
  static __device__ void settle(const Part& p, Values<kWidth>& v) {
#pragma unroll
    for (int k = 0; k < kWidth; ++k)
      if (!(cuda::to_float(v.y.at[k]) > 0)) v.g.at[k] = cuda::from_float<T>(0);
    cuda::store(p.passed + v.at, v.g);
  }
  template <int kWidth>
  static __device__ Values<kWidth> load_row(const Part& p, int64_t at, int64_t row) {
    return load<kWidth>(p, at, row);
  }
  template <int kWidth, class R>
  static __device__ void add(const Values<kWidth>& v, int i, const Channel& k, Own<R>& own) {
    const float x = cuda::to_float(v.x.at[i]);
    const float passed = passing<kRelu == Relu::fused>(k, cuda::to_float(v.g.at[i]), x);
    own.g += passed;
    // Where a mask lets no gradient arrive, x may be NaN.
    if (!kMasked || passed != 0) own.gx = fma(R(passed), R(x - k.shift), own.gx);
  }
  /// Neither too large for a float nor so small that products lose digits.
  static __device__ bool holds(const Own<float>& own) {
    const float gx = fabsf(own.gx);
    return fabsf(own.g) < 1e38f && gx < 1e38f && (gx > 1e-30f || own.g == 0);
  }
  static __device__ Sum sum(const Sum& own) { return own; }
  static __device__ Sum merge(const Sum& a, const Sum& b) { return {a.g + b.g, a.gx + b.gx}; }
  static __device__ void finish(const Part& p, const Lay& lay, int64_t c, const Sum& sum) {
    p.out[c] = sum.g;
    p.out[lay.channels + c] =
        finish_sum(statistics_of(p.statistics, lay.channels, c), sum.g, sum.gx, p.rule);
  }
};

template <class T, Relu kRelu, bool kMasked>
Launch launch_of(std::span<const Signature> signatures, const Form& form) {
  using Op = Reduce<T, kRelu, kMasked>;
  ChannelSums<Op, T> sums(signatures, 1);
  const int64_t channels = sums.lay(0).channels, each = CoefficientRows::bytes(channels);
  constexpr bool apart = Op::kWrites;
  const int last = int(signatures[0].in.size()) - 1;
  const int64_t before = each * int64_t(signatures.size());
  auto enqueue = [=](const LaunchArgs& args) {
    auto room = static_cast<char*>(args.workspace);
    std::vector<CoefficientPart> coefficients;
    for (size_t i = 0; i < args.parts.size(); ++i)
      coefficients.push_back(form.coefficients(args.parts[i], room + each * int64_t(i)));
    make_coefficients(args.queue, form.rule, channels, coefficients);
    sums.enqueue(args, room + before, [&](const KernelArgs& a, size_t i) {
      return typename Op::Part{a.in<T>(0),
                               a.in<T>(1),
                               apart ? a.in<T>(last) : nullptr,
                               apart ? a.out<T>(0) : nullptr,
                               CoefficientRows::at(room + each * int64_t(i), channels),
                               coefficients[i].statistics,
                               form.rule,
                               a.out<double>(apart)};
    });
  };
  return {enqueue, before + sums.workspace()};
}

template <Relu kRelu>
Launch reduce_of(std::span<const Signature> s, const Form& form) {
  return with_activation(s[0].in[1].dtype, [&](auto value) {
    using T = decltype(value);
    return form.masked ? launch_of<T, kRelu, true>(s, form) : launch_of<T, kRelu, false>(s, form);
  });
}

template <bool kEval>
Launch reduce(std::span<const Signature> s) {
  const Form form(s[0], 1, kEval, kEval ? 4 : 3);
  return form.relu ? reduce_of<Relu::fused>(s, form) : reduce_of<Relu::none>(s, form);
}

template <bool kEval>
Launch relu_reduce(std::span<const Signature> s) {
  return reduce_of<Relu::apart>(s, Form(s[0], 1, kEval, kEval ? 4 : 3));
}

}  // namespace batch_norm_reduce_cuda

void register_reduce_cuda(Registry& r) {
  using namespace batch_norm_reduce_cuda;
  r.add(activation_kernel("bn_reduce", 1, reduce<false>, -1));
  r.add(activation_kernel("bn_eval_reduce", 1, reduce<true>, -1));
  r.add(activation_kernel("bn_relu_reduce", 1, relu_reduce<false>, 0));
  r.add(activation_kernel("bn_eval_relu_reduce", 1, relu_reduce<true>, 0));
}

}  // namespace braid::batch_norm
