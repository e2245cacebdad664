#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "group_norm/columns.cpp"
#include <hwy/foreach_target.h>

#include "group_norm/columns.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::group_norm::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using braid::HWY_NAMESPACE::map;

using F64 = hn::CappedTag<double, 8>;
using One = hn::CappedTag<double, 1>;
constexpr int64_t kLanes = int64_t(hn::MaxLanes(F64()));
constexpr int64_t kWide = 16 / kLanes;  // vectors side by side: one line of memory

/// Calls f.template run<D, K>(c) for every 16 columns, whole vectors and single columns.
template <class F>
HWY_INLINE void for_columns(int64_t width, const F& f) {
  int64_t c = 0;
  for (; c + 16 <= width; c += 16) f.template run<F64, kWide>(c);
  for (; c + kLanes <= width; c += kLanes) f.template run<F64, 1>(c);
  for (; c < width; ++c) f.template run<One, 1>(c);
}

/// As many floats as `d` has lanes, as doubles.
template <class D>
HWY_INLINE hn::Vec<D> widened(D d, const float* x) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, D>(), x));
}

/// K vectors of doubles, side by side.
template <class D, int64_t K>
struct Row {
  hn::Vec<D> v[K];

  static constexpr int64_t lanes() { return int64_t(hn::MaxLanes(D())); }
  static HWY_INLINE Row zero() {
    Row r;
    for (auto& v : r.v) v = hn::Zero(D());
    return r;
  }
  static HWY_INLINE Row load(const double* p) {
    Row r;
    for (int64_t k = 0; k < K; ++k) r.v[k] = hn::LoadU(D(), p + k * lanes());
    return r;
  }
  HWY_INLINE void add_to(double* p) const {
    for (int64_t k = 0; k < K; ++k)
      hn::StoreU(hn::Add(hn::LoadU(D(), p + k * lanes()), v[k]), D(), p + k * lanes());
  }
};

struct SumsOf {
  Columns m;
  const float* x;
  double* sum;

  template <class D, int64_t K>
  HWY_INLINE void run(int64_t c) const {
    auto a = Row<D, K>::zero();
    for (int64_t at = c, end = m.rows * m.width; at < end; at += m.width)
      for (int64_t k = 0; k < K; ++k)
        a.v[k] = hn::Add(a.v[k], widened(D(), x + at + k * a.lanes()));
    a.add_to(sum + c);
  }
};

struct SquaresOf {
  Columns m;
  const float* x;
  const double* mean;
  double* square;

  template <class D, int64_t K>
  HWY_INLINE void run(int64_t c) const {
    const auto middle = Row<D, K>::load(mean + c);
    auto a = Row<D, K>::zero();
    for (int64_t at = c, end = m.rows * m.width; at < end; at += m.width)
      for (int64_t k = 0; k < K; ++k) {
        const auto off = hn::Sub(widened(D(), x + at + k * a.lanes()), middle.v[k]);
        a.v[k] = hn::Add(a.v[k], hn::Mul(off, off));
      }
    a.add_to(square + c);
  }
};

struct ProductsOf {
  Columns m;
  const float *g, *x;
  const double* mean;
  double *sum, *product;

  template <class D, int64_t K>
  HWY_INLINE void run(int64_t c) const {
    const auto middle = Row<D, K>::load(mean + c);
    auto a = Row<D, K>::zero(), b = a;
    for (int64_t at = c, end = m.rows * m.width; at < end; at += m.width)
      for (int64_t k = 0; k < K; ++k) {
        const auto gv = widened(D(), g + at + k * a.lanes());
        const auto off = hn::Sub(widened(D(), x + at + k * a.lanes()), middle.v[k]);
        a.v[k] = hn::Add(a.v[k], gv);
        b.v[k] = hn::Add(b.v[k], hn::Mul(gv, off));
      }
    a.add_to(sum + c);
    b.add_to(product + c);
  }
};

void sums(Columns m, const float* x, double* sum) { for_columns(m.width, SumsOf{m, x, sum}); }

void squares(Columns m, const float* x, const double* mean, double* square) {
  for_columns(m.width, SquaresOf{m, x, mean, square});
}

void products(Columns m, const float* g, const float* x, const double* mean, double* sum,
              double* product) {
  for_columns(m.width, ProductsOf{m, g, x, mean, sum, product});
}

void scale(Columns m, const float* x, const float* shift, const float* by, const float* offset,
           float* y) {
  auto f = [](auto, auto xv, auto k, auto s, auto o)
               HWY_ATTR { return hn::Add(hn::Mul(hn::Sub(xv, k), s), o); };
  for (int64_t r = 0; r < m.rows; ++r, x += m.width, y += m.width)
    map(m.width, f, y, x, shift, by, offset);
}

void gradient(Columns m, const float* g, const float* x, const float* shift, const float* by,
              const float* slope, const float* bias, float* dx) {
  auto f = [](auto, auto gv, auto xv, auto k, auto s, auto l, auto b)
               HWY_ATTR { return hn::Add(hn::Add(hn::Mul(gv, s), hn::Mul(hn::Sub(xv, k), l)), b); };
  for (int64_t r = 0; r < m.rows; ++r, g += m.width, x += m.width, dx += m.width)
    map(m.width, f, dx, g, x, shift, by, slope, bias);
}

}  // namespace braid::group_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid::group_norm {

HWY_EXPORT(sums);
HWY_EXPORT(squares);
HWY_EXPORT(products);
HWY_EXPORT(scale);
HWY_EXPORT(gradient);

void add_sums(Columns m, const float* x, double* sum) { HWY_DYNAMIC_DISPATCH(sums)(m, x, sum); }

void add_squares(Columns m, const float* x, const double* mean, double* square) {
  HWY_DYNAMIC_DISPATCH(squares)(m, x, mean, square);
}

void add_products(Columns m, const float* g, const float* x, const double* mean, double* sum,
                  double* product) {
  HWY_DYNAMIC_DISPATCH(products)(m, g, x, mean, sum, product);
}

void scale_columns(Columns m, const float* x, const float* shift, const float* scale,
                   const float* offset, float* y) {
  HWY_DYNAMIC_DISPATCH(scale)(m, x, shift, scale, offset, y);
}

void gradient_columns(Columns m, const float* g, const float* x, const float* shift,
                      const float* scale, const float* slope, const float* bias, float* dx) {
  HWY_DYNAMIC_DISPATCH(gradient)(m, g, x, shift, scale, slope, bias, dx);
}

}  // namespace braid::group_norm
#endif
