#include <nccl.h>

#include "cuda/machine.h"
#include "emulator.h"

namespace machine {

bool emulated() { return true; }

bool has_devices(int count) {
  emulator::set_devices(count);
  return true;
}

void reset() {
  emulator::fail_nccl(ncclSuccess);
  emulator::refuse_nccl(0);
  emulator::reset();
}
void seed(uint64_t seed) { emulator::seed(seed); }
void protect(bool on) { emulator::protect(on); }

void ruin(const std::function<std::string()>& run) { EXPECT_EQ(run(), ""); }

void no_devices() { emulator::set_devices(0); }
void set_memory(int64_t bytes) { emulator::set_memory(bytes); }
void fail_launch(int nth) { emulator::fail_launch(nth); }
void hang_launch(int nth) { emulator::hang_launch(nth); }
void fail_nccl() { emulator::fail_nccl(ncclRemoteError); }
int64_t launches() { return emulator::launches(); }
int64_t nccl_messages() { return emulator::nccl_messages(); }
void refuse_nccl(int nth) { emulator::refuse_nccl(nth); }
void hang_sum() { emulator::hang_launch(1, "ncclAllReduce"); }
std::vector<std::string> take_nccl_groups() { return emulator::take_nccl_groups(); }

}  // namespace machine
