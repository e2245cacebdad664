// A network with phases from the command line: its plans, and the same bits on any devices.
#include <gtest/gtest.h>

#include "cli/command.h"

namespace braid::test {
namespace {

std::string network(const Folder& folder) {
  const std::string data = source("examples/digits/data");
  write_text(
      folder / "net.yaml",
      R"(braid: 1
name: two
replicas: 2
batch: {global: 64}
inputs: {image: {shape: [N, 64]}, label: {shape: [N], dtype: i64}}
layers:
  - {name: fc1, type: Linear, from: image, out_features: 16}
  - {name: bn1, type: BatchNorm1d}
  - ReLU
  - {name: fc2, type: Linear, out_features: 10}
phases:
  head: {loss: {type: CrossEntropy, from: [fc2, label]}, optimizer: {type: SGD, lr: 0.1}, update: ["fc2.*"]}
  body:
    loss: {type: CrossEntropy, from: [fc2, label]}
    optimizer: {type: Adam, lr: 0.01}
    schedule: {type: cosine}
    update: ["fc1.*", "bn1.*"]
metrics: {accuracy: {type: Accuracy, from: [fc2, label]}}
data:
  train: {type: Csv, path: )" +
          data +
          R"(/digits-train.csv, image: {columns: 0..63, scale: 0.0625}, label: {column: 64}, shuffle: true}
  test: {type: Csv, path: )" +
          data + R"(/digits-test.csv, image: {columns: 0..63, scale: 0.0625}, label: {column: 64}}
)");
  return folder / "net.yaml";
}

TEST(Phases, ThePlanIsOneForEach) {
  Folder folder;
  auto plan = braid_command({"plan", network(folder), "--json"}).json();
  ASSERT_EQ(plan.at("phases").size(), 2u);
  EXPECT_EQ(plan.at("phases")[0].at("phase"), "head");
  EXPECT_EQ(plan.at("phases")[1].at("phase"), "body");
  EXPECT_NE(plan.at("phases")[0].at("program_hash"), plan.at("phases")[1].at("program_hash"));
  auto text = braid_command({"plan", network(folder)}).out;
  EXPECT_NE(text.find("phase head\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nphase body\n"), std::string::npos) << text;
}

TEST(Phases, TrainWithEqualBitsOnAnyDevices) {
  Folder folder;
  auto train = [&](const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> words = {"train", network(folder), "--json", "--out", folder / out};
    words.insert(words.end(), more.begin(), more.end());
    auto outcome = braid_command(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.lines().back();
  };
  auto one = train("one", {"--steps", "60", "--devices", "cpu:0"});
  EXPECT_GT(one.at("metrics").at("accuracy"), 0.5);
  auto two = train("two", {"--steps", "60", "--devices", "cpu:0,cpu:1"});
  EXPECT_EQ(one.at("sha256"), two.at("sha256"));
  EXPECT_EQ(one.at("loss"), two.at("loss"));
}

TEST(Phases, ADimensionWithoutASizeTrainsOnceItHasOne) {
  Folder folder;
  const std::string path = network(folder);
  std::string text = read_text(path);
  text.replace(text.find("[N, 64]"), 7, "[N, F]");
  text.replace(text.find("out_features: 16"), 16, "out_features: 16, in_features: F");
  write_text(path, text);
  auto open = braid_command({"train", path, "--steps", "1", "--out", folder / "run"});
  EXPECT_EQ(open.code, 3);
  EXPECT_NE(open.err.find("net.yaml:5:29: error[E0151]"), std::string::npos) << open.err;
  EXPECT_EQ(
      braid_command({"train", path, "--steps", "1", "--out", folder / "run", "--set", "F=64"}).code,
      0);
}

}  // namespace
}  // namespace braid::test
