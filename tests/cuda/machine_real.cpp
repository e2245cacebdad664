// The main program of gpu_tests: every test is skipped, with the reason, where there is no GPU.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <braid/core/error.h>

#include "backend.h"
#include "cuda/machine.h"
#include "gpu/faults.h"

namespace machine {
namespace {

int devices = 0;
std::string why_none;

[[noreturn]] void refuse() { throw std::logic_error("a real GPU takes no orders from tests"); }

class Skip : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override {
    if (devices == 0) GTEST_SKIP() << why_none;
  }
};

void look() try {
  auto all = braid::cuda::make_backend()->devices();
  devices = int(all.size());
  for (auto& d : all) std::printf("gpu_tests: %s, %s\n", d.model.c_str(), d.isa.c_str());
} catch (const braid::Error& e) {
  why_none = e.diagnostics().front().message;
  std::printf("gpu_tests: every test is skipped: %s\n", why_none.c_str());
}

}  // namespace

bool emulated() { return false; }
bool has_devices(int count) { return count <= devices; }

void reset() { faults::undo(); }
void seed(uint64_t) {}
void protect(bool) {}

void set_memory(int64_t bytes) { faults::leave_memory(bytes); }
void fail_launch(int) { faults::poison(); }
void hang_launch(int) { faults::occupy(); }
void ruin(const std::function<std::string()>& run) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  auto alone = [&] {
    const std::string bad = run();
    std::fputs(bad.c_str(), stderr);
    std::_Exit(bad.empty() ? 0 : 1);
  };
  EXPECT_EXIT(alone(), ::testing::ExitedWithCode(0), "");
}

void no_devices() { refuse(); }
void fail_nccl() { refuse(); }
int64_t launches() { refuse(); }
int64_t nccl_messages() { refuse(); }
void refuse_nccl(int) { refuse(); }
void hang_sum() { refuse(); }
std::vector<std::string> take_nccl_groups() { refuse(); }

}  // namespace machine

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!::testing::GTEST_FLAG(list_tests)) machine::look();
  std::fflush(stdout);
  ::testing::UnitTest::GetInstance()->listeners().Append(new machine::Skip);
  return RUN_ALL_TESTS();
}
