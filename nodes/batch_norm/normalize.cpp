// y = (x - shift) * scale + offset, clipped at 0 where ReLU is fused. Samples are taken from the
// last to the first: the moments went through them the other way and left the last ones in cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/normalize.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include "batch_norm/forward-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

template <bool kRelu, bool kStream>
HWY_INLINE void apply_slice(const float* x, int64_t length, const FourForward& f, float* y) {
  const F32 d;
  int64_t i = 0;
  for (; i + kFour <= length; i += kFour) {
    Vec a = f.v0.y<kRelu>(hn::LoadU(d, x + i));
    Vec b = f.v1.y<kRelu>(hn::LoadU(d, x + i + kLanes));
    Vec c = f.v2.y<kRelu>(hn::LoadU(d, x + i + 2 * kLanes));
    Vec e = f.v3.y<kRelu>(hn::LoadU(d, x + i + 3 * kLanes));
    store<kStream>(a, y + i);
    store<kStream>(b, y + i + kLanes);
    store<kStream>(c, y + i + 2 * kLanes);
    store<kStream>(e, y + i + 3 * kLanes);
  }
  for (int slot = 0; i < length; i += kLanes, ++slot) {
    const Forward& v = f.slot(slot);
    if (i + kLanes <= length)
      store<kStream>(v.y<kRelu>(hn::LoadU(d, x + i)), y + i);
    else
      store_first(v.y<kRelu>(load_first(x + i, length - i)), y + i, length - i);
  }
}

template <bool kRelu, bool kStream>
HWY_INLINE void apply_slices(const View& v, const float* x, const Coefficients& k, float* y) {
  for (int64_t n = v.samples - 1; n >= 0; --n)
    for (int64_t g = 0; g < v.groups(); ++g) {
      const FourForward f(k, g * v.group, v.group);
      int64_t at = n * v.sample() + g * v.slice(), length = v.slice();
      if constexpr (kStream)
        if (int64_t head = std::min(length, floats_to_alignment(y + at)); head > 0) {
          store_first(f.v0.y<kRelu>(load_first(x + at, head)), y + at, head);
          at += head, length -= head;
        }
      apply_slice<kRelu, kStream>(x + at, length, f, y + at);
    }
}

template <bool kRelu>
HWY_INLINE void apply_rows(const View& v, const float* x, const Coefficients& k, float* y) {
  const F32 d;
  const int64_t width = v.channels;
  for (int64_t n = v.samples - 1; n >= 0; --n) {
    const float* from = x + n * width;
    float* to = y + n * width;
    int64_t c = 0;
    for (; c + kLanes <= width; c += kLanes)
      hn::StoreU(forward_at(k, c).y<kRelu>(hn::LoadU(d, from + c)), d, to + c);
    if (c < width)
      store_first(forward_first(k, c, width - c).y<kRelu>(load_first(from + c, width - c)), to + c,
                  width - c);
  }
}

template <bool kRelu>
HWY_INLINE void apply_any(const View& v, const float* x, const Coefficients& k, float* y) {
  if (v.rows())
    apply_rows<kRelu>(v, x, k, y);
  else if (streams(v, y))
    apply_slices<kRelu, true>(v, x, k, y);
  else
    apply_slices<kRelu, false>(v, x, k, y);
  hwy::FlushStream();
}

void apply(const Pass& pass, const float* x, const Coefficients& k, float* y) {
  if (pass.relu)
    apply_any<true>(pass.view, x, k, y);
  else
    apply_any<false>(pass.view, x, k, y);
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::batch_norm {

ApplyFn apply_kernel(Isa isa) {
  return pick<ApplyFn>(isa, HWY_CHOOSE_FALLBACK(apply), HWY_CHOOSE_SSE4(apply),
                       HWY_CHOOSE_AVX2(apply), HWY_CHOOSE_AVX3(apply));
}

}  // namespace braid::batch_norm
#endif
