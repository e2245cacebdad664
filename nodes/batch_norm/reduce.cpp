// The first pass of backward: per channel the sums of g and of g·(x - shift). Where ReLU is fused,
// g is 0 where y was not positive; where a sum stands before ReLU, y is given, and what passes is
// written in the same sweep.
#include "batch_norm/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/reduce.cpp"
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include "batch_norm/forward-inl.h"
#include "batch_norm/sums-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

/// Which gradients pass: all; where the normalized value is positive; where the result of a ReLU
/// further on is, and then those that pass are written, too, for others read them.
enum class Relu { none, fused, apart };

// The operands at the same place.
template <Relu kRelu>
struct Places {
  const float *g, *x, *y;
  float* passed;

  HWY_INLINE Places operator+(int64_t n) const {
    if constexpr (kRelu != Relu::apart) return {g + n, x + n, y, passed};
    return {g + n, x + n, y + n, passed + n};
  }
};

// g and g·(x - shift). With a mask, a value that no gradient reaches is not looked at: it may be
// padding, and NaN.
template <Relu kRelu, bool kMasked, bool kSame>
struct Passed {
  Places<kRelu> all;
  Four<Forward, kSame> forward;

  template <int kSlot>
  HWY_INLINE void add(int64_t at, Vec& sum, Vec& product) const {
    const F32 d;
    Vec g = hn::LoadU(d, all.g + at);
    if constexpr (kRelu == Relu::apart) {
      g = where_positive(g, hn::LoadU(d, all.y + at));
      hn::StoreU(g, d, all.passed + at);
    }
    add<kSlot>(g, hn::LoadU(d, all.x + at), sum, product);
  }
  template <int kSlot>
  HWY_INLINE void add_first(int64_t at, int64_t n, Vec& sum, Vec& product) const {
    Vec g = load_first(all.g + at, n);
    if constexpr (kRelu == Relu::apart) {
      g = where_positive(g, load_first(all.y + at, n));
      store_first(g, all.passed + at, n);
    }
    add<kSlot>(g, load_first(all.x + at, n), sum, product);
  }
  template <int kSlot>
  HWY_INLINE void add(Vec gv, Vec xv, Vec& sum, Vec& product) const {
    const Forward& f = forward.template at<kSlot>();
    const Vec centered = f.centered(xv);
    const Vec passed = f.passed<kRelu == Relu::fused>(gv, centered);
    sum = hn::Add(sum, passed);
    if constexpr (kMasked) {
      const auto unreached = hn::Eq(passed, hn::Zero(F32()));
      product = hn::MulAdd(passed, hn::IfThenZeroElse(unreached, centered), product);
    } else {
      product = hn::MulAdd(passed, centered, product);
    }
  }
};

template <Relu kRelu, bool kMasked>
struct PassedRows {
  const Places<kRelu> all;
  const Coefficients& k;

  HWY_INLINE Passed<kRelu, kMasked, true> at(int64_t c, int64_t n) const {
    const Forward f = n == kLanes ? forward_at(k, c) : forward_first(k, c, n);
    return {all, {f, f, f, f}};
  }
};

template <Relu kRelu, bool kMasked, int64_t kGroup>
HWY_NOINLINE void sum_passed(const Places<kRelu>& all, const Walk& walk, const Coefficients& k,
                             int64_t channel, double* sum, double* product) {
  const Passed<kRelu, kMasked, same_for_all(kGroup)> term{all, forward_of<kGroup>(k, channel)};
  sum_walk<kGroup>(term, walk, sum, product);
}

template <Relu kRelu, bool kMasked>
struct ReduceSlices {
  const View& v;
  const Places<kRelu>& all;
  const Coefficients& k;
  double* sums;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    for_each_walk(v, [this](int64_t from, const Walk& walk, int64_t group, int64_t) {
      const int64_t first = group * kGroup;
      double sum[kGroup] = {}, product[kGroup] = {};
      sum_passed<kRelu, kMasked, kGroup>(all + from, walk, k, first, sum, product);
      for (int64_t j = 0; j < std::min(kGroup, v.channels - first); ++j) {
        sums[first + j] += sum[j];
        sums[v.channels + first + j] += product[j];
      }
    });
  }
};

template <Relu kRelu, bool kMasked>
HWY_NOINLINE void reduce_rows(const View& v, const Places<kRelu>& all, const Coefficients& k,
                              double* sums, void* workspace) {
  const int64_t width = v.channels;
  float *sum = static_cast<float*>(workspace), *product = sum + room(width);
  for (int64_t n = 0; n < v.samples; n += kRowRun) {
    const PassedRows<kRelu, kMasked> term{all + n * width, k};
    sum_rows(term, std::min(kRowRun, v.samples - n), width, sum, product);
    for (int64_t c = 0; c < width; ++c) {
      sums[c] += sum[c];
      sums[width + c] += product[c];
    }
  }
}

template <Relu kRelu, bool kMasked>
HWY_INLINE void reduce_any(const View& v, const Places<kRelu>& all, const Coefficients& k,
                           double* sums, void* workspace) {
  std::fill(sums, sums + 2 * v.channels, 0.0);
  if (v.rows())
    reduce_rows<kRelu, kMasked>(v, all, k, sums, workspace);
  else
    with_group(v.group, ReduceSlices<kRelu, kMasked>{v, all, k, sums});
}

template <Relu kRelu>
HWY_INLINE void reduce_relu(const Pass& pass, const Places<kRelu>& all, const Coefficients& k,
                            double* sums, void* workspace) {
  if (pass.masked)
    reduce_any<kRelu, true>(pass.view, all, k, sums, workspace);
  else
    reduce_any<kRelu, false>(pass.view, all, k, sums, workspace);
}

void reduce(const Pass& pass, const float* g, const float* x, const Gate& gate,
            const Coefficients& k, double* sums, void* workspace) {
  if (gate.y)
    reduce_relu(pass, Places<Relu::apart>{g, x, gate.y, gate.passed}, k, sums, workspace);
  else if (pass.relu)
    reduce_relu(pass, Places<Relu::fused>{g, x, nullptr, nullptr}, k, sums, workspace);
  else
    reduce_relu(pass, Places<Relu::none>{g, x, nullptr, nullptr}, k, sums, workspace);
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::batch_norm {

ReduceFn reduce_kernel(Isa isa) {
  return pick<ReduceFn>(isa, HWY_CHOOSE_SSE4(reduce), HWY_CHOOSE_AVX2(reduce),
                        HWY_CHOOSE_AVX3(reduce));
}

int64_t reduce_workspace(const View& v) {
  return v.rows() ? 2 * room(v.channels) * int64_t(sizeof(float)) : 0;
}

}  // namespace braid::batch_norm
#endif
