// Which instruction sets the vector kernels of this folder are compiled for; to be included before
// anything of Highway. SSE4.1 is the least: a slice needs vectors of four lanes (see lanes-inl.h).
// SSSE3 and the extensions of AVX-512 gain nothing and cost compile time.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#define HWY_BASELINE_TARGETS HWY_SSE4
