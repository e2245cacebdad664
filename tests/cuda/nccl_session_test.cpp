// Sessions whose placements send to each other by NCCL: on one GPU, on two and on four.
#include <gtest/gtest.h>

#include <set>

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

  static Session open(std::vector<std::string> devices, Transport transport = Transport::nccl,
                      const std::string& engine = "serial") {
    return Session(model(8), {.devices = std::move(devices),
                              .engine = engine,
                              .digest = true,
                              .deadline = 60,
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

// Whatever the scheduler does, all ranks call NCCL in the order of the plan, which is the order of
// the serial engine.
TEST_F(NcclSession, CallsNcclInTheOrderOfThePlan) {
  ONLY_EMULATED("groups are written down");
  NEEDS_DEVICES(4);
  for (std::vector<std::string> devices :
       {std::vector<std::string>{"cuda:0", "cuda:1"},
        std::vector<std::string>{"cuda:0", "cuda:1", "cuda:2", "cuda:3"},
        std::vector<std::string>{"cuda:1", "cuda:0", "cuda:1", "cuda:0"}}) {
    auto groups = [&](const char* engine) {
      Session session = open(devices, Transport::nccl, engine);
      machine::take_nccl_groups();
      run_steps(session, {32, 19});
      return machine::take_nccl_groups();
    };
    const auto order = groups("serial");
    EXPECT_GT(std::set(order.begin(), order.end()).size(), size_t(3)) << "groups look alike";
    for (int i = 0; i < 5; ++i)
      for (const char* engine : {"tbb", "threads"})
        EXPECT_EQ(groups(engine), order) << devices.size() << " placements, " << engine;
  }
}

// The group that is refused holds up none of those whose turn comes after it.
TEST_F(NcclSession, EndsWhereAGroupIsRefused) {
  ONLY_EMULATED("NCCL refuses a group");
  NEEDS_DEVICES(4);
  for (const char* engine : {"serial", "tbb", "threads"})
    for (int nth : {1, 4, 7}) {
      Session session = open({"cuda:0", "cuda:1", "cuda:2", "cuda:3"}, Transport::nccl, engine);
      run_steps(session, {32});
      machine::refuse_nccl(nth);
      try {
        run_steps(session, {32});
        FAIL() << engine << ": nothing was thrown";
      } catch (const Error& e) {
        const std::string text = e.what();
        EXPECT_EQ(e.diagnostics()[0].code, "E0522") << text;
        EXPECT_NE(text.find("this group was not taken"), text.npos) << text;
        EXPECT_NE(text.find("replica"), text.npos) << text;
        EXPECT_NE(text.find("NCCL's group "), text.npos) << text;
      }
    }
}

}  // namespace
}  // namespace braid::test
