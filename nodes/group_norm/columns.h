// Vector kernels over a matrix [rows, width] of floats, column by column, with sums in f64. Blocked
// memory is such a matrix (points by the channels of a block), a plain (N, C) row is one row of it,
// and a plane of one channel is one of 16 columns that belong together (see as_columns).
//
// No sum runs across the lanes of a vector and each operation rounds once, so every instruction set
// gives the same bits.
#pragma once
#include <cstdint>

namespace braid::group_norm {

struct Columns {
  int64_t rows, width;
};

/// sum[c] += sum of x.
void add_sums(Columns m, const float* x, double* sum);
/// square[c] += sum of (x - mean[c])^2.
void add_squares(Columns m, const float* x, const double* mean, double* square);
/// sum[c] += sum of g; product[c] += sum of g·(x - mean[c]).
void add_products(Columns m, const float* g, const float* x, const double* mean, double* sum,
                  double* product);
/// y = (x - shift[c])·scale[c] + offset[c]; y may be x.
void scale_columns(Columns m, const float* x, const float* shift, const float* scale,
                   const float* offset, float* y);
/// dx = g·scale[c] + (x - shift[c])·slope[c] + bias[c]; dx may be g.
void gradient_columns(Columns m, const float* g, const float* x, const float* shift,
                      const float* scale, const float* slope, const float* bias, float* dx);

/// A run of `n` floats as 16 columns and what is left over: f(first float, columns).
constexpr int64_t kPlaneColumns = 16;
template <class F>
void as_columns(int64_t n, const F& f) {
  const int64_t rows = n / kPlaneColumns, rest = n % kPlaneColumns;
  if (rows > 0) f(int64_t{0}, Columns{rows, kPlaneColumns});
  if (rest > 0) f(n - rest, Columns{1, rest});
}

}  // namespace braid::group_norm
