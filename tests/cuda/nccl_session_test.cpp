// Sessions whose placements send to each other by NCCL: on one GPU, on two and on four.
#include <gtest/gtest.h>

#include "backend.h"
#include "cuda/machine.h"
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
  NcclSession() { machine::reset(); }
  ~NcclSession() override { machine::reset(); }

  static int64_t messages() { return machine::emulated() ? machine::nccl_messages() : 0; }

  static Session open(std::vector<std::string> devices, Transport transport = Transport::nccl) {
    return Session(model(8), {.devices = std::move(devices),
                              .engine = "serial",
                              .digest = true,
                              .deadline = machine::emulated() ? 1.0 : 60.0,
                              .backend = {cuda::make_backend()},
                              .transport = transport});
  }
};

// The first step is plain, the others are replayed.
TEST_F(NcclSession, GivesTheBitsOfOnePlacement) {
  const std::vector<int64_t> batches = {32, 32, 32, 19, 32};
  const bool several = machine::has_devices(4);
  Session one = open({"cuda:0"});
  const Trace trace = run_steps(one, batches);
  std::vector<std::vector<std::string>> all = {{"cuda:0", "cuda:0"},
                                               {"cuda:0", "cuda:1"},
                                               {"cuda:0", "cuda:1", "cuda:2", "cuda:3"},
                                               {"cuda:1", "cuda:0", "cuda:1", "cuda:0"}};
  if (!several) all.resize(1);
  for (auto& devices : all)
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      machine::seed(seed);
      const int64_t before = messages();
      Session session = open(devices);
      EXPECT_EQ(difference(session, trace, run_steps(session, batches)), "")
          << devices.size() << " placements, " << devices[1] << ", seed " << seed;
      if (machine::emulated()) {
        EXPECT_GT(messages(), before);
      }
    }
}

TEST_F(NcclSession, CopiesWithinOneGpuUnlessAsked) {
  ONLY_EMULATED("messages are counted");
  const int64_t before = messages();
  Session session = open({"cuda:0", "cuda:0"}, Transport::copies);
  run_steps(session, {32});
  EXPECT_EQ(messages(), before);
}

TEST_F(NcclSession, EndsWithWhatNcclSays) {
  ONLY_EMULATED("NCCL fails");
  NEEDS_DEVICES(2);
  Session session = open({"cuda:0", "cuda:1"});
  run_steps(session, {32});
  machine::fail_nccl();
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
