// The two passes of backward: per channel the sums of g and of g·(x - shift), and then
// dx = (g + (x - shift) * slope + bias) * scale. Where ReLU is fused, g is 0 where y was not
// positive.
#include "batch_norm/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/backward.cpp"
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include "batch_norm/forward-inl.h"
#include "batch_norm/sums-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

// g and g·(x - shift).
template <bool kRelu, bool kSame>
struct Passed {
  const float *g, *x;
  Four<Forward, kSame> forward;

  template <int kSlot>
  HWY_INLINE void add(int64_t at, Vec& sum, Vec& product) const {
    add<kSlot>(hn::LoadU(F32(), g + at), hn::LoadU(F32(), x + at), sum, product);
  }
  template <int kSlot>
  HWY_INLINE void add_first(int64_t at, int64_t n, Vec& sum, Vec& product) const {
    add<kSlot>(load_first(g + at, n), load_first(x + at, n), sum, product);
  }
  template <int kSlot>
  HWY_INLINE void add(Vec gv, Vec xv, Vec& sum, Vec& product) const {
    const Forward& f = forward.template at<kSlot>();
    const Vec centered = f.centered(xv);
    const Vec passed = f.passed<kRelu>(gv, centered);
    sum = hn::Add(sum, passed);
    product = hn::MulAdd(passed, centered, product);
  }
};

template <bool kRelu>
struct PassedRows {
  const float *g, *x;
  const Coefficients& k;

  HWY_INLINE Passed<kRelu, true> at(int64_t c, int64_t n) const {
    const Forward f = n == kLanes ? forward_at(k, c) : forward_first(k, c, n);
    return {g, x, {f, f, f, f}};
  }
};

template <bool kRelu, int64_t kGroup>
HWY_NOINLINE void sum_passed(const float* g, const float* x, const Walk& walk,
                             const Coefficients& k, int64_t channel, double* sum, double* product) {
  const Passed<kRelu, same_for_all(kGroup)> term{g, x, forward_of<kGroup>(k, channel)};
  sum_walk<kGroup>(term, walk, sum, product);
}

template <bool kRelu>
struct ReduceSlices {
  const View& v;
  const float *g, *x;
  const Coefficients& k;
  double* sums;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    for_each_walk(v, [this](int64_t from, const Walk& walk, int64_t group, int64_t) {
      const int64_t first = group * kGroup;
      double sum[kGroup] = {}, product[kGroup] = {};
      sum_passed<kRelu, kGroup>(g + from, x + from, walk, k, first, sum, product);
      for (int64_t j = 0; j < std::min(kGroup, v.channels - first); ++j) {
        sums[first + j] += sum[j];
        sums[v.channels + first + j] += product[j];
      }
    });
  }
};

template <bool kRelu>
HWY_NOINLINE void reduce_rows(const View& v, const float* g, const float* x, const Coefficients& k,
                              double* sums, void* workspace) {
  const int64_t width = v.channels;
  float *sum = static_cast<float*>(workspace), *product = sum + room(width);
  for (int64_t n = 0; n < v.samples; n += kRowRun) {
    const PassedRows<kRelu> term{g + n * width, x + n * width, k};
    sum_rows(term, std::min(kRowRun, v.samples - n), width, sum, product);
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
    return hn::Mul(hn::Add(f.passed<kRelu>(g, centered), hn::MulAdd(centered, slope, bias)),
                   f.scale);
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
    from_the_back(v, [this](int64_t n) HWY_ATTR {
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
    });
  }
};

template <bool kRelu, bool kStream>
HWY_INLINE void dx_rows(const View& v, const float* g, const float* x, const Coefficients& k,
                        float* dx) {
  const F32 d;
  const int64_t width = v.channels;
  from_the_back(v, [&](int64_t n) HWY_ATTR {
    int64_t c = 0, at = n * width;
    for (; c + kLanes <= width; c += kLanes, at += kLanes) {
      const Backward b{forward_at(k, c), hn::LoadU(d, k.slope + c), hn::LoadU(d, k.bias + c)};
      store<kStream>(b.dx<kRelu>(hn::LoadU(d, g + at), hn::LoadU(d, x + at)), dx + at);
    }
    if (const int64_t rest = width - c; rest > 0) {
      const Backward b{forward_first(k, c, rest), load_first(k.slope + c, rest),
                       load_first(k.bias + c, rest)};
      store_first(b.dx<kRelu>(load_first(g + at, rest), load_first(x + at, rest)), dx + at, rest);
    }
  });
}

template <bool kRelu, bool kStream>
HWY_INLINE void dx_any(const View& v, const float* g, const float* x, const Coefficients& k,
                       float* dx) {
  if (v.rows())
    dx_rows<kRelu, kStream>(v, g, x, k, dx);
  else
    with_group(v.group, DxSlices<kRelu, kStream>{v, g, x, k, dx});
  if constexpr (kStream) hwy::FlushStream();
}

template <bool kRelu>
HWY_INLINE void dx_relu(const View& v, const float* g, const float* x, const Coefficients& k,
                        float* dx) {
  if (streams(v, dx))
    dx_any<kRelu, true>(v, g, x, k, dx);
  else
    dx_any<kRelu, false>(v, g, x, k, dx);
}

void gradient(const Pass& pass, const float* g, const float* x, const Coefficients& k, float* dx) {
  if (pass.relu)
    dx_relu<true>(pass.view, g, x, k, dx);
  else
    dx_relu<false>(pass.view, g, x, k, dx);
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
  return v.rows() ? 2 * room(v.channels) * int64_t(sizeof(float)) : 0;
}

}  // namespace braid::batch_norm
#endif
