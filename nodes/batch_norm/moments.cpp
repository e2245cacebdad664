// Count, mean and M2 per channel, in one sweep through memory. Short runs are summed in f32 around
// a shift and folded into f64 by Chan's formula. The shift of a run is the mean of all runs before
// it: then the square of what the shift is off never exceeds what that difference adds to M2
// itself, so that no data, however far its mean lies from zero, cancels digits away.
// A channel of equal values has M2 = 0 exactly.
#include "batch_norm/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/moments.cpp"
#include <cmath>

#include "batch_norm/merge.h"
#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>  // compiles this file once for each instruction set
#include "batch_norm/sums-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

// x - shift and its square.
template <bool kSame>
struct Spread {
  const float* x;
  Four<Vec, kSame> shift;

  template <int kSlot>
  HWY_INLINE void add(int64_t at, Vec& sum, Vec& square) const {
    const Vec d = hn::Sub(hn::LoadU(F32(), x + at), shift.template at<kSlot>());
    sum = hn::Add(sum, d);
    square = hn::MulAdd(d, d, square);
  }
  template <int kSlot>
  HWY_INLINE void add_first(int64_t at, int64_t n, Vec& sum, Vec& square) const {
    const Vec all = hn::Sub(load_first(x + at, n), shift.template at<kSlot>());
    const Vec d = hn::IfThenElseZero(hn::FirstN(F32(), size_t(n)), all);
    sum = hn::Add(sum, d);
    square = hn::MulAdd(d, d, square);
  }
};

struct SpreadRows {
  const float *x, *shift;

  HWY_INLINE Spread<true> at(int64_t c, int64_t n) const {
    const Vec k = n == kLanes ? hn::LoadU(F32(), shift + c) : load_first(shift + c, n);
    return {x, {k, k, k, k}};
  }
};

template <int64_t kGroup>
HWY_NOINLINE void sum_spread(const float* x, const Walk& walk, const float* shift, double* sum,
                             double* square) {
  const Four<Vec, same_for_all(kGroup)> k{repeated<kGroup>(shift, 0), repeated<kGroup>(shift, 1),
                                          repeated<kGroup>(shift, 2), repeated<kGroup>(shift, 3)};
  sum_walk<kGroup>(Spread<same_for_all(kGroup)>{x, k}, walk, sum, square);
}

HWY_NOINLINE void sum_spread_rows(const float* x, int64_t rows, int64_t width, const float* shift,
                                  float* sum, float* square) {
  sum_rows(SpreadRows{x, shift}, rows, width, sum, square);
}

// The mean of the first values of each channel, near enough to shift by.
template <int64_t kGroup>
HWY_INLINE void pilot(const float* x, int64_t length, float* shift) {
  double sum[kGroup] = {}, square[kGroup] = {};
  std::copy(x, x + kGroup, shift);
  sum_spread<kGroup>(x, {1, 0, length}, shift, sum, square);
  for (int64_t j = 0; j < kGroup; ++j) shift[j] += float(sum[j] * double(kGroup) / double(length));
}

struct SliceMoments {
  const View& v;
  const float* x;
  double *mean, *m2;

  template <int64_t kGroup>
  HWY_INLINE void run() const {
    for_each_walk(v, [this](int64_t from, const Walk& walk, int64_t group, int64_t before) {
      add<kGroup>(x + from, walk, group * kGroup, double(before));
    });
  }
  template <int64_t kGroup>
  HWY_INLINE void add(const float* from, const Walk& walk, int64_t first, double before) const {
    const int64_t channels = std::min(kGroup, v.channels - first);
    float shift[kGroup] = {};
    if (before == 0)
      pilot<kGroup>(from, std::min(walk.length, kPilot), shift);
    else
      for (int64_t j = 0; j < channels; ++j) shift[j] = float(mean[first + j]);
    double sum[kGroup] = {}, square[kGroup] = {};
    sum_spread<kGroup>(from, walk, shift, sum, square);
    const double count = double(walk.runs * (walk.length / kGroup));
    for (int64_t j = 0; j < channels; ++j)
      fold(before, count, shift[j], sum[j], square[j], mean[first + j], m2[first + j]);
  }
};

HWY_INLINE void moments_of_rows(const View& v, const float* x, double* mean, double* m2,
                                void* workspace) {
  const int64_t width = v.channels, few = std::min(v.samples, kPilotRows);
  float* shift = static_cast<float*>(workspace);
  float *sum = shift + room(width), *square = sum + room(width);
  std::copy(x, x + width, shift);
  sum_spread_rows(x, few, width, shift, sum, square);
  for (int64_t c = 0; c < width; ++c) shift[c] += sum[c] / float(few);
  for (int64_t n = 0; n < v.samples; n += kRowRun) {
    const int64_t rows = std::min(kRowRun, v.samples - n);
    if (n)
      for (int64_t c = 0; c < width; ++c) shift[c] = float(mean[c]);
    sum_spread_rows(x + n * width, rows, width, shift, sum, square);
    for (int64_t c = 0; c < width; ++c)
      fold(double(n), double(rows), shift[c], sum[c], square[c], mean[c], m2[c]);
  }
}

// Squares of f32 overflow at 1.8e19: such channels are done again in f64, slowly.
HWY_INLINE void moments_in_f64(const View& v, const float* x, int64_t c, double& mean, double& m2) {
  double sum = 0, first = x[v.at(0, c, 0)], rest = 0;
  for (int64_t n = 0; n < v.samples; ++n)
    for (int64_t p = 0; p < v.points; ++p) sum += x[v.at(n, c, p)] - first;
  mean = first + sum / double(v.count());
  m2 = 0;
  for (int64_t n = 0; n < v.samples; ++n)
    for (int64_t p = 0; p < v.points; ++p) {
      double d = x[v.at(n, c, p)] - mean;
      rest += d, m2 += d * d;
    }
  m2 -= rest * rest / double(v.count());
}

void moments(const View& v, const float* x, double* out, void* workspace) {
  double *mean = out + v.channels, *m2 = mean + v.channels;
  std::fill(out, mean, double(v.count()));
  std::fill(mean, m2 + v.channels, 0.0);
  if (v.count() == 0) return;
  if (v.rows())
    moments_of_rows(v, x, mean, m2, workspace);
  else
    with_group(v.group, SliceMoments{v, x, mean, m2});
  for (int64_t c = 0; c < v.channels; ++c)
    if (!std::isfinite(m2[c])) moments_in_f64(v, x, c, mean[c], m2[c]);
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::batch_norm {

MomentsFn moments_kernel(Isa isa) {
  return pick<MomentsFn>(isa, HWY_CHOOSE_SSE4(moments), HWY_CHOOSE_AVX2(moments),
                         HWY_CHOOSE_AVX3(moments));
}

int64_t moments_workspace(const View& v) {
  return v.rows() ? 3 * room(v.channels) * int64_t(sizeof(float)) : 0;
}

}  // namespace braid::batch_norm
#endif
