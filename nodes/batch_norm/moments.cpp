// Count, mean and M2 per channel, in one sweep through memory. Short runs are summed in f32 around
// a shift and folded into f64 by Chan's formula. The shift of a run is the mean of all runs before
// it: then the square of what the shift is off never exceeds what that difference adds to M2
// itself, so that no data, however far its mean lies from zero, cancels digits away.
// A channel of equal values has M2 = 0 exactly.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "batch_norm/moments.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#include <cmath>

#include "batch_norm/simd.h"
// clang-format off
#include <hwy/foreach_target.h>  // compiles this file once for each instruction set
#include "batch_norm/lanes-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

constexpr int64_t kRun = 256 * kFour;  // floats between folds: each lane adds 256 of them
constexpr int64_t kPilot = 8 * kFour;  // floats whose mean is the first shift
constexpr int64_t kRowRun = 256;       // rows between folds

HWY_INLINE void gather(Vec x, Vec shift, Vec& sum, Vec& square) {
  Vec d = hn::Sub(x, shift);
  sum = hn::Add(sum, d);
  square = hn::MulAdd(d, d, square);
}

HWY_INLINE void gather_first(const float* p, int64_t n, Vec shift, Vec& sum, Vec& square) {
  Vec d = hn::IfThenElseZero(hn::FirstN(F32(), size_t(n)), hn::Sub(load_first(p, n), shift));
  sum = hn::Add(sum, d);
  square = hn::MulAdd(d, d, square);
}

// What does not fill four vectors.
HWY_INLINE void gather_rest(const float* p, int64_t n, const Four& k, Four& s, Four& q) {
  const F32 d;
  if (n >= kLanes) gather(hn::LoadU(d, p), k.v0, s.v0, q.v0);
  if (n >= 2 * kLanes) gather(hn::LoadU(d, p + kLanes), k.v1, s.v1, q.v1);
  if (n >= 3 * kLanes) gather(hn::LoadU(d, p + 2 * kLanes), k.v2, s.v2, q.v2);
  int64_t full = n / kLanes, rest = n % kLanes;
  if (rest == 0) return;
  const float* last = p + full * kLanes;
  if (full == 0) gather_first(last, rest, k.v0, s.v0, q.v0);
  if (full == 1) gather_first(last, rest, k.v1, s.v1, q.v1);
  if (full == 2) gather_first(last, rest, k.v2, s.v2, q.v2);
  if (full == 3) gather_first(last, rest, k.v3, s.v3, q.v3);
}

// Sums of x - shift and its square over `runs` pieces of `length` floats, `stride` apart; one of
// each for every channel of the group.
HWY_NOINLINE void sum_slices(const float* x, int64_t runs, int64_t stride, int64_t length,
                             int64_t group, const float* shift, double* sum, double* square) {
  const F32 d;
  const Four k = load_four(shift, group);
  Four s = four_zeros(), q = four_zeros();
  for (int64_t r = 0; r < runs; ++r, x += stride) {
    int64_t i = 0;
    for (; i + kFour <= length; i += kFour) {
      gather(hn::LoadU(d, x + i), k.v0, s.v0, q.v0);
      gather(hn::LoadU(d, x + i + kLanes), k.v1, s.v1, q.v1);
      gather(hn::LoadU(d, x + i + 2 * kLanes), k.v2, s.v2, q.v2);
      gather(hn::LoadU(d, x + i + 3 * kLanes), k.v3, s.v3, q.v3);
    }
    gather_rest(x + i, length - i, k, s, q);
  }
  add_to_channels(s, group, sum);
  add_to_channels(q, group, square);
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
HWY_INLINE void pilot(const float* x, int64_t length, int64_t group, float* shift) {
  double sum[kMaxGroup] = {}, square[kMaxGroup] = {};
  std::copy(x, x + group, shift);
  sum_slices(x, 1, 0, length, group, shift, sum, square);
  for (int64_t j = 0; j < group; ++j) shift[j] += float(sum[j] * double(group) / double(length));
}

HWY_INLINE void moments_of_slices(const View& v, const float* x, double* mean, double* m2) {
  const int64_t slice = v.slice(), length = std::min(slice, kRun);
  const int64_t together = std::max<int64_t>(1, kRun / slice);  // samples in one run
  for (int64_t n = 0; n < v.samples; n += together) {
    const int64_t runs = std::min(together, v.samples - n);
    for (int64_t g = 0; g < v.groups(); ++g) {
      const float* from = x + n * v.sample() + g * slice;
      const int64_t first = g * v.group, channels = std::min(v.group, v.channels - first);
      for (int64_t at = 0; at < slice; at += length) {
        const int64_t piece = std::min(length, slice - at);
        const double before = double(n * v.points + at / v.group);
        const double count = double(runs * (piece / v.group));
        float shift[kMaxGroup] = {};
        if (before == 0)
          pilot(from, std::min(piece, kPilot), v.group, shift);
        else
          for (int64_t j = 0; j < channels; ++j) shift[j] = float(mean[first + j]);
        double sum[kMaxGroup] = {}, square[kMaxGroup] = {};
        sum_slices(from + at, runs, v.sample(), piece, v.group, shift, sum, square);
        for (int64_t j = 0; j < channels; ++j)
          fold(before, count, shift[j], sum[j], square[j], mean[first + j], m2[first + j]);
      }
    }
  }
}

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
    moments_of_slices(v, x, mean, m2);
  for (int64_t c = 0; c < v.channels; ++c)
    if (!std::isfinite(m2[c])) moments_in_f64(v, x, c, mean[c], m2[c]);
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::batch_norm {

MomentsFn moments_kernel(Isa isa) {
  return pick<MomentsFn>(isa, HWY_CHOOSE_FALLBACK(moments), HWY_CHOOSE_SSE4(moments),
                         HWY_CHOOSE_AVX2(moments), HWY_CHOOSE_AVX3(moments));
}

int64_t moments_workspace(const View& v) {
  return v.rows() ? 3 * v.channels * int64_t(sizeof(float)) : 0;
}

}  // namespace braid::batch_norm
#endif
