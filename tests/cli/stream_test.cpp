// `braid stream`, and what the other commands say of a file with stages.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "cli/command.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;

const Environment plugins = {{"BRAID_PLUGIN_PATH", BRAID_BINARY_DIR "/plugins"}};

std::vector<Json> objects(const std::string& text) {
  std::vector<Json> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
  return all;
}

const Json& stage(const Json& report, const std::string& name) {
  for (auto& one : report.at("stages"))
    if (one.at("name") == name) return one;
  throw std::runtime_error("no stage " + name);
}

/// Lines {"i": 0, "x": [0, 0]}, {"i": 1, "x": [1, 1]}, ...
std::string numbered(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    text += R"({"i": )" + n + R"(, "x": [)" + n + ", " + n + "]}\n";
  }
  return text;
}

/// A file of these stages between a source of `numbered` lines and what follows.
std::string file_of(const Folder& folder, const std::string& stages, int count = 100) {
  write_text(folder / "in.jsonl", numbered(count));
  write_text(
      folder / "net.yaml",
      "braid: 1\npipeline:\n  - {name: in, type: Source, call: jsonl, file: in.jsonl}\n" + stages);
  return folder / "net.yaml";
}

const std::string to_stdout = "  - {name: out, type: Sink, call: jsonl, file: \"-\"}\n";

/// Pictures of the digits, and a network for them.
class Digits : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = new Folder;
    auto trained =
        braid_command({"train", digits(), "--steps", "60", "--json", "--out", *folder / "run"});
    ASSERT_EQ(trained.code, 0) << trained.err;
    accuracy = trained.lines().back().at("metrics").at("accuracy");
    auto drawn = braid_command({"stream", source("examples/stream/pictures.yaml"), "--set",
                                "folder=" + *folder / "pictures", "--json"});
    ASSERT_EQ(drawn.code, 0) << drawn.err;
    EXPECT_EQ(stage(drawn.json(), "files").at("in"), 200);
  }
  static void TearDownTestSuite() { delete folder; }

  /// To a file, or to stdout.
  static std::vector<std::string> arguments(const std::string& labels = "") {
    std::vector<std::string> all = {"stream", source("examples/stream/digits.yaml"),
                                    "--set",  "folder=" + *folder / "pictures",
                                    "--set",  "weights=" + *folder / "run/weights.safetensors"};
    if (!labels.empty()) all.insert(all.end(), {"--set", "labels=" + labels});
    return all;
  }

  static inline Folder* folder = nullptr;
  static inline double accuracy = 0;
};

TEST_F(Digits, PicturesGoInAndLabelsComeOut) {
  auto outcome = braid_command(arguments());
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto lines = objects(outcome.out);
  ASSERT_EQ(lines.size(), 200u);
  std::istringstream table(read_text(source("examples/digits/data/digits-test.csv")));
  int right = 0;
  for (auto& line : lines) {
    std::string row;
    std::getline(table, row);
    right += std::stoi(row.substr(row.rfind(',') + 1)) == line.at("digit").get<int>();
  }
  EXPECT_EQ(lines[7].at("file"), "000007.png");
  // A picture has 256 grays: what is read back may differ from the table in the last bits.
  EXPECT_NEAR(right / 200.0, accuracy, 0.011);
  EXPECT_NE(outcome.err.find("net"), std::string::npos) << "the table went to stderr";
}

TEST_F(Digits, NothingDependsOnThreadsOrOnWhatIsUnderWay) {
  std::vector<std::string> texts;
  for (auto& more : std::vector<std::vector<std::string>>{
           {"--threads", "1"}, {"--threads", "4"}, {"--in-flight", "33"}}) {
    auto all = arguments(*folder / "labels.jsonl");
    all.insert(all.end(), more.begin(), more.end());
    auto outcome = braid_command(all);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    texts.push_back(read_text(*folder / "labels.jsonl"));
  }
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_EQ(texts[0], texts[2]);
}

/// What `stages` make of the pictures, as the bytes of an array of the field `image`.
std::string array_of(const Folder& pictures, const std::string& source_keys,
                     const std::string& stages) {
  Folder folder;
  write_text(folder / "net.yaml",
             "braid: 1\ninputs: {image: {shape: [N, 1, 8, 8]}}\npipeline:\n"
             "  - {type: Source, call: images, folder: " +
                 pictures / "pictures" + source_keys + "}\n" + stages +
                 "  - {type: Sink, call: npy, file: x.npy, field: image}\n");
  auto outcome = braid_command({"stream", folder / "net.yaml"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return outcome.code ? "" : read_text(folder / "x.npy");
}

TEST_F(Digits, PicturesAreWhatTheInputOfANetworkGets) {
  const auto bytes = array_of(*folder, "", "");
  EXPECT_NE(bytes.find("'descr': '|u1', 'fortran_order': False, 'shape': (200, 1, 8, 8)"),
            std::string::npos);
  const auto values = array_of(*folder, "", "  - {type: Map, call: normalize, parallel: 2}\n");
  EXPECT_NE(values.find("'descr': '<f4'"), std::string::npos);
  EXPECT_EQ(values, array_of(*folder, ", as: image", "")) << "as read_pictures fills the input";
  EXPECT_EQ(bytes, array_of(*folder, "", "  - {type: Map, call: gray}\n"));
  const auto small = array_of(*folder, "", "  - {type: Map, call: resize, size: 4}\n");
  EXPECT_NE(small.find("(200, 1, 4, 4)"), std::string::npos);
  EXPECT_NE(
      array_of(*folder, "", "  - {type: Map, call: resize, size: [3, 5]}\n").find("(200, 1, 3, 5)"),
      std::string::npos);
}

TEST_F(Digits, APlugInBringsACallable) {
  const auto file = source("examples/stream/threshold.yaml");
  auto outcome = braid_command({"stream", file, "--set", "folder=" + *folder / "pictures", "--set",
                                "to=" + *folder / "ink", "--json"},
                               plugins);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(stage(outcome.json(), "ink").at("out"), 200);
  EXPECT_TRUE(exists(*folder / "ink/000199.png"));
  auto refused = braid_command({"stream", file, "--no-plugins"}, plugins);
  EXPECT_EQ(refused.code, 3);
  EXPECT_NE(refused.err.find("E0120"), std::string::npos) << refused.err;
}

TEST(Stream, OrderIsKeptUnlessAFileSaysOtherwise) {
  Folder folder;
  const std::string map = "  - {name: flat, type: Map, call: softmax, field: x, parallel: 4";
  auto kept = braid_command({"stream", file_of(folder, map + "}\n" + to_stdout)});
  ASSERT_EQ(kept.code, 0) << kept.err;
  const auto lines = objects(kept.out);
  ASSERT_EQ(lines.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(lines[size_t(i)].at("i"), i);
  auto any = braid_command({"stream", file_of(folder, map + ", order: any}\n" + to_stdout)});
  std::vector<int> seen;
  for (auto& line : objects(any.out)) seen.push_back(line.at("i"));
  std::ranges::sort(seen);
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[size_t(i)], i);
}

TEST(Stream, WhatAFullQueueDropsIsCounted) {
  Folder folder;
  for (const char* overflow : {"drop_oldest", "drop_newest"}) {
    auto outcome = braid_command(
        {"stream",
         file_of(folder,
                 "  - {name: out, type: Sink, call: jsonl, file: out.jsonl, queue: 1, "
                 "overflow: " +
                     std::string(overflow) + "}\n",
                 2000),
         "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto sink = stage(outcome.json(), "out");
    EXPECT_EQ(sink.at("in").get<int>() + sink.at("dropped").get<int>(), 2000) << outcome.out;
    EXPECT_EQ(objects(read_text(folder / "out.jsonl")).size(), sink.at("in").get<size_t>());
  }
}

TEST(Stream, ItemsOfOneKeyAreJoined) {
  Folder folder;
  write_text(folder / "names.csv", "i,name\n2,two\n0,zero\n\"1\",\"one, or so\"\n");
  const auto file =
      file_of(folder,
              "  - {name: names, type: Source, call: csv, file: names.csv}\n"
              "  - {name: both, type: Join, from: [in, names], by: i, call: merge}\n"
              "  - {name: out, type: Sink, call: jsonl, file: \"-\", fields: [i, name]}\n",
              5);
  auto outcome = braid_command({"stream", file});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::vector<std::string> lines;
  for (auto& line : objects(outcome.out)) lines.push_back(line.dump());
  std::ranges::sort(lines);
  EXPECT_EQ(lines,
            (std::vector<std::string>{R"({"i":0,"name":"zero"})", R"({"i":1,"name":"one, or so"})",
                                      R"({"i":2,"name":"two"})"}));
}

TEST(Stream, ArraysGoInAndOut) {
  Folder folder;
  auto made = braid_command({"stream", file_of(folder,
                                               "  - {type: Sink, call: npy, file: x.npy, "
                                               "field: x}\n")});
  ASSERT_EQ(made.code, 0) << made.err;
  write_text(folder / "net.yaml",
             "braid: 1\npipeline:\n  - {type: Source, call: npy, file: x.npy, field: x}\n"
             "  - {name: far, type: Filter, call: at_least, field: index, value: 97}\n" +
                 to_stdout);
  auto outcome = braid_command({"stream", folder / "net.yaml"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "{\"index\":97,\"x\":[97.0,97.0]}\n{\"index\":98,\"x\":[98.0,98.0]}\n"
            "{\"index\":99,\"x\":[99.0,99.0]}\n");
}

TEST(Stream, AnErrorNamesTheStageItsLineAndTheItem) {
  Folder folder;
  const auto file = file_of(
      folder, "  - {name: square, type: Map, call: reshape, field: x, size: [1, 2]}\n" + to_stdout);
  auto lines = numbered(3) + "{\"i\": 3, \"x\": [3]}\n" + numbered(2);
  write_text(folder / "in.jsonl", lines);
  auto outcome = braid_command({"stream", file});
  EXPECT_EQ(outcome.code, 5) << outcome.err;
  for (const char* part : {"net.yaml:4:12", "'square'", "item 4", "field 'x' is f32 [1]"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part << "\n" << outcome.err;
}

TEST(Stream, CtrlCEndsTheSourcesAndWhatIsUnderWayGoesToItsEnd) {
  Folder folder;
  Running running({"stream", file_of(folder, to_stdout, 100'000)});
  ASSERT_TRUE(running.wait_for("\"i\":10,"));
  running.send(SIGINT);
  auto outcome = running.finish();
  EXPECT_EQ(outcome.code, 130) << outcome.err;
  EXPECT_NE(outcome.err.find("no more items"), std::string::npos) << outcome.err;
  const auto lines = objects(outcome.out);
  EXPECT_LT(lines.size(), 100'000u);
  for (size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i].at("i"), i);
}

/// What a shell says of a script in which $braid is the command and $net a file from stdin to
/// stdout.
Outcome of_shell(const Folder& folder, const std::string& script) {
  write_text(
      folder / "net.yaml",
      "braid: 1\npipeline:\n  - {name: in, type: Source, call: jsonl, file: \"-\"}\n" + to_stdout);
  const std::string out = folder / "out", command = "cd '" + folder.path() +
                                                    "' && braid='" BRAID_BINARY_DIR
                                                    "/bin/braid' && { " +
                                                    script + "; } > '" + out + "' 2> err";
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), read_text(out), read_text(folder / "err")};
}

TEST(Stream, ReadsStdinLineByLine) {
  Folder folder;
  auto outcome =
      of_shell(folder, R"({ printf '{"i": 0}\n\n{"i"'; sleep 0.3; printf ': 1}\n{"i": 2}'; } |)"
                       R"( "$braid" stream net.yaml)");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(objects(outcome.out), (std::vector<Json>{{{"i", 0}}, {{"i", 1}}, {{"i", 2}}}));

  outcome = of_shell(folder, R"(printf '{"i": 0}\n\n{"i": \n' | "$braid" stream net.yaml)");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.err.find("'-', line 3: this is no JSON object"), std::string::npos)
      << outcome.err;
  EXPECT_EQ(of_shell(folder, R"("$braid" stream net.yaml < .)").code, 4);
  EXPECT_EQ(of_shell(folder, R"("$braid" stream net.yaml <&-)").code, 4);
  outcome =
      of_shell(folder, R"(head -c 17000000 /dev/zero | tr '\0' ' ' | "$braid" stream net.yaml)");
  EXPECT_NE(outcome.err.find("longer than 16 MiB"), std::string::npos) << outcome.err;
}

// After one line nothing comes and nothing ends: the pipe is open for writing, too.
TEST(Stream, CanBeEndedWhileItsSourceWaits) {
  Folder folder;
  const auto outcome = of_shell(folder, R"(mkfifo pipe; "$braid" stream net.yaml 0<>pipe & )"
                                        R"(echo '{"i": 0}' > pipe; )"
                                        R"(until [ -s out ]; do sleep 0.05; done; )"
                                        R"(sleep 0.2; kill -TERM $!; wait $!)");
  EXPECT_EQ(outcome.code, 75) << outcome.err;
  EXPECT_NE(outcome.err.find("no more items"), std::string::npos) << outcome.err;
  EXPECT_EQ(objects(outcome.out), (std::vector<Json>{{{"i", 0}}}));
}

void expect_refused(const Outcome& outcome, int code, const std::string& said) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  EXPECT_NE(outcome.err.find(said), std::string::npos) << outcome.err;
}

TEST(Stream, WhatCannotRunHasItsReason) {
  Folder folder;
  expect_refused(braid_command({"stream", digits()}), 3, "error[E0223]");
  const std::string mine = "  - {name: mine, type: Map, call: mine, by_hand: 2}\n";
  const auto file = file_of(folder, mine + to_stdout);
  expect_refused(braid_command({"stream", file}), 3, "net.yaml:4");
  auto checked = braid_command({"check", file});
  EXPECT_EQ(checked.code, 0) << checked.err;
  EXPECT_NE(checked.out.find("'mine' of 'mine' is to be bound by the program"), std::string::npos)
      << checked.out;
  expect_refused(braid_command({"stream", file_of(folder,
                                                  "  - {type: Map, call: reshape, size: 2, "
                                                  "sise: 3}\n" +
                                                      to_stdout)}),
                 3, "'sise'");
  expect_refused(braid_command({"stream", file, "--in-flight", "0"}), 2, "--in-flight");
  write_text(folder / "net.yaml",
             "braid: 1\npipeline:\n  - {name: a, type: Source, call: images, "
             "folder: nowhere}\n" +
                 to_stdout);
  expect_refused(braid_command({"stream", folder / "net.yaml"}), 4, "nowhere");
}

TEST(Stream, ANetworkThatIsNotThereIsNamedWithItsStage) {
  Folder folder;
  const auto outcome = braid_command(
      {"stream",
       file_of(folder, "  - {name: net, type: Network, model: gone.yaml}\n" + to_stdout)});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("gone.yaml: error[E0001]"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("for stage 'net'"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("net.yaml:4"), std::string::npos) << outcome.err;
}

TEST(Stream, ANetworkOfTheFileNeedsWeights) {
  Folder folder;
  write_text(folder / "in.jsonl", numbered(4));
  write_text(folder / "net.yaml", R"(braid: 1
inputs: {x: {shape: [N, 2]}}
layers:
  - {name: fc, type: Linear, out_features: 3}
pipeline:
  - {name: in, type: Source, call: jsonl, file: in.jsonl}
  - {name: net, type: Network, outputs: [fc]}
  - {name: out, type: Sink, call: jsonl, file: "-", fields: [i, fc]}
)");
  expect_refused(braid_command({"stream", folder / "net.yaml"}), 3, "net.yaml:7:12: error[E0701]");
  auto plan = braid_command({"plan", folder / "net.yaml", "--batch", "2"});
  EXPECT_EQ(plan.code, 0) << plan.err;
}

TEST(Stages, AreCheckedAndDrawnWithoutANetwork) {
  const auto file = source("examples/stream/digits.yaml");
  auto table = braid_command({"check", file});
  ASSERT_EQ(table.code, 0) << table.err;
  for (const char* part : {"stage", "normalize", "max 32, wait 5 ms", "../digits/digits.yaml",
                           "8 stages, at most 128 items under way"})
    EXPECT_NE(table.out.find(part), std::string::npos) << part << "\n" << table.out;
  const auto json = braid_command({"check", file, "--json"}).json().at("pipeline");
  EXPECT_EQ(json.at("in_flight"), 128);
  EXPECT_EQ(json.at("stages")[1].at("from"), Json::array({"frames"}));
  EXPECT_EQ(json.at("stages")[1].at("parallel"), 2);
  auto drawn = braid_command({"draw", file});
  EXPECT_NE(drawn.out.find("n_frames -> n_values [label=\"queue 16\"]"), std::string::npos)
      << drawn.out;
  EXPECT_EQ(braid_command({"draw", file, "--format", "html"}).code, 0);
  auto picture = braid_command({"draw", file, "--format", "json"}).json();
  EXPECT_EQ(picture.at("pictures")[0].at("view"), "pipeline");
  for (const char* command : {"plan", "train", "eval", "bench"})
    expect_refused(braid_command({command, file}), 3, "error[E0222]");
}

TEST(Stages, StandBesideLayers) {
  Folder folder;
  const auto file = folder / "net.yaml";
  write_text(file, read_text(digits()) +
                       "pipeline:\n  - {type: Source, call: data}\n  - {type: Batch, max: 100}\n"
                       "  - Network\n  - Unbatch\n  - {type: Sink, call: count}\n");
  auto table = braid_command({"check", file});
  EXPECT_NE(table.out.find("fc1"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("this file's layers"), std::string::npos) << table.out;
  EXPECT_NE(table.err.find("warning[W0070]"), std::string::npos) << table.err;
  EXPECT_EQ(braid_command({"check", file, "--deny", "W0070"}).code, 3);
  auto pictures = braid_command({"draw", file, "--format", "json"}).json().at("pictures");
  ASSERT_EQ(pictures.size(), 3u);
  EXPECT_EQ(pictures[1].at("view"), "pipeline");
  auto stages = braid_command({"draw", file, "--view", "pipeline"});
  EXPECT_NE(stages.out.find("Unbatch"), std::string::npos) << stages.out;
}

}  // namespace
}  // namespace braid::test
