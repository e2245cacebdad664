// Traces of devices whose work is enqueued: their streams are the tracks.
#include <gtest/gtest.h>

#include <set>

#include <braid/runtime/trace.h>

#include "backend.h"
#include "cuda/machine.h"
#include "support/models.h"
#include "support/trace_check.h"

namespace braid::test {
namespace {

using Recording = braid::Trace;

class CudaTrace : public ::testing::Test {
 protected:
  void SetUp() override { machine::reset(); }

  SessionOptions options(int placements, const std::string& engine) const {
    return {.devices = std::vector<std::string>(size_t(placements), "cuda:0"),
            .engine = engine,
            .backend = {cuda::make_backend()}};
  }
};

TEST_F(CudaTrace, HasATrackForEachStreamAndNoOverlaps) {
  for (const char* engine : {"serial", "tbb"}) {
    auto given = options(2, engine);
    given.trace = std::make_shared<Recording>();
    Session session(mlp(3), given);
    const RandomBatch data(session.model(), 10, 3);
    for (int i = 0; i < 3; ++i) session.step(data.pointers, 10, 0.1);
    const TraceCheck check(given.trace->json("gpu"));
    EXPECT_EQ(check.faults(), std::vector<std::string>{}) << engine;
    std::set<std::string> names;
    for (auto& [tid, name] : check.names()) names.insert(name);
    EXPECT_TRUE(names.contains("cuda:0 (placement 0), stream 0")) << check.trace().dump(1);
    EXPECT_TRUE(std::ranges::any_of(
        names, [](auto& name) { return name.find("communicator") != name.npos; }));
    auto& executor = session.executor(Mode::train, 10);
    EXPECT_EQ(check.events(), 3 * (1 + executor.plan().steps.size()));
  }
}

TEST_F(CudaTrace, ChangesNoBitAndStepsAreReplayedAgainAfterwards) {
  auto given = options(1, "serial");
  Session plain(mlp(2), given);
  given.trace = std::make_shared<Recording>(TraceOptions{.first = 3, .last = 4});
  Session traced(mlp(2), given);
  const RandomBatch data(plain.model(), 8, 5);
  for (int i = 0; i < 8; ++i) {
    plain.step(data.pointers, 8, 0.1);
    traced.step(data.pointers, 8, 0.1);
  }
  EXPECT_EQ(plain.state().digest(0), traced.state().digest(0));
  EXPECT_EQ(plain.executor(Mode::train, 8).replayed() - 2,
            traced.executor(Mode::train, 8).replayed());
  EXPECT_EQ(given.trace->runs(), 2);
  const TraceCheck check(given.trace->json("gpu"));
  EXPECT_EQ(check.faults(), std::vector<std::string>{});
  auto& syncs = check.trace().at("otherData").at("programs").at(0).at("syncs");
  EXPECT_FALSE(syncs.empty());
  for (auto& sync : syncs)  // one launch serves both replicas, and makes the parts of both
    for (auto& from : sync.at("from")) EXPECT_FALSE(from.empty()) << sync;
}

}  // namespace
}  // namespace braid::test
