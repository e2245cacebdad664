// `reduce: fast`: gradients are summed over GPUs by NCCL's all-reduce, over the replicas of each by
// the fixed tree. What comes out is what `exact` gives, but for the order of the additions between
// GPUs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend.h"
#include "cuda/machine.h"
#include "support/models.h"

namespace braid::test {
namespace {

std::vector<std::string> gpus(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("cuda:" + std::to_string(i));
  return names;
}

bool adds(const std::string& group) { return group.find(" adds ") != group.npos; }

class FastSums : public ::testing::Test {
 protected:
  FastSums() { machine::reset(); }
  ~FastSums() override { machine::reset(); }

  static Session open(Reduce reduce, std::vector<std::string> devices,
                      const std::string& engine = "serial", double deadline = 60) {
    Model model = mlp(8);
    model.reduce = reduce;
    return Session(std::move(model), {.devices = std::move(devices),
                                      .engine = engine,
                                      .digest = true,
                                      .deadline = deadline,
                                      .backend = {cuda::make_backend()},
                                      .transport = Transport::nccl});
  }

  static std::string message(const std::function<void()>& run) {
    try {
      run();
    } catch (const Error& e) {
      return e.diagnostics()[0].code + " " + e.what();
    }
    return "nothing was thrown";
  }
};

const std::vector<int64_t> batches = {32, 32, 19};

// On one GPU, and where placements share one, there is nothing that a library could sum.
TEST_F(FastSums, OnOneGpuAreTheExactOnesBitForBit) {
  Session exact = open(Reduce::exact, gpus(1));
  const Trace trace = run_steps(exact, batches);
  for (const std::vector<std::string>& devices :
       {gpus(1), {"cuda:0", "cuda:0"}, {"cuda", "cuda:0"}}) {
    Session fast = open(Reduce::fast, devices);
    EXPECT_EQ(difference(exact, trace, run_steps(fast, batches)), "") << devices.size();
    const Plan& plan = fast.plan(Mode::train, 32);
    EXPECT_TRUE(plan.fast);
    EXPECT_EQ(plan.summed_over, 1);
    EXPECT_NE(plan.as_exact, "");
    EXPECT_EQ(fast.checkpoint().metadata, exact.checkpoint().metadata);
  }
}

TEST_F(FastSums, AreCloseToTheExactOnes) {
  NEEDS_DEVICES(4);
  Session exact = open(Reduce::exact, gpus(1));
  const Trace truth = run_steps(exact, batches);
  for (int count : {2, 4}) {
    Session fast = open(Reduce::fast, gpus(count));
    const Trace trace = run_steps(fast, batches);
    for (size_t i = 0; i < truth.losses.size(); ++i)
      EXPECT_NEAR(trace.losses[i], truth.losses[i], 1e-6 * truth.losses[i]) << count;
    for (uint64_t state : trace.states) EXPECT_EQ(state, trace.states[0]) << "GPUs differ";
    auto theirs = exact.weights(), ours = fast.weights();
    for (auto& [key, array] : theirs) {
      if (array.dtype != DType::f32) continue;
      auto a = array.as<float>(), b = ours.at(key).as<float>();
      double most = 0, error = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        most = std::max(most, std::abs(double(a[i])));
        error = std::max(error, std::abs(double(a[i]) - b[i]));
      }
      EXPECT_LE(error, 1e-6 * std::max(most, 1e-2)) << key << " on " << count;
    }
    if (machine::emulated() && count == 4) {
      EXPECT_NE(trace.states[0], truth.states[0]) << "the emulated NCCL adds in another order";
    }
  }
}

// The same sums whoever enqueues them, and in which order the devices get on.
TEST_F(FastSums, AreTheSameInEveryRunOnAsManyGpus) {
  ONLY_EMULATED("its NCCL adds in one order");
  NEEDS_DEVICES(4);
  for (int count : {2, 4}) {
    Session first = open(Reduce::fast, gpus(count));
    machine::take_nccl_groups();
    const Trace trace = run_steps(first, batches);
    const auto order = machine::take_nccl_groups();
    EXPECT_GT(std::ranges::count_if(order, adds), 0);
    uint64_t seed = 1;
    for (const char* engine : {"serial", "tbb", "threads"}) {
      machine::seed(++seed);
      Session again = open(Reduce::fast, gpus(count), engine);
      machine::take_nccl_groups();
      EXPECT_EQ(difference(again, trace, run_steps(again, batches)), "") << count << engine;
      EXPECT_EQ(machine::take_nccl_groups(), order) << count << engine;
    }
  }
}

TEST_F(FastSums, AreForGradientsAlone) {
  NEEDS_DEVICES(4);
  Session fast = open(Reduce::fast, gpus(4)), exact = open(Reduce::exact, gpus(4));
  for (auto& sync : fast.plan(Mode::train, 32).syncs) {
    const bool gradient = sync.backward && !sync.variable.empty();
    // Those of a batch norm are the sums that its gradient is made with, too.
    const bool awaited = sync.layer.starts_with("bn");
    EXPECT_EQ(sync.fast, gradient && !awaited) << sync.layer << "." << sync.variable;
  }
  for (auto& sync : exact.plan(Mode::train, 32).syncs) EXPECT_FALSE(sync.fast);
  EXPECT_EQ(fast.plan(Mode::eval, 32).program_hash, exact.plan(Mode::eval, 32).program_hash);
  // Two of four GPUs have samples: nothing can be summed over all of them.
  EXPECT_EQ(fast.plan(Mode::train, 3).program_hash, exact.plan(Mode::train, 3).program_hash);
}

// What was written with other sums says so when it is read.
TEST_F(FastSums, AreRememberedInCheckpoints) {
  NEEDS_DEVICES(4);
  Session exact = open(Reduce::exact, gpus(2)), two = open(Reduce::fast, gpus(2)),
          four = open(Reduce::fast, gpus(4)), again = open(Reduce::fast, gpus(2));
  EXPECT_NE(exact.plan(Mode::train, 32).program_hash, two.plan(Mode::train, 32).program_hash);
  EXPECT_NE(two.plan(Mode::train, 32).program_hash, four.plan(Mode::train, 32).program_hash);
  run_steps(exact, {32});
  run_steps(two, {32});
  EXPECT_EQ(again.restore(two.checkpoint(), true), "");
  struct Move {
    Session &from, &into;
    const char* said;
  };
  for (const Move& move :
       {Move{exact, two, "reduce: checkpoint exact, now fast over 2 devices"},
        Move{two, four, "reduce: checkpoint fast over 2 devices, now fast over 4 devices"},
        Move{two, exact, "reduce: checkpoint fast over 2 devices, now exact"}}) {
    const auto checkpoint = move.from.checkpoint();
    EXPECT_NE(message([&] { move.into.restore(checkpoint, true); }).find(move.said),
              std::string::npos);
    const std::string differs = move.into.restore(checkpoint);
    EXPECT_NE(differs.find(move.said), std::string::npos) << differs;
    EXPECT_NE(differs.find("program: "), std::string::npos) << differs;
  }
}

TEST_F(FastSums, ThatAreRefusedEndTheStep) {
  ONLY_EMULATED("NCCL refuses a group");
  NEEDS_DEVICES(2);
  for (const char* engine : {"serial", "tbb", "threads"}) {
    Session session = open(Reduce::fast, gpus(2), engine);
    machine::take_nccl_groups();
    run_steps(session, {32});
    auto groups = machine::take_nccl_groups();
    machine::refuse_nccl(int(std::ranges::find_if(groups, adds) - groups.begin()) + 1);
    const auto before = session.state().digest(1);
    const auto text = message([&] { run_steps(session, {32}); });
    EXPECT_TRUE(text.starts_with("E0522")) << text;
    EXPECT_NE(text.find("sum over all devices"), text.npos) << text;
    EXPECT_NE(text.find("NCCL's group "), text.npos) << text;
    EXPECT_EQ(session.state().digest(1), before);
  }
}

TEST_F(FastSums, ThatHangAreGivenUpAfterTheDeadline) {
  ONLY_EMULATED("a sum hangs");
  NEEDS_DEVICES(2);
  Session session = open(Reduce::fast, gpus(2), "tbb", 3);
  run_steps(session, {32});
  machine::hang_sum();
  auto text = message([&] { run_steps(session, {32}); });
  EXPECT_TRUE(text.starts_with("E0523")) << text;
  EXPECT_NE(text.find("sum over all devices"), text.npos) << text;
  text = message([&] { run_steps(session, {32}); });
  EXPECT_TRUE(text.starts_with("E0524")) << text;
}

}  // namespace
}  // namespace braid::test
