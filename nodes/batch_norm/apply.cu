// The elementwise passes: y from x [and z], and dx from g and x. The coefficients of the channels
// are made once, by a launch of their own; then memory is walked from its start to its end, 16
// bytes at a time, whatever lies in it.
#include <numeric>

#include "batch_norm/device.h"
#include "batch_norm/normal.h"
#include "cuda/index.h"

namespace braid::batch_norm {
namespace batch_norm_apply_cuda {

using cuda::Parts;

template <class T>
struct ApplyPart {
  const T *other, *x;  ///< g, or z, or null
  const float* w;      ///< of a mask, by position
  T* out;
  CoefficientRows k;
  Lay lay;
};

// The coefficients of neighbouring values, and the weights of their positions.
template <int kWidth>
struct Near {
  cuda::Pack<float, kWidth> shift, scale, offset, slope, bias, w;

  __device__ ForwardCoefficients forward(int k) const {
    return {shift.at[k], scale.at[k], offset.at[k]};
  }
};

template <class T, bool kRelu, bool kAdd>
struct Normalize {
  static constexpr bool gradient = false, two = kAdd, weighted = false;
  template <int kWidth>
  static __device__ float apply(const Near<kWidth>& near, int k, float z, float x) {
    float y = normal(near.forward(k), x);
    if constexpr (kAdd) y = cuda::to_float(cuda::from_float<T>(y)) + z;  // as if it were stored
    return kRelu && y < 0 ? 0 : y;                                       // a NaN stays one
  }
};

/// How x reaches the result through the statistics.
enum class Path { none, plain, weighted };

template <bool kRelu, Path kPath>
struct Gradient {
  static constexpr bool gradient = true, two = true, weighted = kPath == Path::weighted;
  template <int kWidth>
  static __device__ float apply(const Near<kWidth>& near, int k, float g, float x) {
    const auto forward = near.forward(k);
    const float passed = passing<kRelu>(forward, g, x);
    if constexpr (kPath == Path::none) return passed * forward.scale;
    const float through = fmaf(x - forward.shift, near.slope.at[k], near.bias.at[k]);
    if constexpr (kPath == Path::plain) return (passed + through) * forward.scale;
    // Selected, not multiplied by 0: what has no weight may be NaN.
    const float w = near.w.at[k];
    return (passed + (w > 0 ? w * through : 0)) * forward.scale;
  }
};

// Side by side in rows; in planes a pack is of one channel or of two, unless planes are tiny.
template <bool kWeighted, int kWidth, class T>
__device__ Near<kWidth> near_of(const ApplyPart<T>& p, int64_t first, int64_t channels,
                                int64_t inner) {
  using Floats = cuda::Pack<float, kWidth>;
  Near<kWidth> near{};
  auto take = [&](auto fetch) {
    near.shift = fetch(p.k.shift), near.scale = fetch(p.k.scale), near.offset = fetch(p.k.offset);
    near.slope = fetch(p.k.slope), near.bias = fetch(p.k.bias);
  };
  auto at = cuda::Place::of(first, channels, inner);
  if (inner == 1 && channels % kWidth == 0) {
    take([&](const float* row) { return cuda::load<kWidth>(row + at.at); });
    if constexpr (kWeighted)
      for (int k = 0; k < kWidth; ++k) near.w.at[k] = p.w[at.outer];
    return near;
  }
  if (inner >= kWidth) {
    const int rest = inner - at.in < kWidth ? int(inner - at.in) : kWidth;
    const bool turns = at.at + 1 == channels;  // the next channel is the next sample's first
    const int64_t next = turns ? 0 : at.at + 1;
    take([&](const float* row) {
      const float here = row[at.at], there = row[next];
      Floats all;
      for (int k = 0; k < kWidth; ++k) all.at[k] = k < rest ? here : there;
      return all;
    });
    if constexpr (kWeighted) {
      const float* here = p.w + at.outer * inner + at.in;
      const float* there = here - (turns ? 0 : inner);
      for (int k = 0; k < kWidth; ++k) near.w.at[k] = (k < rest ? here : there)[k];
    }
    return near;
  }
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    near.shift.at[k] = p.k.shift[at.at], near.scale.at[k] = p.k.scale[at.at];
    near.offset.at[k] = p.k.offset[at.at], near.slope.at[k] = p.k.slope[at.at];
    near.bias.at[k] = p.k.bias[at.at];
    if constexpr (kWeighted) near.w.at[k] = p.w[at.outer * inner + at.in];
    at.step(channels, inner);
  }
  return near;
}

template <class Op, class T, int kWidth>
__device__ void apply_at(const ApplyPart<T>& p, int64_t first, const Near<kWidth>& near) {
  const auto x = cuda::load<kWidth>(p.x + first);
  cuda::Pack<T, kWidth> other{}, out;
  if constexpr (Op::two) other = cuda::load<kWidth>(p.other + first);
#pragma unroll
  for (int k = 0; k < kWidth; ++k)
    out.at[k] = cuda::from_float<T>(
        Op::apply(near, k, cuda::to_float(other.at[k]), cuda::to_float(x.at[k])));
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
  auto near = [&]<int kWidth>(int64_t i) {
    return near_of<Op::weighted, kWidth>(p, i, p.lay.channels, inner);
  };
  if (!Op::weighted && inner == 1 && p.lay.channels % width == 0 &&
      step * width % p.lay.channels == 0) {
    // All packs of a thread are of the same channels.
    if (first >= packs) return;
    const auto same = near.template operator()<width>(first * width);
    for (int64_t i = first; i < packs; i += step) apply_at<Op, T, width>(p, i * width, same);
    return;
  }
  for (int64_t i = first; i < packs; i += step)
    apply_at<Op, T, width>(p, i * width, near.template operator()<width>(i * width));
  for (int64_t i = packs * width + first; i < n; i += step)
    apply_at<Op, T, 1>(p, i, near.template operator()<1>(i));
}

/// At least `blocks`, so many that a step of all threads is whole rows, if there need not be many.
template <class T>
unsigned whole_rows(unsigned blocks, const Lay& lay) {
  constexpr int64_t width = int64_t(16 / sizeof(T));
  if (!lay.rows || lay.channels % width != 0) return blocks;
  const int64_t packs = lay.channels / width, unit = packs / std::gcd(packs, int64_t(kThreads));
  if (unit > blocks) return blocks;
  return unsigned((blocks + unit - 1) / unit * unit);
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
      return ApplyPart<T>{Op::two ? a.in<T>(Op::gradient ? 0 : last) : nullptr,    a.in<T>(form.x),
                          form.masked && !form.eval ? a.in<float>(last) : nullptr, a.out<T>(0),
                          CoefficientRows::at(coefficients[i].out, channels),      lays[i]};
    };
    cuda::for_parts(args.parts, part, [&](const Parts<ApplyPart<T>>& parts) {
      int64_t most = 0;
      for (int i = 0; i < parts.count; ++i) most = std::max(most, parts.at[i].lay.elements());
      const unsigned blocks = whole_rows<T>(
          cuda::blocks_for(most * int64_t(sizeof(T)), kThreads * 16 * 4, 1 << 16), lays[0]);
      cuda::launch(args.queue, apply<Op, T>, {blocks, 1, parts.size()}, kThreads, parts);
    });
  };
  return {enqueue, each * int64_t(signatures.size())};
}

template <bool kEval, bool kAdd>
Launch normalize(std::span<const Signature> s) {
  const Form form(s[0], 0, kEval, kEval ? 3 : 2);
  return with_activation(s[0].in[0].dtype, [&](auto value) {
    using T = decltype(value);
    return form.relu ? launch_of<Normalize<T, true, kAdd>, T>(s, form, !kEval)
                     : launch_of<Normalize<T, false, kAdd>, T>(s, form, !kEval);
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

}  // namespace batch_norm_apply_cuda

void register_apply_cuda(Registry& r) {
  using namespace batch_norm_apply_cuda;
  r.add(activation_kernel("normalize", 0, normalize<false, false>, 0));
  r.add(activation_kernel("normalize_eval", 0, normalize<true, false>, 0));
  r.add(activation_kernel("normalize_add", 0, normalize<false, true>, kLastInput));
  r.add(activation_kernel("normalize_eval_add", 0, normalize<true, true>, kLastInput));
  r.add(activation_kernel("bn_dx", 1, dx, 0));
  r.add(activation_kernel("bn_eval_dx", 1, eval_dx, 0));
}

}  // namespace braid::batch_norm
