// Loops over arrays of floats for the instruction set that is being compiled (see targets.h).
// No `#pragma once`: the file is read once for each target.
#include <hwy/highway.h>

#if defined(BRAID_NODES_OPS_SIMD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BRAID_NODES_OPS_SIMD_INL_H
#undef BRAID_NODES_OPS_SIMD_INL_H
#else
#define BRAID_NODES_OPS_SIMD_INL_H
#endif

#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace braid::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// y[i] = f(d, x[i]...): whole vectors first, then single elements with the same operations. `y`
/// may be one of the inputs.
template <class T, class F, class... X>
HWY_INLINE void map(int64_t n, F f, T* y, const X*... x) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = int64_t(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(d, hn::LoadU(d, x + i)...), d, y + i);
  const hn::CappedTag<T, 1> one;
  for (; i < n; ++i) hn::StoreU(f(one, hn::LoadU(one, x + i)...), one, y + i);
}

/// f(0), f(1), ... as constants, so that an array of vectors that f indexes is registers and not
/// memory.
template <int Count, int I = 0, class F>
HWY_INLINE void unrolled(const F& f) {
  if constexpr (I < Count) {
    f(std::integral_constant<int, I>());
    unrolled<Count, I + 1>(f);
  }
}

}  // namespace braid::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
