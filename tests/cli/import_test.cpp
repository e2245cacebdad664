// `braid import`: what comes back of a trained network, and files that are none. More: tests/onnx.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cli/command.h"

namespace braid::test {
namespace {

TEST(ImportCommand, AnExportedNetworkComesBackAndIsChecked) {
  Folder folder;
  const auto digits = source("examples/digits/digits.yaml");
  ASSERT_EQ(braid_command({"train", digits, "--steps", "1", "--out", folder / "run"}).code, 0);
  auto out = braid_command({"export", digits, "--weights", folder / "run/weights.safetensors", "-o",
                            folder / "digits.onnx"});
  if (out.err.find("E0370") != std::string::npos) GTEST_SKIP() << "a build without libonnx";
  ASSERT_EQ(out.code, 0) << out.err;

  auto in = braid_command({"import", folder / "digits.onnx", "-o", folder / "back.yaml", "--json"});
  ASSERT_EQ(in.code, 0) << in.err;
  EXPECT_EQ(in.lines().back().at("weights"), folder / "back.safetensors");
  EXPECT_NE(read_text(folder / "back.yaml").find("weights: {path: back.safetensors}"),
            std::string::npos);
  auto checked = braid_command({"check", folder / "back.yaml"});
  EXPECT_EQ(checked.code, 0) << checked.err;
  EXPECT_EQ(braid_command({"fmt", "--check", folder / "back.yaml"}).code, 0);
}

TEST(ImportCommand, WhatIsNoOnnxLeavesWith4AndWritesNothing) {
  Folder folder;
  std::ofstream(folder / "model.pt", std::ios::binary) << "PK\x03\x04 and so on";
  std::ofstream(folder / "damaged.onnx", std::ios::binary) << "\x08\x08 this is not protobuf";
  for (auto name : {"model.pt", "damaged.onnx", "missing.onnx"}) {
    auto outcome = braid_command({"import", folder / name, "-o", folder / "net.yaml"});
    if (outcome.err.find("E0370") != std::string::npos) GTEST_SKIP() << "a build without libonnx";
    EXPECT_EQ(outcome.code, 4) << outcome.err;
    EXPECT_NE(outcome.err.find("E0295"), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(folder / "net.yaml"));
  }
  EXPECT_EQ(braid_command({"import", folder / "damaged.onnx"}).code, 2);
}

}  // namespace
}  // namespace braid::test
