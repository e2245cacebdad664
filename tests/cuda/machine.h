// The GPU under the tests of this folder. The same tests run on the emulated one (cuda_tests),
// where the order of what happens is drawn and faults can be planted, and on a real one
// (gpu_tests), where they cannot: tests that need them are skipped there and say so. Without a real
// GPU all of gpu_tests is skipped.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>

namespace machine {

bool emulated();
/// Whether the tests have so many GPUs: cuda:0 and so on. An emulated machine gets them.
bool has_devices(int count);

// What follows is as in emulator.h, and nothing on a real machine: what is drawn there is drawn by
// the hardware, run by run.
void reset();
void seed(uint64_t seed);
void protect(bool on);

// These may only be called on an emulated machine.
void no_devices();
void set_memory(int64_t bytes);
void fail_launch(int nth);
void hang_launch(int nth);
void fail_nccl();  ///< from now on, until reset()
int64_t launches();
int64_t nccl_messages();

}  // namespace machine

#define ONLY_EMULATED(what) \
  if (!machine::emulated()) GTEST_SKIP() << "needs an emulated GPU: " << (what)
#define NEEDS_DEVICES(count) \
  if (!machine::has_devices(count)) GTEST_SKIP() << "needs " << (count) << " GPUs"
