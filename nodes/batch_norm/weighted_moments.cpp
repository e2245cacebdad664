// Count, mean and M2 of weighted values, for masks. A weight says how often a value counts, so the
// count is the sum of the weights. What has weight 0 is not there: its value is selected away,
// never multiplied, because padding may be NaN. Otherwise as moments.cpp: runs are summed in f32
// around the mean of what came before and folded into f64.
#include "batch_norm/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/weighted_moments.cpp"
#include <cmath>

#include "batch_norm/merge.h"
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include "batch_norm/sums-inl.h"
#include "batch_norm/weights-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

// The positions of a stretch from the first that counts to the last.
struct Counted {
  int64_t first = 0, end = 0;
  double weight = 0;
  int64_t length() const { return end - first; }
};

HWY_INLINE Counted counted(const float* w, int64_t points) {
  Counted c;
  while (points > 0 && !(w[points - 1] > 0)) --points;
  while (c.first < points && !(w[c.first] > 0)) ++c.first;
  for (c.end = c.first; c.end < points; ++c.end) c.weight += w[c.end];
  return c;
}

// w·(x - shift) and w·(x - shift)².
HWY_INLINE void add_weighted(Vec w, Vec x, Vec shift, Vec& sum, Vec& square) {
  const auto counts = hn::Gt(w, hn::Zero(F32()));
  const Vec d = hn::IfThenElseZero(counts, hn::Sub(x, shift)), weighted = hn::Mul(w, d);
  sum = hn::Add(sum, weighted);
  square = hn::MulAdd(weighted, d, square);
}

template <bool kSame>
struct WeightedSpread {
  const float *x, *w;
  Four<Vec, kSame> shift;

  template <int kSlot>
  HWY_INLINE void add(int64_t at, Vec& sum, Vec& square) const {
    const F32 d;
    add_weighted(hn::LoadU(d, w + at), hn::LoadU(d, x + at), shift.template at<kSlot>(), sum,
                 square);
  }
  template <int kSlot>
  HWY_INLINE void add_first(int64_t at, int64_t n, Vec& sum, Vec& square) const {
    add_weighted(load_first(w + at, n), load_first(x + at, n), shift.template at<kSlot>(), sum,
                 square);
  }
};

template <int64_t kGroup>
HWY_NOINLINE void sum_weighted(const float* x, const float* w, int64_t length, const float* shift,
                               double* sum, double* square) {
  const Four<Vec, same_for_all(kGroup)> k{repeated<kGroup>(shift, 0), repeated<kGroup>(shift, 1),
                                          repeated<kGroup>(shift, 2), repeated<kGroup>(shift, 3)};
  sum_walk<kGroup>(WeightedSpread<same_for_all(kGroup)>{x, w, k}, Walk{1, 0, length}, sum, square);
}

struct WeightedSlices {
  const View& v;
  const float *x, *w;
  double *count, *mean, *m2;
  float* workspace;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    for (int64_t n = 0; n < v.samples; ++n)
      for_each_stretch<kGroup>(v, [this, n](int64_t from, int64_t points) HWY_ATTR {
        const float* weights = w + n * v.points + from;
        const Counted c = counted(weights, points);
        if (c.weight == 0) return;
        weights += c.first, from += c.first;
        const float* here = beside<kGroup>(weights, c.length(), workspace);
        const double pilot = counted(weights, std::min(c.length(), kPilot / kGroup)).weight;
        for (int64_t g = 0; g < v.groups(); ++g)
          add<kGroup>(x + n * v.sample() + g * v.slice() + from * kGroup, here, c, pilot,
                      g * kGroup);
        *count += c.weight;
      });
  }
  template <int64_t kGroup>
  HWY_INLINE void add(const float* from, const float* weights, const Counted& c, double pilot,
                      int64_t first) const {
    const int64_t channels = std::min(kGroup, v.channels - first), length = c.length() * kGroup;
    float shift[kGroup] = {};
    double sum[kGroup] = {}, square[kGroup] = {};
    if (*count == 0) {
      std::copy(from, from + kGroup, shift);
      sum_weighted<kGroup>(from, weights, std::min(length, kPilot), shift, sum, square);
      for (int64_t j = 0; j < kGroup; ++j) shift[j] += float(sum[j] / pilot), sum[j] = 0;
      std::fill_n(square, kGroup, 0.0);
    } else {
      for (int64_t j = 0; j < channels; ++j) shift[j] = float(mean[first + j]);
    }
    sum_weighted<kGroup>(from, weights, length, shift, sum, square);
    for (int64_t j = 0; j < channels; ++j)
      fold(*count, c.weight, shift[j], sum[j], square[j], mean[first + j], m2[first + j]);
  }
};

// Down the columns; rows without weight are passed over.
HWY_NOINLINE void sum_weighted_rows(const float* x, const float* w, int64_t rows, int64_t width,
                                    const float* shift, float* sum, float* square) {
  const F32 d;
  std::fill(sum, sum + width, 0.0f);
  std::fill(square, square + width, 0.0f);
  for (int64_t r = 0; r < rows; r += kRowChain)
    for (int64_t c = 0; c < width; c += kLanes) {
      const int64_t n = std::min(kLanes, width - c), end = std::min(rows, r + kRowChain);
      const bool whole = n == kLanes;
      const Vec k = whole ? hn::LoadU(d, shift + c) : load_first(shift + c, n);
      Vec a = hn::Zero(d), b = a;
      for (int64_t i = r; i < end; ++i) {
        if (!(w[i] > 0)) continue;
        const float* from = x + i * width + c;
        add_weighted(hn::Set(d, w[i]), whole ? hn::LoadU(d, from) : load_first(from, n), k, a, b);
      }
      hn::StoreU(hn::Add(hn::LoadU(d, sum + c), a), d, sum + c);
      hn::StoreU(hn::Add(hn::LoadU(d, square + c), b), d, square + c);
    }
}

HWY_INLINE void weighted_rows(const View& v, const float* x, const float* w, double* count,
                              double* mean, double* m2, void* workspace) {
  const int64_t width = v.channels;
  float* shift = static_cast<float*>(workspace);
  float *sum = shift + room(width), *square = sum + room(width);
  for (int64_t n = 0; n < v.samples; n += kRowRun) {
    const Counted c = counted(w + n, std::min(kRowRun, v.samples - n));
    if (c.weight == 0) continue;
    const float *from = x + (n + c.first) * width, *weights = w + n + c.first;
    if (*count == 0) {
      const int64_t few = std::min(c.length(), kPilotRows);
      const float weight = float(counted(weights, few).weight);
      std::copy(from, from + width, shift);
      sum_weighted_rows(from, weights, few, width, shift, sum, square);
      for (int64_t i = 0; i < width; ++i) shift[i] += sum[i] / weight;
    } else {
      for (int64_t i = 0; i < width; ++i) shift[i] = float(mean[i]);
    }
    sum_weighted_rows(from, weights, c.length(), width, shift, sum, square);
    for (int64_t i = 0; i < width; ++i)
      fold(*count, c.weight, shift[i], sum[i], square[i], mean[i], m2[i]);
    *count += c.weight;
  }
}

// Squares of f32 overflow at 1.8e19: such channels are done again in f64, slowly.
HWY_INLINE void weighted_in_f64(const View& v, const float* x, const float* w, int64_t c,
                                double count, double& mean, double& m2) {
  auto each = [&](auto f) {
    for (int64_t n = 0; n < v.samples; ++n)
      for (int64_t p = 0; p < v.points; ++p)
        if (const double weight = w[n * v.points + p]; weight > 0) f(weight, x[v.at(n, c, p)]);
  };
  double first = 0, sum = 0, rest = 0;
  bool begun = false;
  each([&](double weight, double value) {
    if (!begun) first = value, begun = true;
    sum += weight * (value - first);
  });
  mean = first + sum / count;
  m2 = 0;
  each([&](double weight, double value) {
    const double d = value - mean;
    rest += weight * d, m2 += weight * d * d;
  });
  m2 -= rest * rest / count;
}

void weighted_moments(const View& v, const float* x, const float* w, double* out, void* workspace) {
  double *mean = out + v.channels, *m2 = mean + v.channels, count = 0;
  std::fill(out, m2 + v.channels, 0.0);
  if (v.rows())
    weighted_rows(v, x, w, &count, mean, m2, workspace);
  else
    with_group(v.group, WeightedSlices{v, x, w, &count, mean, m2, static_cast<float*>(workspace)});
  std::fill(out, mean, count);
  for (int64_t c = 0; c < v.channels; ++c)
    if (!std::isfinite(m2[c])) weighted_in_f64(v, x, w, c, count, mean[c], m2[c]);
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::batch_norm {

WeightedMomentsFn weighted_moments_kernel(Isa isa) {
  return pick<WeightedMomentsFn>(isa, HWY_CHOOSE_SSE4(weighted_moments),
                                 HWY_CHOOSE_AVX2(weighted_moments),
                                 HWY_CHOOSE_AVX3(weighted_moments));
}

}  // namespace braid::batch_norm
#endif
