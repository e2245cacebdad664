// Which instruction sets the vector kernels are compiled for. To be included before anything of
// Highway, by files that follow this pattern (HWY_TARGET_INCLUDE names the file itself, which is
// then compiled once for each target):
//
//   #include "ops/targets.h"
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "relu/relu.cpp"
//   #include <hwy/foreach_target.h>
//   #include "ops/simd-inl.h"
//
//   HWY_BEFORE_NAMESPACE();
//   namespace braid::HWY_NAMESPACE {
//   void relu(const float* x, float* y, int64_t n) {
//     map(n, [](auto d, auto v) HWY_ATTR { return hn::Max(v, hn::Zero(d)); }, y, x);
//   }
//   }  // namespace braid::HWY_NAMESPACE
//   HWY_AFTER_NAMESPACE();
//
//   #if HWY_ONCE
//   namespace braid {
//   HWY_EXPORT(relu);
//   ... HWY_DYNAMIC_DISPATCH(relu)(x, y, n) ...
//   }  // namespace braid
//   #endif
//
// Every kernel written this way gives the same bits on every target: one rounding for each
// operation (no fused multiply-add) and no sums across the lanes of a vector. So nothing has to be
// said about the instruction set when a kernel is chosen.
#pragma once

// SSSE3 and the extensions of AVX-512 gain nothing here and cost compile time.
#ifdef BRAID_FEW_TARGETS  // for sanitizers, which make them minutes to compile
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3 | HWY_AVX3_DL)
#else
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#endif
