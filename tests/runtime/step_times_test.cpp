// The clock of an executor.
#include <gtest/gtest.h>

#include "support/models.h"

namespace braid::test {
namespace {

class StepTimes : public ::testing::TestWithParam<const char*> {};

TEST_P(StepTimes, OfEveryStepAndNoneBeforeWhatItWaitsFor) {
  Model model = convnet(4);
  Session session(model, {.devices = cpus(2), .threads = 2, .engine = GetParam()});
  RandomBatch batch(model, 30, 7);
  auto& executor = session.executor(Mode::train, 30);
  session.step(batch.pointers, 30, 0.1);
  EXPECT_TRUE(executor.times().empty());
  executor.time_steps(true);
  session.step(batch.pointers, 30, 0.1);
  auto& plan = executor.plan();
  auto times = executor.times();
  ASSERT_EQ(times.size(), plan.steps.size());
  for (auto& time : times) {
    EXPECT_GE(time.worker, 0);
    EXPECT_LE(time.begin, time.end);
  }
  for (auto& strand : plan.strands)
    for (int p : strand.preds)
      EXPECT_LE(times[size_t(plan.strands[size_t(p)].steps.back())].end,
                times[size_t(strand.steps.front())].begin);
  executor.time_steps(false);
  session.step(batch.pointers, 30, 0.1);
  EXPECT_TRUE(executor.times().empty());
}

TEST_P(StepTimes, DoNotChangeBits) {
  Model model = convnet(4);
  Session timed(model, {.devices = cpus(2), .threads = 2, .engine = GetParam()});
  Session plain(model, {.devices = cpus(2), .threads = 2, .engine = GetParam()});
  RandomBatch batch(model, 30, 7);
  timed.executor(Mode::train, 30).time_steps(true);
  for (int i = 0; i < 3; ++i) {
    timed.step(batch.pointers, 30, 0.1);
    plain.step(batch.pointers, 30, 0.1);
  }
  EXPECT_EQ(timed.state().digest(0), plain.state().digest(0));
}

INSTANTIATE_TEST_SUITE_P(Engines, StepTimes, ::testing::Values("tbb", "serial", "threads"));

TEST(StepTimesOfAFault, AreNoneForWhatWasSkipped) {
  Model model = convnet(4);
  Session session(model, {.devices = {"cpu"}, .engine = "serial"});
  RandomBatch batch(model, 30, 7);
  auto& executor = session.executor(Mode::train, 30);
  executor.time_steps(true);
  executor.on_step([](int) { throw std::runtime_error("no"); });
  EXPECT_THROW(session.step(batch.pointers, 30, 0.1), Error);
  for (auto& time : executor.times()) EXPECT_EQ(time.worker, -1);
}

}  // namespace
}  // namespace braid::test
