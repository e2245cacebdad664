// y = (x - shift) * scale + offset [+ z], clipped at 0 where ReLU is fused. Samples are taken from
// the back: the moments went through them forward and left the last ones in cache.
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

// The operands of a slice at the same place.
template <bool kRelu, bool kAdd>
struct Places {
  const float *x, *z;
  float* y;

  HWY_INLINE Places operator+(int64_t n) const { return {x + n, kAdd ? z + n : z, y + n}; }
  HWY_INLINE Vec result(const Forward& f, int64_t i) const {
    const F32 d;
    return f.y<kRelu, kAdd>(hn::LoadU(d, x + i), kAdd ? hn::LoadU(d, z + i) : hn::Zero(d));
  }
  HWY_INLINE void finish(const Forward& f, int64_t n) const {
    const Vec zv = kAdd ? load_first(z, n) : hn::Zero(F32());
    store_first(f.y<kRelu, kAdd>(load_first(x, n), zv), y, n);
  }
};

// What does not fill four vectors: vector `kSlot` and those behind it.
template <int kSlot, class P, class F>
HWY_INLINE void apply_rest(const P& at, int64_t n, const F& f) {
  const Forward& v = f.template at<kSlot>();
  if (n >= kLanes) {
    hn::StoreU(at.result(v, 0), F32(), at.y);
    if constexpr (kSlot < 3) apply_rest<kSlot + 1>(at + kLanes, n - kLanes, f);
  } else if (n > 0) {
    at.finish(v, n);
  }
}

template <bool kStream, class P, class F>
HWY_INLINE void apply_slice(const P& at, int64_t length, const F& f) {
  int64_t i = 0;
  for (; i + kFour <= length; i += kFour) {
    const int64_t j = i + kLanes, k = j + kLanes, l = k + kLanes;
    const Vec a = at.result(f.template at<0>(), i);
    const Vec b = at.result(f.template at<1>(), j);
    const Vec c = at.result(f.template at<2>(), k);
    const Vec e = at.result(f.template at<3>(), l);
    store<kStream>(a, at.y + i);
    store<kStream>(b, at.y + j);
    store<kStream>(c, at.y + k);
    store<kStream>(e, at.y + l);
  }
  apply_rest<0>(at + i, length - i, f);
}

template <bool kStream, class P>
struct ApplySlices {
  const View& v;
  const P& all;
  const Coefficients& k;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    from_the_back(v, [this](int64_t n) HWY_ATTR {
      for (int64_t g = 0; g < v.groups(); ++g) {
        const auto f = forward_of<kGroup>(k, g * kGroup);
        P here = all + (n * v.sample() + g * v.slice());
        int64_t length = v.slice();
        if constexpr (kStream)
          if (int64_t head = std::min(length, floats_to_alignment(here.y)); head > 0) {
            apply_rest<0>(here, head, f);
            here = here + head, length -= head;
          }
        apply_slice<kStream>(here, length, f);
      }
    });
  }
};

template <bool kStream, class P>
HWY_INLINE void apply_rows(const View& v, const P& all, const Coefficients& k) {
  const int64_t width = v.channels;
  from_the_back(v, [&](int64_t n) HWY_ATTR {
    int64_t c = 0, at = n * width;
    for (; c + kLanes <= width; c += kLanes, at += kLanes)
      store<kStream>(all.result(forward_at(k, c), at), all.y + at);
    if (const int64_t rest = width - c; rest > 0)
      (all + at).finish(forward_first(k, c, rest), rest);
  });
}

template <bool kStream, class P>
HWY_INLINE void apply_any(const View& v, const P& all, const Coefficients& k) {
  if (v.rows())
    apply_rows<kStream>(v, all, k);
  else
    with_group(v.group, ApplySlices<kStream, P>{v, all, k});
  if constexpr (kStream) hwy::FlushStream();
}

template <class P>
HWY_INLINE void apply_places(const View& v, const P& all, const Coefficients& k) {
  if (streams(v, all.y))
    apply_any<true>(v, all, k);
  else
    apply_any<false>(v, all, k);
}

template <bool kRelu>
HWY_INLINE void apply_relu(const View& v, const float* x, const float* z, const Coefficients& k,
                           float* y) {
  if (z)
    apply_places(v, Places<kRelu, true>{x, z, y}, k);
  else
    apply_places(v, Places<kRelu, false>{x, z, y}, k);
}

void apply(const Pass& pass, const float* x, const float* z, const Coefficients& k, float* y) {
  if (pass.relu)
    apply_relu<true>(pass.view, x, z, k, y);
  else
    apply_relu<false>(pass.view, x, z, k, y);
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
