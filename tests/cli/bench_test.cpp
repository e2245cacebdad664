// `braid bench`: what it measures, not how fast.
#include <gtest/gtest.h>

#include "cli/command.h"

namespace braid::test {
namespace {

double sum_of_shares(const Json& rows) {
  double sum = 0;
  for (auto& row : rows) sum += row.at("share").get<double>();
  return sum;
}

bool has(const Json& rows, const std::string& name) {
  for (auto& row : rows)
    if (row.at("name") == name) return row.at("calls").get<double>() > 0;
  return false;
}

TEST(BenchCommand, SaysWhereTheTimeOfATrainingStepGoes) {
  auto outcome = braid_command({"bench", digits(), "--steps", "4", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  auto json = outcome.json();
  EXPECT_EQ(json.at("steps"), 4);
  EXPECT_EQ(json.at("batch"), 64);
  EXPECT_EQ(json.at("replicas"), 2);
  auto& ms = json.at("ms");
  EXPECT_GT(ms.at("min"), 0);
  EXPECT_LE(ms.at("min"), ms.at("median"));
  EXPECT_LE(ms.at("median"), ms.at("max"));
  EXPECT_GT(json.at("plan_bytes"), 10000);
  EXPECT_GT(json.at("peak_bytes"), json.at("plan_bytes"));
  EXPECT_NEAR(sum_of_shares(json.at("layers")), 1, 1e-9);
  for (auto name :
       {"BatchNorm1d", "BatchNorm1d, backward", "Linear, backward", "optimizer", "synchronization"})
    EXPECT_TRUE(has(json.at("layers"), name)) << name << json.at("layers");
  EXPECT_TRUE(has(json.at("sync_points"), "bn1")) << json.at("sync_points");
}

TEST(BenchCommand, OfEvaluationHasNoBackward) {
  auto outcome = braid_command(
      {"bench", digits(), "--steps", "2", "--mode", "eval", "--batch", "5", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  auto json = outcome.json();
  EXPECT_EQ(json.at("batch"), 5);
  EXPECT_FALSE(has(json.at("layers"), "Linear, backward"));
  EXPECT_TRUE(has(json.at("layers"), "Linear"));
}

// A batch smaller than the number of replicas leaves some of them without samples.
TEST(BenchCommand, OfFewerSamplesThanReplicas) {
  for (std::string mode : {"train", "eval"}) {
    auto outcome = braid_command({"bench", source("examples/networks/transformer.yaml"), "--set",
                                  "L=8", "--steps", "1", "--mode", mode, "--batch", "3",
                                  "--replicas", "4", "--json"});
    ASSERT_EQ(outcome.code, 0) << mode << outcome.err;
    EXPECT_EQ(outcome.json().at("batch"), 3);
    EXPECT_TRUE(has(outcome.json().at("layers"), "MultiheadAttention"));
  }
}

TEST(BenchCommand, PrintsTables) {
  auto outcome = braid_command({"bench", digits(), "--steps", "2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (auto part : {"2 steps of 64 samples, 2 replicas on cpu", "samples/s", "layers", "kernels",
                    "sync points"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << outcome.out;
}

TEST(BenchCommand, NeedsABatch) {
  Folder folder;
  write_text(folder / "net.yaml",
             "braid: 1\ninputs: {x: {shape: [N, 4]}}\nlayers: [{name: fc, type: Linear, "
             "out_features: 2}]\n"
             "outputs: {y: fc}\n");
  auto outcome = braid_command({"bench", folder / "net.yaml", "--mode", "eval"});
  EXPECT_NE(outcome.code, 0);
  EXPECT_NE(outcome.err.find("--batch N"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace braid::test
