// The two passes of backward: per channel the sums of g and of g·(x - shift), and then
// dx = g * scale + (x - shift) * slope + bias. Where ReLU is fused, g is 0 where y was not
// positive.
#include "batch_norm/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/backward.cpp"
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include "batch_norm/forward-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

constexpr int64_t kSumRun = 256 * kFour;  // floats between folds into f64
constexpr int64_t kSumRows = 256;
constexpr int64_t kJoin = 128 * kFour;  // small slices of several samples are summed together

template <bool kRelu>
HWY_INLINE void gather(const Forward& f, Vec g, Vec x, Vec& sum, Vec& product) {
  Vec centered = f.centered(x);
  g = f.passed<kRelu>(g, centered);
  sum = hn::Add(sum, g);
  product = hn::MulAdd(g, centered, product);
}

// What does not fill four vectors: vector `kSlot` and those behind it.
template <bool kRelu, int kSlot, class F>
HWY_INLINE void gather_rest(const F& f, const float* g, const float* x, int64_t n, Sums& s,
                            Sums& p) {
  if (n <= 0) return;
  const F32 d;
  const Vec gv = n >= kLanes ? hn::LoadU(d, g) : load_first(g, n);
  const Vec xv = n >= kLanes ? hn::LoadU(d, x) : load_first(x, n);
  gather<kRelu>(f.template at<kSlot>(), gv, xv, s.at<kSlot>(), p.at<kSlot>());
  if constexpr (kSlot < 3)
    gather_rest<kRelu, kSlot + 1>(f, g + kLanes, x + kLanes, n - kLanes, s, p);
}

template <bool kRelu, int64_t kGroup>
HWY_NOINLINE void sum_slices(const float* g, const float* x, int64_t runs, int64_t stride,
                             int64_t length, const FourForward<kGroup>& constants, double* sum,
                             double* product) {
  const F32 d;
  const auto f = constants;
  Sums s = no_sums(), p = no_sums();
  for (int64_t r = 0; r < runs; ++r, g += stride, x += stride) {
    int64_t i = 0;
    for (; i + kFour <= length; i += kFour) {
      const int64_t j = i + kLanes, k = j + kLanes, l = k + kLanes;
      gather<kRelu>(f.template at<0>(), hn::LoadU(d, g + i), hn::LoadU(d, x + i), s.v0, p.v0);
      gather<kRelu>(f.template at<1>(), hn::LoadU(d, g + j), hn::LoadU(d, x + j), s.v1, p.v1);
      gather<kRelu>(f.template at<2>(), hn::LoadU(d, g + k), hn::LoadU(d, x + k), s.v2, p.v2);
      gather<kRelu>(f.template at<3>(), hn::LoadU(d, g + l), hn::LoadU(d, x + l), s.v3, p.v3);
    }
    gather_rest<kRelu, 0>(f, g + i, x + i, length - i, s, p);
  }
  add_to_channels<kGroup>(s, sum);
  add_to_channels<kGroup>(p, product);
}

template <bool kRelu>
struct ReduceSlices {
  const View& v;
  const float *g, *x;
  const Coefficients& k;
  double* sums;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    const int64_t slice = v.slice(), length = std::min(slice, kSumRun);
    const int64_t together = std::max<int64_t>(1, kJoin / slice);
    for (int64_t n = 0; n < v.samples; n += together)
      for (int64_t b = 0; b < v.groups(); ++b) {
        const int64_t first = b * kGroup, channels = std::min(kGroup, v.channels - first);
        const auto f = forward_of<kGroup>(k, first);
        double sum[kGroup] = {}, product[kGroup] = {};
        for (int64_t at = 0; at < slice; at += length) {
          const int64_t from = n * v.sample() + b * slice + at;
          sum_slices<kRelu, kGroup>(g + from, x + from, std::min(together, v.samples - n),
                                    v.sample(), std::min(length, slice - at), f, sum, product);
        }
        for (int64_t j = 0; j < channels; ++j) {
          sums[first + j] += sum[j];
          sums[v.channels + first + j] += product[j];
        }
      }
  }
};

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
    with_group(v.group, ReduceSlices<kRelu>{v, g, x, k, sums});
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
template <bool kRelu, int kSlot, class B>
HWY_INLINE void dx_rest(const B& b, const float* g, const float* x, int64_t n, float* dx) {
  const F32 d;
  const Backward& v = b.template at<kSlot>();
  if (n >= kLanes) {
    hn::StoreU(v.dx<kRelu>(hn::LoadU(d, g), hn::LoadU(d, x)), d, dx);
    if constexpr (kSlot < 3)
      dx_rest<kRelu, kSlot + 1>(b, g + kLanes, x + kLanes, n - kLanes, dx + kLanes);
  } else if (n > 0) {
    store_first(v.dx<kRelu>(load_first(g, n), load_first(x, n)), dx, n);
  }
}

template <bool kRelu, bool kStream, class B>
HWY_INLINE void dx_slice(const B& b, const float* g, const float* x, int64_t length, float* dx) {
  const F32 d;
  int64_t i = 0;
  for (; i + kFour <= length; i += kFour) {
    const int64_t j = i + kLanes, k = j + kLanes, l = k + kLanes;
    const Vec v0 = b.template at<0>().template dx<kRelu>(hn::LoadU(d, g + i), hn::LoadU(d, x + i));
    const Vec v1 = b.template at<1>().template dx<kRelu>(hn::LoadU(d, g + j), hn::LoadU(d, x + j));
    const Vec v2 = b.template at<2>().template dx<kRelu>(hn::LoadU(d, g + k), hn::LoadU(d, x + k));
    const Vec v3 = b.template at<3>().template dx<kRelu>(hn::LoadU(d, g + l), hn::LoadU(d, x + l));
    store<kStream>(v0, dx + i);
    store<kStream>(v1, dx + j);
    store<kStream>(v2, dx + k);
    store<kStream>(v3, dx + l);
  }
  dx_rest<kRelu, 0>(b, g + i, x + i, length - i, dx + i);
}

template <bool kRelu, bool kStream>
struct DxSlices {
  const View& v;
  const float *g, *x;
  const Coefficients& k;
  float* dx;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    for (int64_t n = v.samples - 1; n >= 0; --n)
      for (int64_t c = 0; c < v.groups(); ++c) {
        const auto b = backward_of<kGroup>(k, c * kGroup);
        int64_t at = n * v.sample() + c * v.slice(), length = v.slice();
        if constexpr (kStream)
          if (int64_t head = std::min(length, floats_to_alignment(dx + at)); head > 0) {
            dx_rest<kRelu, 0>(b, g + at, x + at, head, dx + at);
            at += head, length -= head;
          }
        dx_slice<kRelu, kStream>(b, g + at, x + at, length, dx + at);
      }
  }
};

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
    with_group(v.group, DxSlices<kRelu, true>{v, g, x, k, dx});
  else
    with_group(v.group, DxSlices<kRelu, false>{v, g, x, k, dx});
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
  return pick<ReduceFn>(isa, HWY_CHOOSE_SSE4(reduce), HWY_CHOOSE_AVX2(reduce),
                        HWY_CHOOSE_AVX3(reduce));
}

GradientFn gradient_kernel(Isa isa) {
  return pick<GradientFn>(isa, HWY_CHOOSE_SSE4(gradient), HWY_CHOOSE_AVX2(gradient),
                          HWY_CHOOSE_AVX3(gradient));
}

int64_t reduce_workspace(const View& v) {
  return v.rows() ? 2 * (v.channels + 16) * int64_t(sizeof(float)) : 0;
}

}  // namespace braid::batch_norm
#endif
