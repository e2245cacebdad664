// Count, mean and M2 per channel, in one sweep through memory. Short runs are summed in f32 around
// a shift and folded into f64 by Chan's formula. The shift of a run is the mean of all runs before
// it: then the square of what the shift is off never exceeds what that difference adds to M2
// itself, so that no data, however far its mean lies from zero, cancels digits away.
// A channel of equal values has M2 = 0 exactly.
#include "batch_norm/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/moments.cpp"
#include <cmath>

#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>  // compiles this file once for each instruction set
#include "batch_norm/lanes-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

constexpr int64_t kRun = 256 * kFour;   // floats between folds: each lane adds 256 of them
constexpr int64_t kPilot = 8 * kFour;   // floats whose mean is the first shift
constexpr int64_t kJoin = 128 * kFour;  // small slices of several samples are summed together
constexpr int64_t kRowRun = 256;        // rows between folds

HWY_INLINE void gather(Vec x, Vec shift, Vec& sum, Vec& square) {
  Vec d = hn::Sub(x, shift);
  sum = hn::Add(sum, d);
  square = hn::MulAdd(d, d, square);
}

// What does not fill four vectors: vector `kSlot` and those behind it.
template <int kSlot, class Shift>
HWY_INLINE void gather_rest(const float* x, int64_t n, const Shift& k, Sums& s, Sums& q) {
  if (n >= kLanes) {
    gather(hn::LoadU(F32(), x), k.template at<kSlot>(), s.at<kSlot>(), q.at<kSlot>());
    if constexpr (kSlot < 3) gather_rest<kSlot + 1>(x + kLanes, n - kLanes, k, s, q);
  } else if (n > 0) {
    Vec d = hn::Sub(load_first(x, n), k.template at<kSlot>());
    d = hn::IfThenElseZero(hn::FirstN(F32(), size_t(n)), d);
    s.at<kSlot>() = hn::Add(s.at<kSlot>(), d);
    q.at<kSlot>() = hn::MulAdd(d, d, q.at<kSlot>());
  }
}

// Sums of x - shift and its square over `runs` pieces of `length` floats, `stride` apart; one of
// each for every channel of the group.
template <int64_t kGroup>
HWY_NOINLINE void sum_slices(const float* x, int64_t runs, int64_t stride, int64_t length,
                             const float* shift, double* sum, double* square) {
  const F32 d;
  const Four<Vec, same_for_all(kGroup)> k{repeated<kGroup>(shift, 0), repeated<kGroup>(shift, 1),
                                          repeated<kGroup>(shift, 2), repeated<kGroup>(shift, 3)};
  Sums s = no_sums(), q = no_sums();
  for (int64_t r = 0; r < runs; ++r, x += stride) {
    int64_t i = 0;
    for (; i + kFour <= length; i += kFour) {
      gather(hn::LoadU(d, x + i), k.template at<0>(), s.v0, q.v0);
      gather(hn::LoadU(d, x + i + kLanes), k.template at<1>(), s.v1, q.v1);
      gather(hn::LoadU(d, x + i + 2 * kLanes), k.template at<2>(), s.v2, q.v2);
      gather(hn::LoadU(d, x + i + 3 * kLanes), k.template at<3>(), s.v3, q.v3);
    }
    gather_rest<0>(x + i, length - i, k, s, q);
  }
  add_to_channels<kGroup>(s, sum);
  add_to_channels<kGroup>(q, square);
}

// The same sums down the columns of `rows` rows of `width` floats.
HWY_NOINLINE void sum_rows(const float* x, int64_t rows, int64_t width, const float* shift,
                           float* sum, float* square) {
  const F32 d;
  std::fill(sum, sum + width, 0.0f);
  std::fill(square, square + width, 0.0f);
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * width) {
    int64_t c = 0;
    for (; c + kLanes <= width; c += kLanes) {
      Vec k = hn::LoadU(d, shift + c), s = hn::LoadU(d, sum + c), q = hn::LoadU(d, square + c);
      for (int64_t i = 0; i < 4; ++i) gather(hn::LoadU(d, x + i * width + c), k, s, q);
      hn::StoreU(s, d, sum + c);
      hn::StoreU(q, d, square + c);
    }
    for (; c < width; ++c)
      for (int64_t i = 0; i < 4; ++i) {
        float e = x[i * width + c] - shift[c];
        sum[c] += e, square[c] += e * e;
      }
  }
  for (; r < rows; ++r, x += width)
    for (int64_t c = 0; c < width; ++c) {
      float e = x[c] - shift[c];
      sum[c] += e, square[c] += e * e;
    }
}

// Merges a run of `count` values into the `before` values that came earlier.
HWY_INLINE void fold(double before, double count, double shift, double sum, double square,
                     double& mean, double& m2) {
  double run_mean = shift + sum / count, run_m2 = square - sum * sum / count;
  double total = before + count, delta = run_mean - mean;
  mean += delta * (count / total);
  m2 += (run_m2 < 0 ? 0 : run_m2) + delta * delta * (before * count / total);
}

// The mean of the first values of each channel, near enough to shift by.
template <int64_t kGroup>
HWY_INLINE void pilot(const float* x, int64_t length, float* shift) {
  double sum[kGroup] = {}, square[kGroup] = {};
  std::copy(x, x + kGroup, shift);
  sum_slices<kGroup>(x, 1, 0, length, shift, sum, square);
  for (int64_t j = 0; j < kGroup; ++j) shift[j] += float(sum[j] * double(kGroup) / double(length));
}

struct SliceMoments {
  const View& v;
  const float* x;
  double *mean, *m2;

  // One run of one group: `runs` pieces of `piece` floats, `before` values come earlier.
  template <int64_t kGroup>
  HWY_INLINE void add_run(const float* from, int64_t runs, int64_t piece, double before,
                          int64_t first) const {
    const int64_t channels = std::min(kGroup, v.channels - first);
    const double count = double(runs * (piece / kGroup));
    float shift[kGroup] = {};
    if (before == 0)
      pilot<kGroup>(from, std::min(piece, kPilot), shift);
    else
      for (int64_t j = 0; j < channels; ++j) shift[j] = float(mean[first + j]);
    double sum[kGroup] = {}, square[kGroup] = {};
    sum_slices<kGroup>(from, runs, v.sample(), piece, shift, sum, square);
    for (int64_t j = 0; j < channels; ++j)
      fold(before, count, shift[j], sum[j], square[j], mean[first + j], m2[first + j]);
  }

  // Small slices of several samples make one run; a large slice is cut into several.
  template <int64_t kGroup>
  HWY_INLINE void run() const {
    const int64_t slice = v.slice(), length = std::min(slice, kRun);
    const int64_t together = std::max<int64_t>(1, kJoin / slice);
    for (int64_t n = 0; n < v.samples; n += together)
      for (int64_t g = 0; g < v.groups(); ++g)
        for (int64_t at = 0; at < slice; at += length)
          add_run<kGroup>(x + n * v.sample() + g * slice + at, std::min(together, v.samples - n),
                          std::min(length, slice - at), double(n * v.points + at / kGroup),
                          g * kGroup);
  }
};

HWY_INLINE void moments_of_rows(const View& v, const float* x, double* mean, double* m2,
                                void* workspace) {
  const int64_t width = v.channels, few = std::min<int64_t>(v.samples, 8);
  float* shift = static_cast<float*>(workspace);
  float *sum = shift + width, *square = sum + width;
  std::copy(x, x + width, shift);
  sum_rows(x, few, width, shift, sum, square);
  for (int64_t c = 0; c < width; ++c) shift[c] += sum[c] / float(few);
  for (int64_t n = 0; n < v.samples; n += kRowRun) {
    const int64_t rows = std::min(kRowRun, v.samples - n);
    if (n)
      for (int64_t c = 0; c < width; ++c) shift[c] = float(mean[c]);
    sum_rows(x + n * width, rows, width, shift, sum, square);
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
  return v.rows() ? 3 * v.channels * int64_t(sizeof(float)) : 0;
}

}  // namespace braid::batch_norm
#endif
