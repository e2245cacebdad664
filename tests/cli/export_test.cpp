// `braid export`: arguments, what it says, and that the file is there. What is in it: tests/onnx.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/command.h"

namespace braid::test {
namespace {

std::string digits() { return source("examples/digits/digits.yaml"); }

bool with_onnx(const std::string& weights, const std::string& to) {
  auto outcome = braid_command({"export", digits(), "--weights", weights, "-o", to});
  if (outcome.code == 0) return true;
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("E0370"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("install libonnx-dev and libprotobuf-dev"), std::string::npos);
  return false;
}

TEST(ExportCommand, WritesNetworksAsTheyAreAndFolded) {
  Folder folder;
  auto trained = braid_command({"train", digits(), "--steps", "1", "--out", folder / "run"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto weights = folder / "run/weights.safetensors";
  if (!with_onnx(weights, folder / "one.onnx")) GTEST_SKIP() << "a build without libonnx";
  const auto bytes = read_text(folder / "one.onnx");
  ASSERT_GT(bytes.size(), 1000u);

  auto folded = braid_command({"export", digits(), "--weights", weights, "--fold-bn", "--opset",
                               "13", "--json", "-o", folder / "two.onnx"});
  ASSERT_EQ(folded.code, 0) << folded.err;
  auto said = folded.lines().back();
  EXPECT_EQ(said.at("path"), folder / "two.onnx");
  EXPECT_EQ(said.at("opset"), 13);
  EXPECT_FALSE(said.at("fold").empty());
  EXPECT_NE(read_text(folder / "two.onnx"), bytes);

  auto part = braid_command({"export", digits(), "--weights", weights, "--output", "nothing", "-o",
                             folder / "three.onnx"});
  EXPECT_EQ(part.code, 3);
  EXPECT_NE(part.err.find("E0219"), std::string::npos) << part.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "three.onnx"));
}

TEST(ExportCommand, NeedsWeightsAFileAndAnOpsetThatIsThere) {
  Folder folder;
  auto without = braid_command({"export", digits(), "-o", folder / "m.onnx"});
  EXPECT_EQ(without.code, 2);
  EXPECT_NE(without.err.find("E0701"), std::string::npos) << without.err;
  EXPECT_EQ(braid_command({"export", digits()}).code, 2);
  EXPECT_EQ(braid_command({"export", digits(), "-o", "m.onnx", "--opset", "18"}).code, 2);
}

}  // namespace
}  // namespace braid::test
