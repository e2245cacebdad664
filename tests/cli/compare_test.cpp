// `braid compare`: runs and files, equal or not.
#include <gtest/gtest.h>

#include <filesystem>

#include <braid/runtime/safetensors.h>

#include "cli/command.h"

namespace braid::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void train(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> words = {"train", digits(), "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  auto outcome = braid_command(words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
}

TEST(Compare, RunsOnOtherDevicesAreEqual) {
  Folder folder;
  train(folder / "a", {"--steps", "4", "--devices", "cpu:0"});
  train(folder / "b", {"--steps", "4", "--devices", "cpu:0,cpu:1"});
  auto outcome = braid_command({"compare", folder / "a", folder / "b"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "equal: 4 steps of the logs")) << outcome.out;
  auto json = braid_command({"compare", folder / "a", folder / "b", "--json"}).json();
  EXPECT_EQ(json.at("equal"), true);
  EXPECT_FALSE(json.contains("tensors"));
}

TEST(Compare, RunsOfOtherSeedsDifferFromTheFirstStep) {
  Folder folder;
  train(folder / "a", {"--steps", "3"});
  train(folder / "b", {"--steps", "3", "--seed", "8"});
  auto outcome = braid_command({"compare", folder / "a", folder / "b"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.out, "log.jsonl: step 1 is the first that differs")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "seed: 7 in A, 8 in B")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "fc1.weight")) << outcome.out;
  auto json = braid_command({"compare", folder / "a", folder / "b", "--json"}).json();
  EXPECT_EQ(json.at("equal"), false);
  EXPECT_EQ(json.at("step"), 1);
  EXPECT_EQ(json.at("checkpoint"), 3);
  EXPECT_GT(json.at("tensors").size(), 5u);
}

TEST(Compare, RunsOfOtherLengthsShareTheirFirstSteps) {
  Folder folder;
  train(folder / "a", {"--steps", "2"});
  train(folder / "b", {"--steps", "3"});
  auto outcome = braid_command({"compare", folder / "a", folder / "b"});
  EXPECT_TRUE(contains(outcome.out, "A has 2 steps, B 3: their last weights are not compared"))
      << outcome.out;
}

class CompareFiles : public ::testing::Test {
 protected:
  CompareFiles() {
    TensorFile a, b;
    for (int i = 0; i < 25; ++i) {
      auto values = Array::of<float>({2}, std::vector<float>{1, float(i)});
      a.tensors["t" + std::to_string(100 + i)] = values;
      values.as<float>()[0] = 1 + 1e-6f;
      b.tensors["t" + std::to_string(100 + i)] = values;
    }
    write_safetensors(a_, a);
    write_safetensors(b_, b);
  }
  Folder folder_;
  std::string a_ = folder_ / "a.safetensors", b_ = folder_ / "b.safetensors";
};

TEST_F(CompareFiles, SaysHowMuchTheyDiffer) {
  auto outcome = braid_command({"compare", a_, b_});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.out, "25 of 25 tensors differ")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "and 5 more")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "[0]")) << outcome.out;
  EXPECT_EQ(braid_command({"compare", a_, b_, "--json"}).json().at("tensors").size(), 25u);
  auto same = braid_command({"compare", a_, a_});
  EXPECT_EQ(same.code, 0);
  EXPECT_TRUE(contains(same.out, "25 tensors, equal bit for bit")) << same.out;
}

TEST_F(CompareFiles, MayDifferBelowATolerance) {
  EXPECT_EQ(braid_command({"compare", a_, b_, "--tolerance", "1e-5"}).code, 0);
  EXPECT_EQ(braid_command({"compare", a_, b_, "--tolerance", "1e-8"}).code, 1);
  EXPECT_EQ(braid_command({"compare", a_, b_, "--tolerance", "-1"}).code, 2);
}

TEST_F(CompareFiles, AreFilesOrRunsBoth) {
  auto mixed = braid_command({"compare", a_, folder_.path()});
  EXPECT_EQ(mixed.code, 2);
  EXPECT_TRUE(contains(mixed.err, "E0705")) << mixed.err;
  auto empty = folder_ / "empty";
  std::filesystem::create_directory(empty);
  auto nothing = braid_command({"compare", empty, empty});
  EXPECT_EQ(nothing.code, 4);
  EXPECT_TRUE(contains(nothing.err, "E0324")) << nothing.err;
  EXPECT_EQ(braid_command({"compare", a_, folder_ / "none"}).code, 4);
  EXPECT_EQ(braid_command({"compare", a_}).code, 2);
}

}  // namespace
}  // namespace braid::test
