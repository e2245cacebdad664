// Values that are merged together have the bits that they have when merged alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "support/models.h"

namespace braid::test {
namespace {

// Whole batches, one that does not divide, and fewer samples than replicas.
const std::vector<int64_t> batches = {24, 13, 3, 24};

/// What was merged, by names that do not depend on which exchange it travelled in.
using Merged = std::vector<std::tuple<std::string, int, int, uint64_t>>;

struct Outcome {
  std::vector<Merged> merged;
  std::vector<double> losses;
  uint64_t state = 0;
  bool operator==(const Outcome&) const = default;
};

Merged merged_in(Session& session, int64_t batch) {
  auto& plan = session.plan(Mode::train, batch);
  Merged all;
  for (auto& digest : session.executor(Mode::train, batch).digests())
    for (auto& sync : plan.syncs)
      if (sync.node == digest.node && sync.part == digest.part)
        all.emplace_back(
            sync.layer + "." + sync.variable + " " + sync.op + " of " + std::to_string(sync.group),
            digest.lo, digest.hi, digest.bits);
  std::ranges::sort(all);
  return all;
}

Outcome outcome_of(const Model& model, SessionOptions options, std::vector<int64_t> sizes) {
  options.digest = true;
  Session session(model, std::move(options));
  Outcome outcome;
  for (int64_t n : sizes) {
    RandomBatch batch(model, n, uint64_t(n));
    outcome.losses.push_back(session.step(batch.pointers, n, 0.1).loss);
    outcome.merged.push_back(merged_in(session, n));
  }
  outcome.state = session.state().digest(0);
  for (int d = 1; d < session.state().devices(); ++d)
    EXPECT_EQ(session.state().digest(d), outcome.state) << "device " << d;
  return outcome;
}

void expect_equal(const Model& model, const std::vector<int64_t>& sizes) {
  auto alone =
      outcome_of(model, {.devices = {"cpu"}, .engine = "serial", .disabled = {"bundle"}}, sizes);
  int replicas = int(model.replicas);
  ASSERT_FALSE(alone.merged[0].empty());
  EXPECT_EQ(alone, outcome_of(model, {.devices = {"cpu"}, .engine = "serial"}, sizes));
  for (int devices = 1; devices <= replicas; ++devices)
    EXPECT_EQ(alone, outcome_of(model, {.devices = cpus(devices), .threads = 2}, sizes))
        << devices << " devices";
  EXPECT_EQ(alone, outcome_of(model, {.devices = cpus(replicas), .threads = 3, .engine = "threads"},
                              sizes));
  EXPECT_EQ(alone, outcome_of(model, {.devices = cpus(2), .disabled = {"window", "alias"}}, sizes));
}

class EqualBitsBundle : public testing::TestWithParam<int> {};

TEST_P(EqualBitsBundle, ResidualOverDevicesAndEngines) {
  expect_equal(residual(GetParam()), batches);
}

TEST_P(EqualBitsBundle, ChainsWithBiasesSharedWeightsAndDropout) {
  expect_equal(mlp(GetParam()), batches);
}

INSTANTIATE_TEST_SUITE_P(Replicas, EqualBitsBundle, testing::Values(2, 3, 4, 5));

TEST(EqualBitsBundles, Groups) {
  for (int group : {1, 2}) expect_equal(residual(4, group), {24, 13, 9});
}

TEST(EqualBitsBundles, MicroBatchesWithEmptySlices) {
  for (int64_t micros : {2, 3}) {
    Model model = residual(4);
    model.batch.accumulate = micros;
    expect_equal(model, {24, 13, 7, 24});
  }
}

TEST(EqualBitsBundles, TheReferenceEngine) {
  Model model = residual(3);
  auto run = [&](std::set<std::string> disabled) {
    return outcome_of(
        model, {.devices = {"cpu"}, .engine = "reference", .disabled = std::move(disabled)}, {13});
  };
  EXPECT_EQ(run({}), run({"bundle"}));
}

TEST(EqualBitsBundles, ASwappedMergeAndArrivalOrderAreCaught) {
  for (int replicas : {3, 4, 5}) {
    Model model = residual(replicas);
    auto base = outcome_of(model, {.devices = {"cpu"}}, {24});
    EXPECT_NE(base, outcome_of(model, {.devices = {"cpu"}, .mutant = {.swap_merge = true}}, {24}));
    EXPECT_NE(base, outcome_of(model, {.devices = {"cpu"}, .mutant = {.arrival = 5}}, {24}));
  }
}

// Any step of a bundle's exchange may fail, the transfer that carries several values, too.
TEST(EqualBitsBundles, AFailedExchangeLeavesStateAsItWas) {
  Model model = residual(4);
  Session session(model, {.devices = cpus(4)});
  RandomBatch batch(model, 24, 7);
  session.step(batch.pointers, 24, 0.1);
  auto& executor = session.executor(Mode::train, 24);
  auto& plan = executor.plan();
  auto before = session.state().digest(0);
  int failed = 0;
  for (size_t at = 0; at < plan.steps.size(); ++at) {
    if (plan.steps[at].gated || plan.steps[at].outputs < 2) continue;
    if (plan.steps[at].kind == StepKind::kernel && plan.steps[at].hi == 0) continue;
    executor.on_step([&](int s) {
      if (s == int(at)) throw std::runtime_error("injected");
    });
    EXPECT_THROW(session.step(batch.pointers, 24, 0.1), Error);
    EXPECT_EQ(session.state().digest(0), before);
    ++failed;
  }
  EXPECT_GT(failed, 10);
}

}  // namespace
}  // namespace braid::test
