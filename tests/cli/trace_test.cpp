// `--trace`, and `braid trace`, which reads what it wrote, or what somebody made up.
#include <gtest/gtest.h>

#include <csignal>

#include "cli/command.h"
#include "support/trace_check.h"

namespace braid::test {
namespace {

using Words = std::vector<std::string>;

Outcome train(const Folder& folder, Words more = {}) {
  Words words = {"train",   digits(),          "--out",     folder / "run",
                 "--trace", folder / "t.json", "--devices", "cpu:0,cpu:1"};
  words.insert(words.end(), more.begin(), more.end());
  return braid_command(words);
}

TEST(TraceCommand, SaysWhereTheTimeWent) {
  Folder folder;
  const auto trained = train(folder, {"--steps", "15"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const TraceCheck check(read_text(folder / "t.json"));
  EXPECT_EQ(check.faults(), Words{});
  EXPECT_GT(check.arrow_count(), 0u);
  const auto text = braid_command({"trace", folder / "t.json"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* expected :
       {"braid train digits: 15 training steps, steps 1 to 15; 64 samples,",
        "2 replicas on cpu:0, cpu:1\n", "critical", "layers, ms", "fc1 ",
        "waits at sync points, ms", "bn1, backward", "mostly last", "worker 0"})
    EXPECT_NE(text.out.find(expected), std::string::npos) << expected << "\n" << text.out;
  const auto json = braid_command({"trace", folder / "t.json", "--json"}).json();
  EXPECT_EQ(json.at("passes"), 15);
  EXPECT_GT(json.at("left_out"), 0) << "evaluations";
  double layers = 0;
  for (auto& layer : json.at("layers"))
    for (auto& [phase, ms] : layer.at("ms").items()) layers += ms.get<double>();
  EXPECT_NEAR(layers, json.at("worked_ms"), 1e-6 * layers) << "every event has a phase";
  EXPECT_LE(json.at("path").at("worked_ms").get<double>(), json.at("path").at("ms").get<double>());
  EXPECT_LE(json.at("path").at("ms").get<double>(), json.at("ms").at("max").get<double>());
  for (auto& sync : json.at("sync_points")) {
    ASSERT_EQ(sync.at("wait_ms").size(), 2u);
    EXPECT_EQ(sync.at("last").at(0).get<int>() + sync.at("last").at(1).get<int>(), 15);
  }
}

TEST(TraceCommand, ChosenStepsAlone) {
  Folder folder;
  const auto trained = train(folder, {"--steps", "10", "--trace-steps", "4..6", "--json"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto json = braid_command({"trace", folder / "t.json", "--json"}).json();
  EXPECT_EQ(json.at("passes"), 3);
  EXPECT_EQ(json.at("first"), 4);
  EXPECT_EQ(json.at("last"), 6);
  const auto none = train(folder, {"--steps", "3", "--trace-steps", "50.."});
  EXPECT_NE(none.err.find("no step was traced"), std::string::npos) << none.err;
  EXPECT_NE(braid_command({"trace", folder / "t.json"}).out.find("no step"), std::string::npos);
}

TEST(TraceCommand, RunsAreTracedToo) {
  Folder folder;
  ASSERT_EQ(braid_command({"train", digits(), "--steps", "2", "--out", folder / "run"}).code, 0);
  const auto run =
      braid_command({"run", digits(), "--weights", folder / "run/weights.safetensors", "--data",
                     "test", "-o", folder / "out", "--trace", folder / "t.json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = braid_command({"trace", folder / "t.json", "--json"}).json();
  EXPECT_EQ(json.at("what"), "run");
  EXPECT_EQ(json.at("name"), "braid run digits");
  EXPECT_EQ(TraceCheck(read_text(folder / "t.json")).faults(), Words{});
}

TEST(TraceCommand, AnInterruptedRunLeavesItsTrace) {
  Folder folder;
  Running run({"train", digits(), "--json", "--out", folder / "run", "--trace", folder / "t.json",
               "--set", "train.epochs=100000"});
  ASSERT_TRUE(run.wait_for("\"step\":5,"));
  run.send(SIGINT);
  EXPECT_EQ(run.finish().code, 130);
  EXPECT_GE(braid_command({"trace", folder / "t.json", "--json"}).json().at("passes"), 5);
}

TEST(TraceCommand, AFailedRunLeavesItsTrace) {
  Folder folder;
  const auto failed = train(folder, {"--set", "optimizer.lr=1e30", "--check-finite"});
  ASSERT_EQ(failed.code, 5) << failed.err;
  const auto json = braid_command({"trace", folder / "t.json", "--json"}).json();
  EXPECT_GE(json.at("passes"), 1);
  EXPECT_EQ(json.at("failed"), 1);
}

TEST(TraceCommand, AFileThatCannotBeWrittenIsFoundBeforeTheFirstStep) {
  Folder folder;
  const auto outcome = braid_command(
      {"train", digits(), "--out", folder / "run", "--trace", folder / "no/such/t.json"});
  EXPECT_EQ(outcome.code, 7) << outcome.err;
  EXPECT_NE(outcome.err.find("E0601"), std::string::npos) << outcome.err;
  EXPECT_FALSE(exists(folder / "run/log.jsonl"));
}

TEST(TraceCommand, RangesAreChecked) {
  for (const char* range : {"x", "5..2", "..", "1..2..3", "-1", "99999999999999999999"}) {
    const auto outcome =
        braid_command({"train", digits(), "--trace", "t.json", "--trace-steps", range});
    EXPECT_EQ(outcome.code, 2) << range << outcome.err;
  }
  EXPECT_EQ(braid_command({"train", digits(), "--trace-steps", "1..2"}).code, 2) << "no --trace";
}

TEST(TraceCommand, OtherFilesAreRefused) {
  Folder folder;
  const std::string head = R"({"otherData":{"braid-trace":1,"name":"x","programs":[)";
  const std::string program =
      R"({"batch":1,"replicas":1,"devices":["cpu"],"after":[[]],"syncs":[]})";
  const std::string step =
      R"({"ph":"X","tid":0,"ts":0,"dur":9,"cat":"step","args":{"run":0,"program":0,"step":1,"what":"train"}})";
  auto file = [&](const std::string& programs, const std::string& events) {
    return head + programs + R"(]},"traceEvents":[)" + events + "]}";
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no JSON"},
      {"{", "no JSON"},
      {"[1, 2]", "not written by"},
      {R"({"traceEvents": []})", "not written by"},
      {R"({"otherData": {"braid-trace": 2}, "traceEvents": []})", "another version"},
      {R"({"otherData": {"braid-trace": 1}, "traceEvents": []})", "no list of \"programs\""},
      {file("7", ""), "a program is none"},
      {file(R"({"batch":1,"replicas":1,"devices":[],"after":[[5]],"syncs":[]})", ""), "a task"},
      {file(R"({"batch":-1})", ""), "\"batch\""},
      {file(program, step + "," + step), "not in order"},
      {file("", step), "a program that it has not"},
      {file(program, step + R"(,{"ph":"X","tid":1,"ts":1e99,"dur":1,"args":{"run":0,"task":0}})"),
       "\"ts\""},
      {file(program, step + R"(,{"ph":"X","tid":1,"ts":1,"dur":1,"args":{"run":0,"task":4}})"),
       "a task that it has not"},
      {file(program, step + R"(,{"ph":"X","tid":1,"ts":1,"dur":1,"args":{"run":3,"task":0}})"),
       "a step that it has not"},
      {file(program, step + R"(,{"ph":"X","tid":1,"ts":1,"dur":1,"args":{"run":0,"task":0}})"),
       "a track that it has not"},
      {file(program, "[" + std::string(5000, '[') + std::string(5000, ']') + "]"), "too large"},
  };
  for (auto& [text, why] : cases) {
    write_text(folder / "t.json", text);
    const auto outcome = braid_command({"trace", folder / "t.json"});
    EXPECT_EQ(outcome.code, 4) << text.substr(0, 300);
    EXPECT_NE(outcome.err.find("E0708"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(why), std::string::npos) << why << "\n" << outcome.err;
  }
  EXPECT_EQ(braid_command({"trace", folder / "absent"}).code, 4);
  EXPECT_EQ(braid_command({"trace", folder.path()}).code, 4);
}

TEST(TraceCommand, SurvivesFilesThatAreCutOffOrChanged) {
  Folder folder;
  ASSERT_EQ(train(folder, {"--steps", "2"}).code, 0);
  const auto whole = read_text(folder / "t.json");
  uint64_t random = 1;
  for (int i = 0; i < 40; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    auto text = whole;
    const size_t at = (random >> 33) % text.size();
    if (i % 2)
      text.resize(at);
    else
      text[at] = "0]}\"-9,a"[random >> 61];
    write_text(folder / "t.json", text);
    const int code = braid_command({"trace", folder / "t.json"}).code;
    EXPECT_TRUE(code == 0 || code == 4) << code << " at " << at;
  }
}

}  // namespace
}  // namespace braid::test
