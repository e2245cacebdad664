// The command with CUDA devices: here an emulated GPU, loaded in the plug-in's place.
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/command.h"

namespace braid::test {
namespace {

// The emulated device's threads have stacks of their own, which AddressSanitizer's search for uses
// after a return takes for frames that are gone.
const Environment emulated = {
    {"BRAID_CUDA_LIBRARY", BRAID_BINARY_DIR "/lib/libbraid_cuda_emulated.so"},
    {"ASAN_OPTIONS", "detect_stack_use_after_return=0:intercept_tls_get_addr=0"}};

class CudaCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!exists(emulated.at("BRAID_CUDA_LIBRARY"))) GTEST_SKIP() << "no emulated GPU was built";
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

std::string sha_of(const std::string& out) {
  auto at = out.find("sha256");
  return at == out.npos ? "" : out.substr(out.find_first_not_of(' ', at + 6), 64);
}

TEST_F(CudaCommand, ListsTheGpu) {
  auto outcome = braid_command({"devices", "--json"}, emulated);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  auto gpu = outcome.json().at("devices").at(1);
  EXPECT_EQ(gpu.at("name"), "cuda:0");
  EXPECT_EQ(gpu.at("isa"), "sm_90");
}

TEST_F(CudaCommand, PlansForAGpuThatIsNotHere) {
  auto outcome =
      braid_command({"plan", digits(), "--devices", "cuda:0", "--isa", "sm_80"}, emulated);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "isa sm_80")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "events between them")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "cuda:moments")) << outcome.out;
}

TEST_F(CudaCommand, SaysWhatFastSumsGiveUp) {
  auto plan = [&](const std::string& devices) {
    auto outcome = braid_command(
        {"plan", digits(), "--set", "reduce=fast", "--devices", devices, "--isa", "sm_90"},
        emulated);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  const auto two = plan("cuda:0,cuda:1"), one = plan("cuda:0"), same = plan("cuda:0,cuda:0");
  EXPECT_TRUE(contains(two, "in the order of the devices' library")) << two;
  EXPECT_TRUE(contains(two, "(arithmetic: of 2 devices, no other number; isa sm_90)")) << two;
  EXPECT_TRUE(contains(two, "sum, library")) << two;
  EXPECT_TRUE(contains(two, "sum over 2 devices")) << two;
  EXPECT_TRUE(contains(one, "fast, the same as exact here: there is one device")) << one;
  EXPECT_TRUE(contains(one, "(arithmetic: equal on every device list; isa sm_90)")) << one;
  EXPECT_TRUE(contains(same, "the same as exact here: several placements share a GPU")) << same;
}

TEST_F(CudaCommand, DrawsEveryReplicaThoughLaunchesServeSeveral) {
  const std::vector<std::string> words = {"draw",     digits(),  "--view",   "replicas",
                                          "--format", "mermaid", "--devices"};
  auto with = [&](const std::string& device) {
    auto all = words;
    all.push_back(device);
    return braid_command(all, emulated);
  };
  auto gpu = with("cuda:0"), cpu = with("cpu");
  ASSERT_EQ(gpu.code, 0) << gpu.err;
  EXPECT_EQ(std::ranges::count(gpu.out, '\n'), std::ranges::count(cpu.out, '\n'));
  EXPECT_TRUE(contains(gpu.out, "bn1_moments_r1")) << gpu.out;
}

TEST_F(CudaCommand, TrainsWithTheSameBitsOnOneAndTwoPlacements) {
  Folder folder;
  std::string first;
  for (std::string devices : {"cuda:0", "cuda:0,cuda:0"}) {
    auto outcome = braid_command(
        {"train", digits(), "--devices", devices, "--steps", "6", "--out", folder / devices},
        emulated);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    ASSERT_EQ(sha_of(outcome.out).size(), 64u) << outcome.out;
    if (first.empty()) first = sha_of(outcome.out);
    EXPECT_EQ(sha_of(outcome.out), first);
  }
  auto more = braid_command({"train", digits(), "--devices", "cuda:0,cuda:0", "--steps", "9",
                             "--resume", "--out", folder / "cuda:0"},
                            emulated);
  EXPECT_EQ(more.code, 0) << more.err;
  auto eval = braid_command(
      {"eval", digits(), "--devices", "cuda:0", "--weights", folder / "cuda:0/weights.safetensors"},
      emulated);
  EXPECT_EQ(eval.code, 0) << eval.err;
}

// Errors cross the border of the plug-in with their kind, place and words.
TEST_F(CudaCommand, ErrorsOfTheDeviceHaveTheirExitCode) {
  Folder folder;
  auto absent = braid_command(
      {"train", digits(), "--devices", "cuda:7", "--steps", "1", "--out", folder / "a"}, emulated);
  EXPECT_EQ(absent.code, 6);
  EXPECT_TRUE(contains(absent.err, "E0509")) << absent.err;
  auto kinds = braid_command(
      {"train", digits(), "--devices", "cpu,cuda:0", "--steps", "1", "--out", folder / "b"},
      emulated);
  EXPECT_EQ(kinds.code, 6);
  EXPECT_TRUE(contains(kinds.err, "E0510")) << kinds.err;
}

}  // namespace
}  // namespace braid::test
