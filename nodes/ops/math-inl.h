// exp, tanh and the logistic function on vectors of floats, within 2 ulp. Written with one rounding
// for each operation, so that every instruction set gives the same bits (Highway's own use fused
// multiply-add where there is one). No `#pragma once`: the file is read once for each target.
#include "ops/simd-inl.h"

#if defined(BRAID_NODES_OPS_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BRAID_NODES_OPS_MATH_INL_H
#undef BRAID_NODES_OPS_MATH_INL_H
#else
#define BRAID_NODES_OPS_MATH_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

template <class D, class V>
HWY_INLINE V polynomial(D, V, V sum) {
  return sum;
}

/// Horner's rule; `sum` is the highest coefficient, the others follow in falling order.
template <class D, class V, class... C>
HWY_INLINE V polynomial(D d, V x, V sum, float next, C... rest) {
  return polynomial(d, x, hn::Add(hn::Mul(sum, x), hn::Set(d, next)), rest...);
}

/// 2^n for whole numbers n within the normal range.
template <class D, class V>
HWY_INLINE V power_of_two(D d, V n) {
  const hn::RebindToSigned<D> di;
  auto bits = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::BitCast(d, bits);
}

/// e^x: x = n·ln 2 + r with |r| <= ln 2 / 2, a minimax polynomial for e^r (Cephes' expf), and a
/// scaling in two halves so that results below the normal range are rounded once.
template <class D, class V>
HWY_INLINE V exp(D d, V x) {
  const V within = hn::Min(hn::Max(x, hn::Set(d, -104.0f)), hn::Set(d, 89.0f));
  const V n = hn::Round(hn::Mul(within, hn::Set(d, 1.44269504f)));
  const V high = hn::Mul(n, hn::Set(d, 0.693359375f));
  const V low = hn::Mul(n, hn::Set(d, -2.12194440e-4f));
  const V r = hn::Sub(hn::Sub(within, high), low);
  V p = polynomial(d, r, hn::Set(d, 1.9875691500e-4f), 1.3981999507e-3f, 8.3334519073e-3f,
                   4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f);
  p = hn::Add(hn::Add(hn::Mul(p, hn::Mul(r, r)), r), hn::Set(d, 1.0f));
  const V half = hn::Floor(hn::Mul(n, hn::Set(d, 0.5f)));
  const V y = hn::Mul(hn::Mul(p, power_of_two(d, half)), power_of_two(d, hn::Sub(n, half)));
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// 1 / (1 + e^-x), from e^-|x| so that both tails keep their precision.
template <class D, class V>
HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V e = exp(d, hn::Neg(hn::Abs(x)));
  const V top = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one);
  return hn::Div(top, hn::Add(one, e));
}

/// Near 0 an odd polynomial (Cephes' tanhf), elsewhere ±(1 - 2 / (e^2|x| + 1)).
template <class D, class V>
HWY_INLINE V tanh(D d, V x) {
  const V one = hn::Set(d, 1.0f), two = hn::Set(d, 2.0f), size = hn::Abs(x);
  const V z = hn::Mul(x, x);
  const V p = polynomial(d, z, hn::Set(d, -5.70498872745e-3f), 2.06390887954e-2f,
                         -5.37397155531e-2f, 1.33314422036e-1f, -3.33332819422e-1f);
  const V near = hn::Add(hn::Mul(hn::Mul(p, z), x), x);
  const V far = hn::Sub(one, hn::Div(two, hn::Add(exp(d, hn::Mul(two, size)), one)));
  return hn::CopySign(hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.625f)), near, far), x);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
