// f32 on the CPU: one pass over weight, buffer and gradient.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sgd/sgd_cpu.cpp"
#include <hwy/foreach_target.h>

#include "ops/simd-inl.h"
#include "sgd/sgd.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

void sgd(const SgdStep<float>& s, float* w, const float* g, int64_t n) {
  auto f = [&s](auto d, auto wi, auto gi) HWY_ATTR {
    const auto step = hn::Add(gi, hn::Mul(hn::Set(d, s.decay), wi));
    return hn::Sub(wi, hn::Mul(hn::Set(d, s.lr), step));
  };
  map(n, f, w, static_cast<const float*>(w), g);
}

/// One vector (or element) of the update with momentum.
template <class D>
HWY_INLINE void sgd_momentum_at(D d, const SgdStep<float>& s, float* w, float* v, const float* g) {
  const auto momentum = hn::Set(d, s.momentum);
  const auto wi = hn::LoadU(d, w);
  const auto step = hn::Add(hn::LoadU(d, g), hn::Mul(hn::Set(d, s.decay), wi));
  auto vi = step;
  if (!s.first) vi = hn::Add(hn::Mul(momentum, hn::LoadU(d, v)), hn::Mul(hn::Set(d, s.keep), step));
  hn::StoreU(vi, d, v);
  const auto by = s.nesterov ? hn::Add(step, hn::Mul(momentum, vi)) : vi;
  hn::StoreU(hn::Sub(wi, hn::Mul(hn::Set(d, s.lr), by)), d, w);
}

void sgd_momentum(const SgdStep<float>& s, float* w, float* v, const float* g, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = int64_t(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) sgd_momentum_at(d, s, w + i, v + i, g + i);
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) sgd_momentum_at(one, s, w + i, v + i, g + i);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid {

HWY_EXPORT(sgd);
HWY_EXPORT(sgd_momentum);

static KernelBody make_sgd(const Signature& s) {
  return [rule = SgdRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const SgdStep<float> step(rule, *a.scalars);
    HWY_DYNAMIC_DISPATCH(sgd)(step, a.in<float>(0), a.in<float>(1), n);
  };
}

static KernelBody make_sgd_momentum(const Signature& s) {
  return [rule = SgdRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const SgdStep<float> step(rule, *a.scalars);
    HWY_DYNAMIC_DISPATCH(sgd_momentum)
    (step, a.in<float>(0), a.in<float>(1), a.in<float>(2), n);
  };
}

void register_sgd_kernels(Registry& registry) {
  registry.add(plain_kernel("sgd", "cpu", make_sgd));
  registry.add(plain_kernel("sgd_momentum", "cpu", make_sgd_momentum));
}

}  // namespace braid
#endif
