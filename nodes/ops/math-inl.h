// exp, tanh, the logistic function and their relatives on vectors of floats, within a few ulp.
// Written with one rounding for each operation, so that every instruction set gives the same bits
// (Highway's own use fused multiply-add where there is one). No `#pragma once`: the file is read
// once for each target.
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

/// e^x - 1 for x <= 0, without the loss of digits near 0: with t = tanh(x / 2) it is 2t / (1 - t).
template <class D, class V>
HWY_INLINE V exp_minus_one(D d, V x) {
  const V t = tanh(d, hn::Mul(x, hn::Set(d, 0.5f)));
  return hn::Div(hn::Add(t, t), hn::Sub(hn::Set(d, 1.0f), t));
}

/// log(1 + e) for 0 <= e <= 1: twice the area tangent of s = e / (2 + e), by its series in s^2.
template <class D, class V>
HWY_INLINE V log_one_plus(D d, V e) {
  const V s = hn::Div(e, hn::Add(e, hn::Set(d, 2.0f))), z = hn::Mul(s, s);
  const V series = polynomial(d, z, hn::Set(d, 1 / 15.0f), 1 / 13.0f, 1 / 11.0f, 1 / 9.0f, 1 / 7.0f,
                              1 / 5.0f, 1 / 3.0f, 1.0f);
  return hn::Mul(hn::Add(s, s), series);
}

/// log(1 + e^x), from e^-|x|.
template <class D, class V>
HWY_INLINE V softplus(D d, V x) {
  const V rest = log_one_plus(d, exp(d, hn::Neg(hn::Abs(x))));
  return hn::Add(hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x), rest);
}

/// The standard normal law's probability of a value below x: an odd polynomial around 0, elsewhere
/// e^(-a^2) times a polynomial in 1 / a^2, a = |x| / sqrt(2) (Cephes' erff and erfcf).
template <class D, class V>
HWY_INLINE V normal_below(D d, V x) {
  const V half = hn::Set(d, 0.5f), one = hn::Set(d, 1.0f);
  const V a = hn::Mul(hn::Abs(x), hn::Set(d, 0.707106781f)), z = hn::Mul(a, a);
  const V p = polynomial(d, z, hn::Set(d, 7.853861353e-5f), -8.010193625e-4f, 5.188327685e-3f,
                         -2.685381193e-2f, 1.128358514e-1f, -3.761262582e-1f, 1.128379165f);
  const V near = hn::Add(half, hn::Mul(half, hn::CopySign(hn::Mul(a, p), x)));
  const V inverse = hn::Div(one, a), q = hn::Mul(inverse, inverse);
  const V middle = polynomial(d, q, hn::Set(d, 2.326819970e-2f), -1.387039388e-1f, 3.687424674e-1f,
                              -5.824733027e-1f, 6.210004621e-1f, -4.944515323e-1f, 3.404879937e-1f,
                              -2.741127028e-1f, 5.638259427e-1f);
  const V outer =
      polynomial(d, q, hn::Set(d, -1.047766399e1f), 1.297719955e1f, -7.495518717f, 2.921019019f,
                 -1.015265279f, 4.218463358e-1f, -2.820767439e-1f, 5.641895067e-1f);
  const V tail = hn::Mul(half, hn::Mul(hn::Mul(exp(d, hn::Neg(z)), inverse),
                                       hn::IfThenElse(hn::Lt(a, hn::Set(d, 2.0f)), middle, outer)));
  const V far = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
  return hn::IfThenElse(hn::Lt(a, one), near, far);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
