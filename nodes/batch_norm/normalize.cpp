// y = (x - shift) * scale + offset, clipped at 0 where ReLU is fused. Samples are taken from the
// back: the moments went through them forward and left the last ones in cache.
#include "batch_norm/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/normalize.cpp"
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include "batch_norm/forward-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

// What does not fill four vectors: vector `kSlot` and those behind it.
template <bool kRelu, int kSlot, class F>
HWY_INLINE void apply_rest(const float* x, int64_t n, const F& f, float* y) {
  const Forward& v = f.template at<kSlot>();
  if (n >= kLanes) {
    hn::StoreU(v.y<kRelu>(hn::LoadU(F32(), x)), F32(), y);
    if constexpr (kSlot < 3) apply_rest<kRelu, kSlot + 1>(x + kLanes, n - kLanes, f, y + kLanes);
  } else if (n > 0) {
    store_first(v.y<kRelu>(load_first(x, n)), y, n);
  }
}

template <bool kRelu, bool kStream, class F>
HWY_INLINE void apply_slice(const float* x, int64_t length, const F& f, float* y) {
  const F32 d;
  int64_t i = 0;
  for (; i + kFour <= length; i += kFour) {
    const int64_t j = i + kLanes, k = j + kLanes, l = k + kLanes;
    Vec a = f.template at<0>().template y<kRelu>(hn::LoadU(d, x + i));
    Vec b = f.template at<1>().template y<kRelu>(hn::LoadU(d, x + j));
    Vec c = f.template at<2>().template y<kRelu>(hn::LoadU(d, x + k));
    Vec e = f.template at<3>().template y<kRelu>(hn::LoadU(d, x + l));
    store<kStream>(a, y + i);
    store<kStream>(b, y + j);
    store<kStream>(c, y + k);
    store<kStream>(e, y + l);
  }
  apply_rest<kRelu, 0>(x + i, length - i, f, y + i);
}

template <bool kRelu, bool kStream>
struct ApplySlices {
  const View& v;
  const float* x;
  const Coefficients& k;
  float* y;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    from_the_back(v, [this](int64_t n) HWY_ATTR {
      for (int64_t g = 0; g < v.groups(); ++g) {
        const auto f = forward_of<kGroup>(k, g * kGroup);
        int64_t at = n * v.sample() + g * v.slice(), length = v.slice();
        if constexpr (kStream)
          if (int64_t head = std::min(length, floats_to_alignment(y + at)); head > 0) {
            apply_rest<kRelu, 0>(x + at, head, f, y + at);
            at += head, length -= head;
          }
        apply_slice<kRelu, kStream>(x + at, length, f, y + at);
      }
    });
  }
};

template <bool kRelu, bool kStream>
HWY_INLINE void apply_rows(const View& v, const float* x, const Coefficients& k, float* y) {
  const int64_t width = v.channels;
  from_the_back(v, [&](int64_t n) HWY_ATTR {
    int64_t c = 0, at = n * width;
    for (; c + kLanes <= width; c += kLanes, at += kLanes)
      store<kStream>(forward_at(k, c).y<kRelu>(hn::LoadU(F32(), x + at)), y + at);
    if (const int64_t rest = width - c; rest > 0)
      store_first(forward_first(k, c, rest).y<kRelu>(load_first(x + at, rest)), y + at, rest);
  });
}

template <bool kRelu, bool kStream>
HWY_INLINE void apply_any(const View& v, const float* x, const Coefficients& k, float* y) {
  if (v.rows())
    apply_rows<kRelu, kStream>(v, x, k, y);
  else
    with_group(v.group, ApplySlices<kRelu, kStream>{v, x, k, y});
  if constexpr (kStream) hwy::FlushStream();
}

template <bool kRelu>
HWY_INLINE void apply_relu(const View& v, const float* x, const Coefficients& k, float* y) {
  if (streams(v, y))
    apply_any<kRelu, true>(v, x, k, y);
  else
    apply_any<kRelu, false>(v, x, k, y);
}

void apply(const Pass& pass, const float* x, const Coefficients& k, float* y) {
  if (pass.relu)
    apply_relu<true>(pass.view, x, k, y);
  else
    apply_relu<false>(pass.view, x, k, y);
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::batch_norm {

ApplyFn apply_kernel(Isa isa) {
  return pick<ApplyFn>(isa, HWY_CHOOSE_SSE4(apply), HWY_CHOOSE_AVX2(apply), HWY_CHOOSE_AVX3(apply));
}

}  // namespace braid::batch_norm
#endif
