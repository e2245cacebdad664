// The elementwise passes: y from x, and dx from g and x. The coefficients of the channels are made
// once, by a launch of their own; then memory is walked from its start to its end, 16 bytes at a
// time, whatever lies in it.
#include "batch_norm/device.h"
#include "batch_norm/normal.h"
#include "cuda/index.h"

namespace braid::batch_norm {
namespace {

using cuda::Parts;

template <class T>
struct ApplyPart {
  const T *g, *x;
  const float* w;  ///< of a mask, by position
  T* out;
  CoefficientRows k;
  Lay lay;
};

__device__ ForwardCoefficients forward_at(const CoefficientRows& k, int64_t c) {
  return {k.shift[c], k.scale[c], k.offset[c]};
}

template <bool kRelu>
struct Normalize {
  static constexpr bool gradient = false;
  template <class T>
  static __device__ float apply(const ApplyPart<T>& p, int64_t c, int64_t, float, float x) {
    const float y = normal(forward_at(p.k, c), x);
    return kRelu && y < 0 ? 0 : y;  // a NaN stays one
  }
};

/// How x reaches the result through the statistics.
enum class Path { none, plain, weighted };

template <bool kRelu, Path kPath>
struct Gradient {
  static constexpr bool gradient = true;
  template <class T>
  static __device__ float apply(const ApplyPart<T>& p, int64_t c, int64_t position, float g,
                                float x) {
    const auto k = forward_at(p.k, c);
    const float passed = passing<kRelu>(k, g, x);
    if constexpr (kPath == Path::none) return passed * k.scale;
    const float through = fmaf(x - k.shift, p.k.slope[c], p.k.bias[c]);
    if constexpr (kPath == Path::plain) return (passed + through) * k.scale;
    // Selected, not multiplied by 0: what has no weight may be NaN.
    const float w = p.w[position];
    return (passed + (w > 0 ? w * through : 0)) * k.scale;
  }
};

template <class Op, class T, int kWidth>
__device__ void apply_at(const ApplyPart<T>& p, int64_t first, int64_t channels, int64_t inner) {
  const auto x = cuda::load<kWidth>(p.x + first);
  cuda::Pack<T, kWidth> g{}, out;
  if constexpr (Op::gradient) g = cuda::load<kWidth>(p.g + first);
  auto at = cuda::Place::of(first, channels, inner);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    const float v = Op::apply(p, at.at, at.outer * inner + at.in, cuda::to_float(g.at[k]),
                              cuda::to_float(x.at[k]));
    out.at[k] = cuda::from_float<T>(v);
    at.step(channels, inner);
  }
  cuda::store(p.out + first, out);
}

// Rows are channels of a single point: position = row.
template <class Op, class T>
__global__ void __launch_bounds__(kThreads)
    apply(const __grid_constant__ Parts<ApplyPart<T>> parts) {
  constexpr int width = int(16 / sizeof(T));
  const ApplyPart<T>& p = parts.at[blockIdx.z];
  const int64_t inner = p.lay.rows ? 1 : p.lay.points, n = p.lay.elements();
  const int64_t packs = n / width, step = int64_t(gridDim.x) * kThreads;
  const int64_t first = int64_t(blockIdx.x) * kThreads + threadIdx.x;
#pragma unroll 2
  for (int64_t i = first; i < packs; i += step)
    apply_at<Op, T, width>(p, i * width, p.lay.channels, inner);
  for (int64_t i = packs * width + first; i < n; i += step)
    apply_at<Op, T, 1>(p, i, p.lay.channels, inner);
}

template <class Op, class T>
Launch launch_of(std::span<const Signature> signatures, const Form& form, bool checked) {
  std::vector<Lay> lays;
  for (auto& s : signatures) lays.push_back(lay_of(s.in[size_t(form.x)]));
  const int64_t channels = lays[0].channels, each = CoefficientRows::bytes(channels);
  const int last = int(signatures[0].in.size()) - 1;
  auto enqueue = [=](const LaunchArgs& args) {
    auto room = static_cast<char*>(args.workspace);
    std::vector<CoefficientPart> coefficients;
    for (size_t i = 0; i < args.parts.size(); ++i) {
      auto& a = args.parts[i];
      coefficients.push_back(form.coefficients(a, room + each * int64_t(i)));
      if (Op::gradient && !form.eval) coefficients.back().sums = a.in<double>(3);
      if (checked && args.status) coefficients.back().status = args.status + i;
    }
    make_coefficients(args.queue, form.rule, channels, coefficients);
    auto part = [&](const KernelArgs& a, size_t i) {
      return ApplyPart<T>{Op::gradient ? a.in<T>(0) : nullptr,
                          a.in<T>(form.x),
                          form.masked && !form.eval ? a.in<float>(last) : nullptr,
                          a.out<T>(0),
                          CoefficientRows::at(coefficients[i].out, channels),
                          lays[i]};
    };
    cuda::for_parts(args.parts, part, [&](const Parts<ApplyPart<T>>& parts) {
      int64_t most = 0;
      for (int i = 0; i < parts.count; ++i) most = std::max(most, parts.at[i].lay.elements());
      const unsigned blocks =
          cuda::blocks_for(most * int64_t(sizeof(T)), kThreads * 16 * 4, 1 << 16);
      cuda::launch(args.queue, apply<Op, T>, {blocks, 1, parts.size()}, kThreads, parts);
    });
  };
  return {enqueue, each * int64_t(signatures.size())};
}

template <bool kEval>
Launch normalize(std::span<const Signature> s) {
  const Form form(s[0], 0, kEval, kEval ? 3 : 2);
  return with_activation(s[0].in[0].dtype, [&](auto value) {
    using T = decltype(value);
    return form.relu ? launch_of<Normalize<true>, T>(s, form, !kEval)
                     : launch_of<Normalize<false>, T>(s, form, !kEval);
  });
}

template <Path kPath>
Launch gradient(std::span<const Signature> s, const Form& form) {
  return with_activation(s[0].in[1].dtype, [&](auto value) {
    using T = decltype(value);
    return form.relu ? launch_of<Gradient<true, kPath>, T>(s, form, false)
                     : launch_of<Gradient<false, kPath>, T>(s, form, false);
  });
}

Launch dx(std::span<const Signature> s) {
  const Form form(s[0], 1, false, 4);
  return form.masked ? gradient<Path::weighted>(s, form) : gradient<Path::plain>(s, form);
}

Launch eval_dx(std::span<const Signature> s) {
  return gradient<Path::none>(s, Form(s[0], 1, true, 4));
}

}  // namespace

void register_apply_cuda(Registry& r) {
  r.add(activation_kernel("normalize", 0, normalize<false>, 0));
  r.add(activation_kernel("normalize_eval", 0, normalize<true>, 0));
  r.add(activation_kernel("bn_dx", 1, dx, 0));
  r.add(activation_kernel("bn_eval_dx", 1, eval_dx, 0));
}

}  // namespace braid::batch_norm
