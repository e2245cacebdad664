// The GPU under the tests of this folder. The same tests run on the emulated one (cuda_tests),
// where the order of what happens is drawn and faults can be planted, and on a real one
// (gpu_tests), where only some can: tests that need the others are skipped there and say so.
// Without a real GPU all of gpu_tests is skipped.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace machine {

bool emulated();
/// Whether the tests have so many GPUs: cuda:0 and so on. An emulated machine gets them.
bool has_devices(int count);

// What follows is as in emulator.h, and nothing on a real machine: what is drawn there is drawn by
// the hardware, run by run.
void reset();
void seed(uint64_t seed);
void protect(bool on);

/// So many bytes are left, until reset().
void set_memory(int64_t bytes);
/// A launch that fails, the nth from now, and the device with it; a real one at once.
void fail_launch(int nth);
/// The nth launch from now does not end before reset(); on a real device it does not begin, nor
/// does any other.
void hang_launch(int nth);
/// `run`, which ruins the device, says what is not as it should be; a real device is ruined in a
/// process of its own.
void ruin(const std::function<std::string()>& run);

// These may only be called on an emulated machine.
void no_devices();
void fail_nccl();           ///< from now on, until reset()
void refuse_nccl(int nth);  ///< the nth group from now on
void hang_sum();            ///< the next sum over devices does not end before reset()
int64_t launches();
int64_t nccl_messages();
std::vector<std::string> take_nccl_groups();  ///< those since the last call, as text

}  // namespace machine

#define ONLY_EMULATED(what) \
  if (!machine::emulated()) GTEST_SKIP() << "needs an emulated GPU: " << (what)
#define NEEDS_DEVICES(count) \
  if (!machine::has_devices(count)) GTEST_SKIP() << "needs " << (count) << " GPUs"
