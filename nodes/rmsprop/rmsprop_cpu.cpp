// f32 on the CPU: one pass over weight, averages and gradient.
#include "ops/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rmsprop/rmsprop_cpu.cpp"
#include <hwy/foreach_target.h>

#include "ops/simd-inl.h"
#include "rmsprop/rmsprop.h"

#ifndef BRAID_NODES_RMSPROP_ARRAYS
#define BRAID_NODES_RMSPROP_ARRAYS
namespace braid {

/// What one step reads and writes; `mean` and `buffer` are null where they are not kept.
struct RmspropArrays {
  float *w, *v, *mean, *buffer;
  const float* g;
};

}  // namespace braid
#endif

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {

/// One vector (or element) of the update.
template <class D>
HWY_INLINE void rmsprop_at(D d, const RmspropStep<float>& s, const RmspropArrays& a, int64_t i) {
  const auto w = hn::LoadU(d, a.w + i), alpha = hn::Set(d, s.alpha), keep = hn::Set(d, s.keep);
  const auto step = hn::Add(hn::LoadU(d, a.g + i), hn::Mul(hn::Set(d, s.decay), w));
  auto v = hn::Add(hn::Mul(alpha, hn::LoadU(d, a.v + i)), hn::Mul(hn::Mul(keep, step), step));
  hn::StoreU(v, d, a.v + i);
  if (a.mean) {
    const auto mean = hn::Add(hn::Mul(alpha, hn::LoadU(d, a.mean + i)), hn::Mul(keep, step));
    hn::StoreU(mean, d, a.mean + i);
    v = hn::Sub(v, hn::Mul(mean, mean));
    v = hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v);  // a NaN stays
  }
  auto by = hn::Div(step, hn::Add(hn::Sqrt(v), hn::Set(d, s.eps)));
  if (a.buffer) {
    by = hn::Add(hn::Mul(hn::Set(d, s.momentum), hn::LoadU(d, a.buffer + i)), by);
    hn::StoreU(by, d, a.buffer + i);
  }
  hn::StoreU(hn::Sub(w, hn::Mul(hn::Set(d, s.lr), by)), d, a.w + i);
}

void rmsprop(const RmspropStep<float>& s, const RmspropArrays& a, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = int64_t(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) rmsprop_at(d, s, a, i);
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) rmsprop_at(one, s, a, i);
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace braid {
namespace {

HWY_EXPORT(rmsprop);

template <bool kCentered, bool kMomentum>
KernelBody make(const Signature& s) {
  return [rule = RmspropRule(s.attrs), n = s.in[0].elements()](const KernelArgs& a) {
    RmspropArrays arrays{a.in<float>(0), a.in<float>(1), nullptr, nullptr, nullptr};
    int next = 2;
    if (kCentered) arrays.mean = a.in<float>(next++);
    if (kMomentum) arrays.buffer = a.in<float>(next++);
    arrays.g = a.in<float>(next);
    HWY_DYNAMIC_DISPATCH(rmsprop)(RmspropStep<float>(rule, *a.scalars), arrays, n);
  };
}

}  // namespace

void register_rmsprop_kernels(Registry& registry) {
  registry.add(plain_kernel("rmsprop", "cpu", make<false, false>));
  registry.add(plain_kernel("rmsprop_centered", "cpu", make<true, false>));
  registry.add(plain_kernel("rmsprop_momentum", "cpu", make<false, true>));
  registry.add(plain_kernel("rmsprop_centered_momentum", "cpu", make<true, true>));
}

}  // namespace braid
#endif
