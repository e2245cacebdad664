// Two sums per channel in one sweep through memory: how moments and the reductions of backward walk
// over slices and rows. What is summed is a Term:
//
//   struct Term {
//     /// Adds the vector (or its first n values) at float `at`, which lies in slot kSlot of a
//     slice. template <int kSlot> void add(int64_t at, Vec& first, Vec& second) const; template
//     <int kSlot> void add_first(int64_t at, int64_t n, Vec& first, Vec& second) const;
//   };
//
// Sums are short chains of f32: 32 additions, then up to 16 of those sums, then f64.
//
// Included once for each target by foreach_target.h.
#if defined(BRAID_BATCH_NORM_SUMS) == defined(HWY_TARGET_TOGGLE)
#ifdef BRAID_BATCH_NORM_SUMS
#undef BRAID_BATCH_NORM_SUMS
#else
#define BRAID_BATCH_NORM_SUMS
#endif

#include "batch_norm/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::batch_norm::HWY_NAMESPACE {

constexpr int64_t kChain = 32 * kFour;  // floats of a short chain
constexpr int64_t kJoin = 4 * kChain;   // slices of several samples are summed together up to here
constexpr int64_t kRun = 8 * kChain;    // at most so much between two folds into f64
constexpr int64_t kRowChain = 8, kRowRun = 256;  // the same for rows

/// The mean of the first values is the first shift: of so many floats of a slice, and rows.
constexpr int64_t kPilot = 8 * kFour, kPilotRows = 32;

/// A stretch of memory that is summed as one: `runs` pieces of `length` floats, `stride` apart.
struct Walk {
  int64_t runs, stride, length;
};

/// Cuts a view into walks: f(first float, walk, channel group, values per channel before it).
template <class F>
HWY_INLINE void for_each_walk(const View& v, const F& f) {
  const int64_t slice = v.slice(), length = std::min(slice, kRun);
  const int64_t together = std::max<int64_t>(1, kJoin / slice);
  for (int64_t n = 0; n < v.samples; n += together)
    for (int64_t g = 0; g < v.groups(); ++g)
      for (int64_t at = 0; at < slice; at += length)
        f(n * v.sample() + g * slice + at,
          Walk{std::min(together, v.samples - n), v.sample(), std::min(length, slice - at)}, g,
          n * v.points + at / v.group);
}

// What does not fill four vectors: vector `kSlot` and those behind it.
template <int kSlot, class Term>
HWY_INLINE void add_rest(const Term& term, int64_t at, int64_t n, Sums& a, Sums& b) {
  if (n >= kLanes) {
    term.template add<kSlot>(at, a.at<kSlot>(), b.at<kSlot>());
    if constexpr (kSlot < 3) add_rest<kSlot + 1>(term, at + kLanes, n - kLanes, a, b);
  } else if (n > 0) {
    term.template add_first<kSlot>(at, n, a.at<kSlot>(), b.at<kSlot>());
  }
}

HWY_INLINE void move_into(Sums& sum, Sums& part) {
  sum = {hn::Add(sum.v0, part.v0), hn::Add(sum.v1, part.v1), hn::Add(sum.v2, part.v2),
         hn::Add(sum.v3, part.v3)};
  part = no_sums();
}

/// Adds both sums over a walk to those of the group's channels.
template <int64_t kGroup, class Term>
HWY_INLINE void sum_walk(const Term& term, const Walk& w, double* first, double* second) {
  Sums a = no_sums(), b = no_sums(), part_a = no_sums(), part_b = no_sums();
  int64_t chained = 0;
  for (int64_t r = 0, from = 0; r < w.runs; ++r, from += w.stride) {
    const int64_t end = from + w.length;
    int64_t at = from;
    while (at + kFour <= end) {
      const int64_t floats = std::min(kChain, (end - at) / kFour * kFour);
      for (const int64_t stop = at + floats; at < stop; at += kFour) {
        term.template add<0>(at, part_a.v0, part_b.v0);
        term.template add<1>(at + kLanes, part_a.v1, part_b.v1);
        term.template add<2>(at + 2 * kLanes, part_a.v2, part_b.v2);
        term.template add<3>(at + 3 * kLanes, part_a.v3, part_b.v3);
      }
      chained += floats;
      if (chained < kChain) continue;
      move_into(a, part_a);
      move_into(b, part_b);
      chained = 0;
    }
    add_rest<0>(term, at, end - at, part_a, part_b);
    chained += kFour;
  }
  move_into(a, part_a);
  move_into(b, part_b);
  add_to_channels<kGroup>(a, first);
  add_to_channels<kGroup>(b, second);
}

/// Both sums down the columns of `rows` rows of `width` floats; the sums have room for whole
/// vectors. `RowTerm::at(c, n)` gives the Term of n <= kLanes columns from c on.
template <class RowTerm>
HWY_INLINE void sum_rows(const RowTerm& rows_term, int64_t rows, int64_t width, float* first,
                         float* second) {
  const F32 d;
  std::fill(first, first + width, 0.0f);
  std::fill(second, second + width, 0.0f);
  for (int64_t r = 0; r < rows; r += kRowChain) {
    const int64_t end = std::min(rows, r + kRowChain) * width;
    for (int64_t c = 0; c < width; c += kLanes) {
      const int64_t n = std::min(kLanes, width - c);
      const auto term = rows_term.at(c, n);
      Vec a = hn::Zero(d), b = a;
      if (n == kLanes)
        for (int64_t at = r * width + c; at < end; at += width) term.template add<0>(at, a, b);
      else
        for (int64_t at = r * width + c; at < end; at += width)
          term.template add_first<0>(at, n, a, b);
      hn::StoreU(hn::Add(hn::LoadU(d, first + c), a), d, first + c);
      hn::StoreU(hn::Add(hn::LoadU(d, second + c), b), d, second + c);
    }
  }
}

}  // namespace braid::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
