// A step that fails ends on all replicas, names the culprit, and leaves State as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "support/models.h"

namespace braid::test {
namespace {

struct Injected : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void inject(const std::string& engine, int trials) {
  Model model = convnet(4);
  Session session(model, {.devices = cpus(2), .threads = 2, .engine = engine, .digest = true});
  Session twin(model, {.devices = {"cpu"}, .engine = "serial", .digest = true});
  RandomBatch batch(model, 30, 7);
  session.step(batch.pointers, 30, 0.1);
  twin.step(batch.pointers, 30, 0.1);
  auto& executor = session.executor(Mode::train, 30);
  auto& plan = executor.plan();
  std::mt19937 random(11);
  for (int trial = 0; trial < trials; ++trial) {
    int at = int(random() % plan.steps.size());
    auto& step = plan.steps[size_t(at)];
    if (step.gated) continue;  // infallible by contract
    auto before = session.state().digest(0), before1 = session.state().digest(1);
    executor.on_step([at](int s) {
      if (s == at) throw Injected("injected");
    });
    try {
      session.step(batch.pointers, 30, 0.1);
      FAIL() << "the step did not fail";
    } catch (const Error& e) {
      std::string text = e.what();
      EXPECT_EQ(e.fault(), Fault::run);
      EXPECT_NE(text.find("injected"), std::string::npos) << text;
      EXPECT_NE(text.find(describe(plan, step)), std::string::npos) << text;
      if (step.node >= 0 && plan.nodes[size_t(step.node)].mark) {
        EXPECT_NE(text.find("net.yaml:"), std::string::npos) << text;
      }
    }
    ASSERT_EQ(session.state().digest(0), before);
    ASSERT_EQ(session.state().digest(1), before1);
    executor.on_step({});
    if (trial % 100 == 0) {
      session.step(batch.pointers, 30, 0.1);
      twin.step(batch.pointers, 30, 0.1);
      ASSERT_EQ(session.state().digest(0), twin.state().digest(0)) << "after " << trial;
      EXPECT_EQ(executor.digests(), twin.executor(Mode::train, 30).digests());
    }
  }
}

TEST(Failure, AThousandRandomNodesOnTbb) { inject("tbb", 1000); }
TEST(Failure, TwoHundredRandomNodesSerially) { inject("serial", 200); }
TEST(Failure, FiftyRandomNodesWithRandomDelays) { inject("threads", 50); }

TEST(Failure, OfTwoFaultsTheFirstByNodeOrderIsReported) {
  Model model = convnet(4);
  Session session(model, {.devices = {"cpu"}, .threads = 2});
  RandomBatch batch(model, 32, 7);
  auto& executor = session.executor(Mode::train, 32);
  auto& plan = executor.plan();
  std::vector<int> first;  // the first operation of all replicas: they run side by side
  for (size_t i = 0; i < plan.steps.size(); ++i)
    if (plan.steps[i].kind == StepKind::kernel && plan.steps[i].replica >= 0 &&
        plan.nodes[size_t(plan.steps[i].node)].label == "conv1" &&
        plan.nodes[size_t(plan.steps[i].node)].op == "conv2d")
      first.push_back(int(i));
  ASSERT_EQ(first.size(), 4u);
  std::set<std::string> messages;
  for (int trial = 0; trial < 200; ++trial) {
    executor.on_step([&](int s) {
      if (std::ranges::find(first, s) != first.end()) throw Injected("fault " + std::to_string(s));
    });
    try {
      session.step(batch.pointers, 32, 0.1);
      FAIL();
    } catch (const Error& e) {
      messages.insert(e.what());
    }
  }
  EXPECT_EQ(messages.size(), 1u);
  EXPECT_NE(messages.begin()->find("replica 0"), std::string::npos) << *messages.begin();
}

TEST(Failure, ALabelOutsideTheClassesNamesTheSample) {
  Model model = mlp(4);
  Session session(model, {.devices = cpus(2)});
  RandomBatch batch(model, 32, 7);
  session.step(batch.pointers, 32, 0.1);
  auto before = session.state().digest(0);
  reinterpret_cast<int64_t*>(batch.bytes[1].data())[21] = 12;
  try {
    session.step(batch.pointers, 32, 0.1);
    FAIL();
  } catch (const Error& e) {
    std::string text = e.what();
    EXPECT_EQ(e.fault(), Fault::data);
    EXPECT_NE(text.find("label 12"), std::string::npos) << text;
    EXPECT_NE(text.find("21"), std::string::npos) << text;
    EXPECT_NE(text.find("net.yaml:90"), std::string::npos) << text;
    EXPECT_NE(text.find("replica 2"), std::string::npos) << text;
  }
  EXPECT_EQ(session.state().digest(0), before);
  EXPECT_EQ(session.steps_done(), 1);
}

TEST(Failure, AHookThatThrowsWhatIsNoExceptionIsReported) {
  Model model = mlp(2);
  Session session(model, {.devices = {"cpu"}});
  RandomBatch batch(model, 32, 7);
  session.executor(Mode::train, 32).on_step([](int s) {
    if (s == 3) throw 42;
  });
  EXPECT_THROW(session.step(batch.pointers, 32, 0.1), Error);
}

}  // namespace
}  // namespace braid::test
