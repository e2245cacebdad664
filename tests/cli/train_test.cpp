// `braid train`: events, files, equal bits over devices, resuming, signals.
#include <gtest/gtest.h>

#include <csignal>
#include <ostream>

#include "cli/command.h"

namespace braid::test {
namespace {

using Words = std::vector<std::string>;

Outcome train(const std::string& out, Words more = {}) {
  Words words = {"train", digits(), "--json", "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  return braid_command(words);
}

std::string weights(const std::string& run) {
  auto bytes = read_text(run + "/weights.safetensors");
  EXPECT_GT(bytes.size(), 8u) << run;
  return bytes;
}

TEST(Train, EventsAreLinesOfJson) {
  Folder folder;
  auto outcome = train(folder / "run", {"--steps", "30"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  int steps = 0, evaluations = 0;
  auto lines = outcome.lines();
  for (auto& line : lines) {
    if (line.at("event") == "step") {
      EXPECT_EQ(line.at("step"), ++steps);
      EXPECT_TRUE(line.at("loss").is_number());
    }
    evaluations += line.at("event") == "eval";
  }
  EXPECT_EQ(steps, 30);
  EXPECT_EQ(evaluations, 3);  // after 13 and 26 steps, and at the end
  auto& done = lines.back();
  EXPECT_EQ(done.at("event"), "done");
  EXPECT_EQ(done.at("steps"), 30);
  EXPECT_EQ(done.at("weights"), folder / "run/weights.safetensors");
  EXPECT_EQ(done.at("sha256").get<std::string>().size(), 64u);
  EXPECT_GT(done.at("metrics").at("accuracy"), 0.3);
  EXPECT_FALSE(done.contains("stopped"));
  EXPECT_EQ(read_text(folder / "run/log.jsonl"), outcome.out);
}

TEST(Train, PlainLinesOnStderrAndASummaryOnStdout) {
  Folder folder;
  auto outcome = braid_command({"train", digits(), "--steps", "13", "--out", folder / "run"});
  ASSERT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("step 13/13"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("test: loss"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos);
  EXPECT_EQ(outcome.err.find('\033'), std::string::npos);
  EXPECT_TRUE(outcome.out.starts_with("steps     13\n")) << outcome.out;
}

TEST(Train, DevicesThreadsAndEnginesDoNotChangeABit) {
  Folder folder;
  struct Case {
    const char* name;
    Words more;
  };
  std::vector<Case> cases = {
      {"one", {"--devices", "cpu:0"}},
      {"two", {"--devices", "cpu:0,cpu:1"}},
      {"twice", {"--devices", "cpu:0,cpu:0"}},
      {"serial", {"--engine", "serial"}},
      {"threads", {"--threads", "1"}},
      {"passes", {"--disable-pass", "reuse", "--disable-pass", "window"}},
  };
  std::string expected;
  for (auto& c : cases) {
    c.more.insert(c.more.end(), {"--steps", "20"});
    auto outcome = train(folder / c.name, c.more);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    auto bytes = weights(folder / c.name);
    if (expected.empty()) expected = bytes;
    EXPECT_TRUE(bytes == expected) << c.name << " differs";
  }
  ASSERT_EQ(train(folder / "seed", {"--steps", "20", "--seed", "8"}).code, 0);
  EXPECT_FALSE(weights(folder / "seed") == expected) << "another seed gave the same weights";
}

TEST(Train, ResumedOnOtherDevicesEqualsUninterrupted) {
  Folder folder;
  ASSERT_EQ(train(folder / "whole", {"--steps", "40", "--devices", "cpu:0"}).code, 0);
  // The schedule is that of 40 steps, so the first part is stopped, not shortened.
  Running first({"train", digits(), "--json", "--out", folder / "parts", "--steps", "40",
                 "--devices", "cpu:0", "--set", "train.checkpoint.every=1"});
  ASSERT_TRUE(first.wait_for("\"step\":5,"));
  first.send(SIGTERM);
  auto stopped = first.finish();
  ASSERT_TRUE(stopped.code == 75 || stopped.code == 0) << stopped.err;
  auto second = train(folder / "parts", {"--steps", "40", "--devices", "cpu:0,cpu:1", "--resume"});
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_TRUE(weights(folder / "parts") == weights(folder / "whole"));
  auto steps = [](const std::string& log) {
    std::vector<std::string> found;
    for (auto& line : Outcome{.out = log}.lines())
      if (line.at("event") == "step") found.push_back(line.dump());
    return found;
  };
  EXPECT_EQ(steps(read_text(folder / "parts/log.jsonl")),
            steps(read_text(folder / "whole/log.jsonl")));
}

TEST(Train, KeepsTheBestWeights) {
  Folder folder;
  auto outcome =
      train(folder / "run", {"--steps", "39", "--set", "train.keep_best={metric: accuracy}",
                             "--set", "train.ema=0.9", "--set", "train.clip={norm: 1}"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  Json best;
  for (auto& line : outcome.lines())
    if (line.at("event") == "eval" && line.value("best", false)) best = line;
  auto done = outcome.lines().back().at("best");
  EXPECT_EQ(done.at("step"), best.at("step"));
  EXPECT_EQ(done.at("value"), best.at("metrics").at("accuracy"));
  EXPECT_EQ(done.at("weights"), folder / "run/best.safetensors");
  auto measured =
      braid_command({"eval", digits(), "--weights", folder / "run/best.safetensors", "--json"});
  EXPECT_EQ(measured.code, 0) << measured.err;
  EXPECT_NE(measured.out.find(done.at("value").dump()), std::string::npos) << measured.out;
}

TEST(Train, TimeEndsItToo) {
  Folder folder;
  auto net = read_text(digits());
  auto replace = [&](const std::string& from, const std::string& to) {
    for (size_t at = net.find(from); at != net.npos; at = net.find(from, at + to.size()))
      net.replace(at, from.size(), to);
    write_text(folder / "net.yaml", net);
  };
  replace("path: data/", "path: " + source("examples/digits/data/"));
  replace("epochs: 10", "minutes: 1e-9");
  auto refused = braid_command({"train", folder / "net.yaml", "--out", folder / "run"});
  EXPECT_EQ(refused.code, 3);
  EXPECT_NE(refused.err.find("E0084"), std::string::npos) << refused.err;  // it falls as a cosine
  replace("type: cosine", "type: constant");
  auto outcome = braid_command({"train", folder / "net.yaml", "--out", folder / "run"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(outcome.out.starts_with("steps     1\n")) << outcome.out;
  EXPECT_NE(outcome.err.find("step 1  loss"), std::string::npos) << outcome.err;
}

TEST(Train, NothingToResumeStartsFreshAndSaysSo) {
  Folder folder;
  auto outcome =
      braid_command({"train", "--out", folder / "run", "--steps", "2", "--resume", digits()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("starting fresh"), std::string::npos) << outcome.err;
}

TEST(Train, ExactRefusesAnotherProgram) {
  Folder folder;
  ASSERT_EQ(train(folder / "run", {"--steps", "4"}).code, 0);
  auto other = train(folder / "run", {"--steps", "8", "--resume", "--exact", "--replicas", "4"});
  EXPECT_EQ(other.code, 4);
  EXPECT_NE(other.err.find("E0322"), std::string::npos) << other.err;
  auto same = train(folder / "run", {"--steps", "8", "--resume", "--exact"});
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(same.lines().back().at("steps"), 8);
}

struct SignalCase {
  int signal;
  int code;
};

std::ostream& operator<<(std::ostream& out, const SignalCase& c) {
  return out << "signal " << c.signal << " gives " << c.code;
}

class Signals : public testing::TestWithParam<SignalCase> {};

TEST_P(Signals, FinishTheStepSaveAndLeave) {
  Folder folder;
  Running running({"train", digits(), "--json", "--out", folder / "run", "--steps", "100000000"});
  ASSERT_TRUE(running.wait_for("\"event\":\"step\""));
  running.send(GetParam().signal);
  auto outcome = running.finish();
  EXPECT_EQ(outcome.code, GetParam().code) << outcome.err;
  auto done = outcome.lines().back();
  EXPECT_EQ(done.at("event"), "done");
  EXPECT_EQ(done.at("stopped"), true);
  EXPECT_GT(weights(folder / "run").size(), 1000u);
  // What was saved is what was trained.
  auto more = std::to_string(done.at("steps").get<int>() + 1);
  auto resumed = train(folder / "run", {"--steps", more, "--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(std::to_string(resumed.lines().back().at("steps").get<int>()), more);
}

INSTANTIATE_TEST_SUITE_P(All, Signals,
                         testing::Values(SignalCase{SIGINT, 130}, SignalCase{SIGTERM, 75},
                                         SignalCase{SIGUSR1, 75}, SignalCase{SIGHUP, 75}),
                         [](auto& info) { return std::to_string(info.param.signal); });

// Two signals at once count as one press: the run is saved.
TEST(Train, AKeyThatBouncesIsOneCtrlC) {
  Folder folder;
  Running running({"train", digits(), "--json", "--out", folder / "run", "--steps", "100000000"});
  ASSERT_TRUE(running.wait_for("\"event\":\"step\""));
  running.send(SIGINT);
  running.send(SIGINT);
  auto outcome = running.finish();
  EXPECT_EQ(outcome.code, 130);
  EXPECT_GT(weights(folder / "run").size(), 1000u);
}

TEST(Train, AReaderThatLeavesDoesNotEndTheRun) {
  Folder folder;
  Running running({"train", digits(), "--json", "--out", folder / "run", "--steps", "2000"});
  ASSERT_TRUE(running.wait_for("\"event\":\"step\""));
  running.close_out();
  auto outcome = running.finish();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_GT(weights(folder / "run").size(), 1000u);
}

TEST(Train, TwoProcessesDoNotShareAFolder) {
  Folder folder;
  Running running({"train", digits(), "--json", "--out", folder / "run", "--steps", "100000000"});
  ASSERT_TRUE(running.wait_for("\"event\":\"step\""));
  auto second = train(folder / "run", {"--steps", "1"});
  EXPECT_EQ(second.code, 7);
  EXPECT_NE(second.err.find("E0603"), std::string::npos) << second.err;
}

TEST(Train, OverridesReachTheRun) {
  Folder folder;
  auto outcome = train(folder / "run", {"--steps", "1", "--set", "optimizer.lr=0.25", "--set",
                                        "schedule.warmup_steps=0", "--set", "hidden=8"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (auto& line : outcome.lines())
    if (line.at("event") == "step") {
      EXPECT_EQ(line.at("lr"), 0.25);
    }
  auto list = braid_command({"weights", folder / "run/weights.safetensors", "--json"}).json();
  for (auto& tensor : list.at("tensors"))
    if (tensor.at("name") == "fc1.weight") {
      EXPECT_EQ(tensor.at("shape"), Json({8, 64}));
    }
}

}  // namespace
}  // namespace braid::test
