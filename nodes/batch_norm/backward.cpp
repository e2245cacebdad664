// The two passes of backward: per channel the sums of g and of g·(x - shift), and then
// dx = g * scale + (x - shift) * slope + bias. Where ReLU is fused, g is 0 where y was not
// positive.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/backward.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include "batch_norm/forward-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

constexpr int64_t kSumRun = 256 * kFour;  // floats between folds into f64
constexpr int64_t kSumRows = 256;

template <bool kRelu>
HWY_INLINE void gather(const Forward& f, Vec g, Vec x, Vec& sum, Vec& product) {
  Vec centered = f.centered(x);
  g = f.passed<kRelu>(g, centered);
  sum = hn::Add(sum, g);
  product = hn::MulAdd(g, centered, product);
}

template <bool kRelu>
HWY_INLINE void gather_rest(const FourForward& f, const float* g, const float* x, int64_t n,
                            Four& s, Four& p) {
  const F32 d;
  for (int slot = 0; n > 0; g += kLanes, x += kLanes, n -= kLanes, ++slot) {
    Vec gv = n >= kLanes ? hn::LoadU(d, g) : load_first(g, n);
    Vec xv = n >= kLanes ? hn::LoadU(d, x) : load_first(x, n);
    if (slot == 0) gather<kRelu>(f.v0, gv, xv, s.v0, p.v0);
    if (slot == 1) gather<kRelu>(f.v1, gv, xv, s.v1, p.v1);
    if (slot == 2) gather<kRelu>(f.v2, gv, xv, s.v2, p.v2);
    if (slot == 3) gather<kRelu>(f.v3, gv, xv, s.v3, p.v3);
  }
}

template <bool kRelu>
HWY_NOINLINE void sum_slices(const float* g, const float* x, int64_t runs, int64_t stride,
                             int64_t length, int64_t group, const FourForward& f, double* sum,
                             double* product) {
  const F32 d;
  Four s = four_zeros(), p = four_zeros();
  for (int64_t r = 0; r < runs; ++r, g += stride, x += stride) {
    int64_t i = 0;
    for (; i + kFour <= length; i += kFour) {
      const int64_t j = i + kLanes, k = j + kLanes, l = k + kLanes;
      gather<kRelu>(f.v0, hn::LoadU(d, g + i), hn::LoadU(d, x + i), s.v0, p.v0);
      gather<kRelu>(f.v1, hn::LoadU(d, g + j), hn::LoadU(d, x + j), s.v1, p.v1);
      gather<kRelu>(f.v2, hn::LoadU(d, g + k), hn::LoadU(d, x + k), s.v2, p.v2);
      gather<kRelu>(f.v3, hn::LoadU(d, g + l), hn::LoadU(d, x + l), s.v3, p.v3);
    }
    gather_rest<kRelu>(f, g + i, x + i, length - i, s, p);
  }
  add_to_channels(s, group, sum);
  add_to_channels(p, group, product);
}

template <bool kRelu>
HWY_INLINE void reduce_slices(const View& v, const float* g, const float* x, const Coefficients& k,
                              double* sums) {
  const int64_t slice = v.slice(), length = std::min(slice, kSumRun);
  const int64_t together = std::max<int64_t>(1, kSumRun / slice);
  for (int64_t n = 0; n < v.samples; n += together) {
    const int64_t runs = std::min(together, v.samples - n);
    for (int64_t b = 0; b < v.groups(); ++b) {
      const int64_t first = b * v.group, channels = std::min(v.group, v.channels - first);
      const FourForward f(k, first, v.group);
      double sum[kMaxGroup] = {}, product[kMaxGroup] = {};
      for (int64_t at = 0; at < slice; at += length) {
        const int64_t from = n * v.sample() + b * slice + at;
        sum_slices<kRelu>(g + from, x + from, runs, v.sample(), std::min(length, slice - at),
                          v.group, f, sum, product);
      }
      for (int64_t j = 0; j < channels; ++j) {
        sums[first + j] += sum[j];
        sums[v.channels + first + j] += product[j];
      }
    }
  }
}

template <bool kRelu>
HWY_NOINLINE void sum_rows(const float* g, const float* x, int64_t rows, int64_t width,
                           const Coefficients& k, float* sum, float* product) {
  const F32 d;
  for (int64_t r = 0; r < rows; r += 4) {
    const int64_t few = std::min<int64_t>(4, rows - r);
    for (int64_t c = 0; c < width; c += kLanes) {
      const int64_t n = std::min(kLanes, width - c);
      const Forward f = n == kLanes ? forward_at(k, c) : forward_first(k, c, n);
      Vec s = hn::LoadU(d, sum + c), p = hn::LoadU(d, product + c);
      for (int64_t i = 0; i < few; ++i) {
        const int64_t at = (r + i) * width + c;
        Vec gv = n == kLanes ? hn::LoadU(d, g + at) : load_first(g + at, n);
        Vec xv = n == kLanes ? hn::LoadU(d, x + at) : load_first(x + at, n);
        gather<kRelu>(f, gv, xv, s, p);
      }
      hn::StoreU(s, d, sum + c);
      hn::StoreU(p, d, product + c);
    }
  }
}

// The workspace holds two rows, each rounded up to whole vectors.
template <bool kRelu>
HWY_INLINE void reduce_rows(const View& v, const float* g, const float* x, const Coefficients& k,
                            double* sums, void* workspace) {
  const int64_t width = v.channels, padded = (width + kMaxGroup - 1) / kMaxGroup * kMaxGroup;
  float *sum = static_cast<float*>(workspace), *product = sum + padded;
  for (int64_t n = 0; n < v.samples; n += kSumRows) {
    std::fill(sum, sum + 2 * padded, 0.0f);
    sum_rows<kRelu>(g + n * width, x + n * width, std::min(kSumRows, v.samples - n), width, k, sum,
                    product);
    for (int64_t c = 0; c < width; ++c) {
      sums[c] += sum[c];
      sums[width + c] += product[c];
    }
  }
}

template <bool kRelu>
HWY_INLINE void reduce_any(const View& v, const float* g, const float* x, const Coefficients& k,
                           double* sums, void* workspace) {
  std::fill(sums, sums + 2 * v.channels, 0.0);
  if (v.rows())
    reduce_rows<kRelu>(v, g, x, k, sums, workspace);
  else
    reduce_slices<kRelu>(v, g, x, k, sums);
}

void reduce(const Pass& pass, const float* g, const float* x, const Coefficients& k, double* sums,
            void* workspace) {
  if (pass.relu)
    reduce_any<true>(pass.view, g, x, k, sums, workspace);
  else
    reduce_any<false>(pass.view, g, x, k, sums, workspace);
}

// ---- dx -----------------------------------------------------------------------------------------

struct Backward {
  Forward f;
  Vec slope, bias;

  template <bool kRelu>
  HWY_INLINE Vec dx(Vec g, Vec x) const {
    Vec centered = f.centered(x);
    return hn::MulAdd(f.passed<kRelu>(g, centered), f.scale, hn::MulAdd(centered, slope, bias));
  }
};

struct FourBackward {
  Backward v0, v1, v2, v3;

  HWY_INLINE FourBackward(const Coefficients& k, int64_t channel, int64_t group) {
    FourForward f(k, channel, group);
    Four slope = load_four(k.slope + channel, group), bias = load_four(k.bias + channel, group);
    v0 = {f.v0, slope.v0, bias.v0};
    v1 = {f.v1, slope.v1, bias.v1};
    v2 = {f.v2, slope.v2, bias.v2};
    v3 = {f.v3, slope.v3, bias.v3};
  }
  HWY_INLINE const Backward& slot(int i) const {
    return i == 0 ? v0 : i == 1 ? v1 : i == 2 ? v2 : v3;
  }
};

template <bool kRelu, bool kStream>
HWY_INLINE void dx_slice(const FourBackward& b, const float* g, const float* x, int64_t length,
                         float* dx) {
  const F32 d;
  int64_t i = 0;
  for (; i + kFour <= length; i += kFour) {
    const int64_t j = i + kLanes, k = j + kLanes, l = k + kLanes;
    store<kStream>(b.v0.dx<kRelu>(hn::LoadU(d, g + i), hn::LoadU(d, x + i)), dx + i);
    store<kStream>(b.v1.dx<kRelu>(hn::LoadU(d, g + j), hn::LoadU(d, x + j)), dx + j);
    store<kStream>(b.v2.dx<kRelu>(hn::LoadU(d, g + k), hn::LoadU(d, x + k)), dx + k);
    store<kStream>(b.v3.dx<kRelu>(hn::LoadU(d, g + l), hn::LoadU(d, x + l)), dx + l);
  }
  for (int slot = 0; i < length; i += kLanes, ++slot) {
    const Backward& v = b.slot(slot);
    const int64_t n = length - i;
    if (n >= kLanes)
      store<kStream>(v.dx<kRelu>(hn::LoadU(d, g + i), hn::LoadU(d, x + i)), dx + i);
    else
      store_first(v.dx<kRelu>(load_first(g + i, n), load_first(x + i, n)), dx + i, n);
  }
}

template <bool kRelu, bool kStream>
HWY_INLINE void dx_slices(const View& v, const float* g, const float* x, const Coefficients& k,
                          float* dx) {
  for (int64_t n = v.samples - 1; n >= 0; --n)
    for (int64_t c = 0; c < v.groups(); ++c) {
      const FourBackward b(k, c * v.group, v.group);
      int64_t at = n * v.sample() + c * v.slice(), length = v.slice();
      if constexpr (kStream)
        if (int64_t head = std::min(length, floats_to_alignment(dx + at)); head > 0) {
          store_first(b.v0.dx<kRelu>(load_first(g + at, head), load_first(x + at, head)), dx + at,
                      head);
          at += head, length -= head;
        }
      dx_slice<kRelu, kStream>(b, g + at, x + at, length, dx + at);
    }
}

template <bool kRelu>
HWY_INLINE void dx_rows(const View& v, const float* g, const float* x, const Coefficients& k,
                        float* dx) {
  const F32 d;
  const int64_t width = v.channels;
  for (int64_t n = v.samples - 1; n >= 0; --n)
    for (int64_t c = 0; c < width; c += kLanes) {
      const int64_t at = n * width + c, some = std::min(kLanes, width - c);
      if (some == kLanes) {
        const Backward b{forward_at(k, c), hn::LoadU(d, k.slope + c), hn::LoadU(d, k.bias + c)};
        hn::StoreU(b.dx<kRelu>(hn::LoadU(d, g + at), hn::LoadU(d, x + at)), d, dx + at);
      } else {
        const Backward b{forward_first(k, c, some), load_first(k.slope + c, some),
                         load_first(k.bias + c, some)};
        store_first(b.dx<kRelu>(load_first(g + at, some), load_first(x + at, some)), dx + at, some);
      }
    }
}

template <bool kRelu>
HWY_INLINE void dx_any(const View& v, const float* g, const float* x, const Coefficients& k,
                       float* dx) {
  if (v.rows())
    dx_rows<kRelu>(v, g, x, k, dx);
  else if (streams(v, dx))
    dx_slices<kRelu, true>(v, g, x, k, dx);
  else
    dx_slices<kRelu, false>(v, g, x, k, dx);
  hwy::FlushStream();
}

void gradient(const Pass& pass, const float* g, const float* x, const Coefficients& k, float* dx) {
  if (pass.relu)
    dx_any<true>(pass.view, g, x, k, dx);
  else
    dx_any<false>(pass.view, g, x, k, dx);
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::batch_norm {

ReduceFn reduce_kernel(Isa isa) {
  return pick<ReduceFn>(isa, HWY_CHOOSE_FALLBACK(reduce), HWY_CHOOSE_SSE4(reduce),
                        HWY_CHOOSE_AVX2(reduce), HWY_CHOOSE_AVX3(reduce));
}

GradientFn gradient_kernel(Isa isa) {
  return pick<GradientFn>(isa, HWY_CHOOSE_FALLBACK(gradient), HWY_CHOOSE_SSE4(gradient),
                          HWY_CHOOSE_AVX2(gradient), HWY_CHOOSE_AVX3(gradient));
}

int64_t reduce_workspace(const View& v) {
  return v.rows() ? 2 * (v.channels + 16) * int64_t(sizeof(float)) : 0;
}

}  // namespace braid::batch_norm
#endif
