// The second pass of backward: dx = g * scale + (x - shift) * slope + bias. Where ReLU is fused, g
// is 0 where y was not positive.
#include "batch_norm/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/gradient.cpp"
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include "batch_norm/forward-inl.h"
#include "batch_norm/weights-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

/// What reaches x through the statistics: nothing where they are constant, else
/// (x - shift) * slope + bias, of each value by its weight where there is a mask.
enum class Path { none, plain, weighted };

struct Backward {
  Forward f;
  Vec slope, bias;

  template <bool kRelu, Path kPath>
  HWY_INLINE Vec dx(Vec g, Vec x, Vec w) const {
    const Vec centered = f.centered(x), passed = f.passed<kRelu>(g, centered);
    if constexpr (kPath == Path::none) return hn::Mul(passed, f.scale);
    const Vec through = hn::MulAdd(centered, slope, bias);
    if constexpr (kPath == Path::plain) return hn::Mul(hn::Add(passed, through), f.scale);
    // Selected, not multiplied by 0: what has no weight may be NaN.
    const auto counts = hn::Gt(w, hn::Zero(F32()));
    return hn::Mul(hn::Add(passed, hn::IfThenElseZero(counts, hn::Mul(w, through))), f.scale);
  }
};

// Four operands of a slice at the same place.
template <Path kPath>
struct Places {
  const float *g, *x, *w;
  float* dx;

  HWY_INLINE Places operator+(int64_t n) const {
    return {g + n, x + n, kPath == Path::weighted ? w + n : w, dx + n};
  }
  template <bool kRelu>
  HWY_INLINE Vec result(const Backward& b, int64_t i) const {
    const F32 d;
    const Vec wv = kPath == Path::weighted ? hn::LoadU(d, w + i) : hn::Zero(d);
    return b.dx<kRelu, kPath>(hn::LoadU(d, g + i), hn::LoadU(d, x + i), wv);
  }
  template <bool kRelu>
  HWY_INLINE void finish(const Backward& b, int64_t n) const {
    const Vec wv = kPath == Path::weighted ? load_first(w, n) : hn::Zero(F32());
    store_first(b.dx<kRelu, kPath>(load_first(g, n), load_first(x, n), wv), dx, n);
  }
};

template <int64_t kGroup>
HWY_INLINE Four<Backward, same_for_all(kGroup)> backward_of(const Coefficients& k,
                                                            int64_t channel) {
  const auto f = forward_of<kGroup>(k, channel);
  auto vector = [&](const Forward& forward, int64_t slot) HWY_ATTR {
    return Backward{forward, repeated<kGroup>(k.slope + channel, slot),
                    repeated<kGroup>(k.bias + channel, slot)};
  };
  if constexpr (same_for_all(kGroup)) {
    Backward b = vector(f.v0, 0);
    return {b, b, b, b};
  } else {
    return {vector(f.v0, 0), vector(f.v1, 1), vector(f.v2, 2), vector(f.v3, 3)};
  }
}

// What does not fill four vectors: vector `kSlot` and those behind it.
template <bool kRelu, int kSlot, class B, class P>
HWY_INLINE void dx_rest(const B& b, const P& at, int64_t n) {
  const Backward& v = b.template at<kSlot>();
  if (n >= kLanes) {
    hn::StoreU(at.template result<kRelu>(v, 0), F32(), at.dx);
    if constexpr (kSlot < 3) dx_rest<kRelu, kSlot + 1>(b, at + kLanes, n - kLanes);
  } else if (n > 0) {
    at.template finish<kRelu>(v, n);
  }
}

template <bool kRelu, bool kStream, class B, class P>
HWY_INLINE void dx_slice(const B& b, const P& at, int64_t length) {
  int64_t i = 0;
  for (; i + kFour <= length; i += kFour) {
    const int64_t j = i + kLanes, k = j + kLanes, l = k + kLanes;
    const Vec v0 = at.template result<kRelu>(b.template at<0>(), i);
    const Vec v1 = at.template result<kRelu>(b.template at<1>(), j);
    const Vec v2 = at.template result<kRelu>(b.template at<2>(), k);
    const Vec v3 = at.template result<kRelu>(b.template at<3>(), l);
    store<kStream>(v0, at.dx + i);
    store<kStream>(v1, at.dx + j);
    store<kStream>(v2, at.dx + k);
    store<kStream>(v3, at.dx + l);
  }
  dx_rest<kRelu, 0>(b, at + i, length - i);
}

template <bool kRelu, bool kStream, Path kPath>
struct DxSlices {
  const View& v;
  const Places<kPath>& all;
  const Coefficients& k;
  float* workspace;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    from_the_back(v, [this](int64_t n) HWY_ATTR {
      if constexpr (kPath == Path::weighted)
        for_each_stretch<kGroup>(v, [&](int64_t from, int64_t points) HWY_ATTR {
          const float* w = beside<kGroup>(all.w + n * v.points + from, points, workspace);
          for (int64_t c = 0; c < v.groups(); ++c) {
            const int64_t at = n * v.sample() + c * v.slice() + from * kGroup;
            const Places<kPath> here{all.g + at, all.x + at, w, all.dx + at};
            dx_slice<kRelu, false>(backward_of<kGroup>(k, c * kGroup), here, points * kGroup);
          }
        });
      else
        for (int64_t c = 0; c < v.groups(); ++c) sample<kGroup>(n, c);
    });
  }
  template <int64_t kGroup>
  HWY_INLINE void sample(int64_t n, int64_t c) const {
    const auto b = backward_of<kGroup>(k, c * kGroup);
    int64_t length = v.slice();
    Places<kPath> here = all + (n * v.sample() + c * v.slice());
    if constexpr (kStream)
      if (int64_t head = std::min(length, floats_to_alignment(here.dx)); head > 0) {
        dx_rest<kRelu, 0>(b, here, head);
        here = here + head, length -= head;
      }
    dx_slice<kRelu, kStream>(b, here, length);
  }
};

// Channels lie side by side, and a row has one weight.
template <bool kRelu, bool kStream, Path kPath>
HWY_INLINE void dx_rows(const View& v, const Places<kPath>& all, const Coefficients& k) {
  const F32 d;
  const int64_t width = v.channels;
  from_the_back(v, [&](int64_t n) HWY_ATTR {
    const Vec w = kPath == Path::weighted ? hn::Set(d, all.w[n]) : hn::Zero(d);
    int64_t c = 0, at = n * width;
    for (; c + kLanes <= width; c += kLanes, at += kLanes) {
      const Backward b{forward_at(k, c), hn::LoadU(d, k.slope + c), hn::LoadU(d, k.bias + c)};
      const Vec g = hn::LoadU(d, all.g + at), x = hn::LoadU(d, all.x + at);
      store<kStream>(b.dx<kRelu, kPath>(g, x, w), all.dx + at);
    }
    if (const int64_t rest = width - c; rest > 0) {
      const Backward b{forward_first(k, c, rest), load_first(k.slope + c, rest),
                       load_first(k.bias + c, rest)};
      const Vec g = load_first(all.g + at, rest), x = load_first(all.x + at, rest);
      store_first(b.dx<kRelu, kPath>(g, x, w), all.dx + at, rest);
    }
  });
}

template <bool kRelu, bool kStream, Path kPath>
HWY_INLINE void dx_any(const View& v, const Places<kPath>& all, const Coefficients& k,
                       float* workspace) {
  if (v.rows())
    dx_rows<kRelu, kStream>(v, all, k);
  else
    with_group(v.group, DxSlices<kRelu, kStream, kPath>{v, all, k, workspace});
  if constexpr (kStream) hwy::FlushStream();
}

template <bool kRelu, Path kPath>
HWY_INLINE void dx_path(const View& v, const Places<kPath>& all, const Coefficients& k,
                        float* workspace) {
  if constexpr (kPath != Path::weighted)
    if (streams(v, all.dx)) return dx_any<kRelu, true>(v, all, k, workspace);
  dx_any<kRelu, false>(v, all, k, workspace);
}

template <Path kPath>
HWY_INLINE void dx_relu(const Pass& pass, const Places<kPath>& all, const Coefficients& k,
                        float* workspace) {
  if (pass.relu)
    dx_path<true>(pass.view, all, k, workspace);
  else
    dx_path<false>(pass.view, all, k, workspace);
}

void gradient(const Pass& pass, const float* g, const float* x, const float* w,
              const Coefficients& k, float* dx, void* workspace) {
  float* room = static_cast<float*>(workspace);
  if (pass.constant)
    dx_relu(pass, Places<Path::none>{g, x, w, dx}, k, room);
  else if (w)
    dx_relu(pass, Places<Path::weighted>{g, x, w, dx}, k, room);
  else
    dx_relu(pass, Places<Path::plain>{g, x, w, dx}, k, room);
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::batch_norm {

GradientFn gradient_kernel(Isa isa) {
  return pick<GradientFn>(isa, HWY_CHOOSE_SSE4(gradient), HWY_CHOOSE_AVX2(gradient),
                          HWY_CHOOSE_AVX3(gradient));
}

}  // namespace braid::batch_norm
#endif
