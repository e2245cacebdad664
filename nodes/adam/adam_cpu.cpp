// f32 on the CPU: one pass over weight, averages and gradient.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "adam/adam_cpu.cpp"
#include <hwy/foreach_target.h>

#include "adam/adam.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

/// What one step reads and writes; `most` is null without AMSGrad.
struct AdamArrays {
  float *w, *m, *v, *most;
  const float* g;
};

/// One vector (or element) of the update.
template <bool kAmsgrad, class D>
HWY_INLINE void adam_at(D d, const AdamStep<float>& s, const AdamArrays& a, int64_t i) {
  const auto w = hn::LoadU(d, a.w + i);
  const auto step = hn::Add(hn::LoadU(d, a.g + i), hn::Mul(hn::Set(d, s.decay), w));
  const auto m = hn::Add(hn::Mul(hn::Set(d, s.beta1), hn::LoadU(d, a.m + i)),
                         hn::Mul(hn::Set(d, s.keep1), step));
  auto v = hn::Add(hn::Mul(hn::Set(d, s.beta2), hn::LoadU(d, a.v + i)),
                   hn::Mul(hn::Mul(hn::Set(d, s.keep2), step), step));
  hn::StoreU(m, d, a.m + i);
  hn::StoreU(v, d, a.v + i);
  if constexpr (kAmsgrad) {
    v = hn::Max(hn::LoadU(d, a.most + i), v);
    hn::StoreU(v, d, a.most + i);
  }
  const auto by = hn::Add(hn::Mul(hn::Sqrt(v), hn::Set(d, s.root)), hn::Set(d, s.eps));
  const auto kept = hn::Mul(w, hn::Set(d, s.keep));
  hn::StoreU(hn::Sub(kept, hn::Div(hn::Mul(hn::Set(d, s.rate), m), by)), d, a.w + i);
}

template <bool kAmsgrad>
HWY_INLINE void adam_all(const AdamStep<float>& s, const AdamArrays& a, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = int64_t(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) adam_at<kAmsgrad>(d, s, a, i);
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) adam_at<kAmsgrad>(one, s, a, i);
}

void adam(const AdamStep<float>& s, float* w, float* m, float* v, const float* g, int64_t n) {
  adam_all<false>(s, {w, m, v, nullptr, g}, n);
}

void adam_amsgrad(const AdamStep<float>& s, float* w, float* m, float* v, float* most,
                  const float* g, int64_t n) {
  adam_all<true>(s, {w, m, v, most, g}, n);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid {

HWY_EXPORT(adam);
HWY_EXPORT(adam_amsgrad);

static KernelBody make_adam(const Signature& s) {
  return [rule = AdamRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const AdamStep<float> step(rule, *a.scalars);
    HWY_DYNAMIC_DISPATCH(adam)
    (step, a.in<float>(0), a.in<float>(1), a.in<float>(2), a.in<float>(3), n);
  };
}

static KernelBody make_amsgrad(const Signature& s) {
  return [rule = AdamRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    const AdamStep<float> step(rule, *a.scalars);
    HWY_DYNAMIC_DISPATCH(adam_amsgrad)
    (step, a.in<float>(0), a.in<float>(1), a.in<float>(2), a.in<float>(3), a.in<float>(4), n);
  };
}

void register_adam_kernels(Registry& registry) {
  registry.add(plain_kernel("adam", "cpu", make_adam));
  registry.add(plain_kernel("adam_amsgrad", "cpu", make_amsgrad));
}

}  // namespace braid
#endif
