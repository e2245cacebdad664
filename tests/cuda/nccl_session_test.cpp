// Sessions whose placements send to each other by NCCL: on one emulated GPU, on two and on four.
#include <gtest/gtest.h>
#include <nccl.h>

#include "backend.h"
#include "emulator.h"
#include "support/models.h"

namespace braid::test {
namespace {

Model model(int64_t replicas) {
  Chain chain({N, 20}, replicas);
  chain.add("fc1", "Linear", {{"out_features", 24}}).add("relu1", "ReLU");
  chain.add("fc2", "Linear", {{"out_features", 10}});
  return chain.done();
}

class NcclSession : public ::testing::Test {
 protected:
  NcclSession() { emulator::reset(); }
  ~NcclSession() override {
    emulator::fail_nccl(ncclSuccess);
    emulator::reset();
  }

  static Session open(std::vector<std::string> devices, Transport transport = Transport::nccl) {
    return Session(model(8), {.devices = std::move(devices),
                              .engine = "serial",
                              .digest = true,
                              .deadline = 1,
                              .backend = {cuda::make_backend()},
                              .transport = transport});
  }
};

// The first step is plain, the others are replayed.
TEST_F(NcclSession, GivesTheBitsOfOnePlacement) {
  const std::vector<int64_t> batches = {32, 32, 32, 19, 32};
  emulator::set_devices(4);
  Session one = open({"cuda:0"});
  const Trace trace = run_steps(one, batches);
  const std::vector<std::vector<std::string>> all = {{"cuda:0", "cuda:0"},
                                                     {"cuda:0", "cuda:1"},
                                                     {"cuda:0", "cuda:1", "cuda:2", "cuda:3"},
                                                     {"cuda:1", "cuda:0", "cuda:1", "cuda:0"}};
  for (auto& devices : all)
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      emulator::seed(seed);
      const int64_t before = emulator::nccl_messages();
      Session session = open(devices);
      EXPECT_EQ(difference(session, trace, run_steps(session, batches)), "")
          << devices.size() << " placements, " << devices[1] << ", seed " << seed;
      EXPECT_GT(emulator::nccl_messages(), before);
    }
}

TEST_F(NcclSession, CopiesWithinOneGpuUnlessAsked) {
  const int64_t before = emulator::nccl_messages();
  Session session = open({"cuda:0", "cuda:0"}, Transport::copies);
  run_steps(session, {32});
  EXPECT_EQ(emulator::nccl_messages(), before);
}

TEST_F(NcclSession, EndsWithWhatNcclSays) {
  emulator::set_devices(2);
  Session session = open({"cuda:0", "cuda:1"});
  run_steps(session, {32});
  emulator::fail_nccl(ncclRemoteError);
  try {
    run_steps(session, {32, 32});
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::device);
    EXPECT_EQ(e.diagnostics()[0].code, "E0522") << e.what();
    EXPECT_NE(std::string(e.what()).find("remote process exited"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace braid::test
