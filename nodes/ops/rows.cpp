#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rows.cpp"
#include <hwy/foreach_target.h>

#include "ops/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void exp_floats(float* x, int64_t n) {
  map(
      n, [](auto d, auto v) HWY_ATTR { return exp(d, v); }, x, static_cast<const float*>(x));
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "ops/rows.h"

namespace braid {

HWY_EXPORT(exp_floats);

Rows rows_of(const std::vector<int64_t>& dims, size_t dim) {
  Rows rows{.count = dims[dim]};
  for (size_t d = 0; d < dim; ++d) rows.outer *= dims[d];
  for (size_t d = dim + 1; d < dims.size(); ++d) rows.inner *= dims[d];
  return rows;
}

float max_of(const float* x, int64_t count, int64_t stride) {
  float most = x[0];
  for (int64_t i = 1; i < count; ++i) {
    float v = x[i * stride];
    if (v > most || v != v) most = v;
  }
  return most;
}

static void shift(const Rows& rows, int64_t o, const float* x, float* e) {
  for (int64_t i = 0; i < rows.inner; ++i) {
    int64_t at = rows.first(o, i);
    float most = max_of(x + at, rows.count, rows.inner);
    for (int64_t c = 0; c < rows.count; ++c, at += rows.inner) e[at] = x[at] - most;
  }
}

// Several short rows at a time, so that the vector loop has something to run over while they are
// in the cache.
void shifted_exp(const Rows& rows, const float* x, float* e) {
  const int64_t each = rows.count * rows.inner;
  if (each == 0) return;
  const int64_t together = std::max<int64_t>(1, 4096 / each);
  for (int64_t o = 0; o < rows.outer; o += together) {
    int64_t end = std::min(rows.outer, o + together);
    for (int64_t k = o; k < end; ++k) shift(rows, k, x, e);
    HWY_DYNAMIC_DISPATCH(exp_floats)(e + o * each, (end - o) * each);
  }
}

}  // namespace braid
#endif
