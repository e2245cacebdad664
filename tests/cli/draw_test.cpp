// `braid draw`: text that Graphviz and Mermaid accept.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "cli/command.h"

namespace braid::test {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

bool have_graphviz() { return std::system("dot -V >/dev/null 2>&1") == 0; }

std::string draw(std::vector<std::string> more, const std::string& net = digits()) {
  std::vector<std::string> words = {"draw", net};
  words.insert(words.end(), more.begin(), more.end());
  auto outcome = braid_command(words);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return outcome.out;
}

// Names that are words or symbols of the formats.
void write_hostile(const std::string& path, int repeat) {
  write_text(path,
             "braid: 1\nname: digraph\ninputs: {x: {shape: [N, 4]}}\n"
             "layers:\n  - {name: end, type: Linear, out_features: 4}\n"
             "  - {name: graph, type: ReLU}\n  - {name: '9', type: ReLU}\n"
             "  - {name: b, repeat: " +
                 std::to_string(repeat) +
                 ", layers: [{name: fc, type: Linear, out_features: 4}, ReLU]}\n"
                 "outputs: {node: '9'}\n");
}

TEST(Draw, NetworkShowsLayersShapesAndOutputs) {
  auto dot = draw({});
  for (const char* part : {"fc1\\nLinear\\n[N, 32]\\n2080 parameters", "accuracy", "logits"})
    EXPECT_NE(dot.find(part), std::string::npos) << part << "\n" << dot;
  EXPECT_EQ(dot, draw({})) << "drawn twice, two pictures";
}

TEST(Draw, ReplicasShowDevicesAndOneHexagonForEachSynchronization) {
  auto dot = draw({"--view", "replicas", "--devices", "cpu:0,cpu:1"});
  for (const char* part : {"label=\"cpu:0\"", "label=\"cpu:1\"", "label=\"replica 1\"",
                           "samples 32 to 63", "merge chan", "768 B"})
    EXPECT_NE(dot.find(part), std::string::npos) << part << "\n" << dot;
  auto plan = braid_command({"plan", digits(), "--json"}).json();
  auto& total = plan.at("synchronization");
  EXPECT_EQ(count(dot, "shape=hexagon"), total.at("forward").at("exchanges"));
  EXPECT_NE(dot.find("3 values, 24 B"), std::string::npos) << dot;  // loss, accuracy and its count
  auto all = draw({"--view", "replicas", "--devices", "cpu:0,cpu:1", "--backward"});
  EXPECT_EQ(count(all, "shape=hexagon"), plan.at("exchanges"));
  EXPECT_GT(count(all, "style=dashed"), count(dot, "style=dashed"));
}

TEST(Draw, GraphvizAcceptsIt) {
  if (!have_graphviz()) GTEST_SKIP() << "no Graphviz here";
  Folder folder;
  write_hostile(folder / "hostile.yaml", 3);
  for (auto& net : {digits(), std::string(folder / "hostile.yaml")})
    for (const char* view : {"network", "replicas"}) {
      write_text(folder / "net.dot", draw({"--view", view, "--batch", "8", "--mode", "eval"}, net));
      auto log = folder / "log";
      auto command = "dot -Tcanon " + (folder / "net.dot") + " >/dev/null 2>" + log;
      EXPECT_EQ(std::system(command.c_str()), 0) << read_text(log);
      EXPECT_EQ(read_text(log), "") << read_text(folder / "net.dot");
    }
}

TEST(Draw, SvgComesFromGraphviz) {
  Folder folder;
  if (have_graphviz()) {
    draw({"-o", folder / "net.svg"});
    EXPECT_NE(read_text(folder / "net.svg").find("<svg"), std::string::npos);
  }
  auto without = braid_command({"draw", digits(), "--format", "svg"}, {{"PATH", folder.path()}});
  EXPECT_EQ(without.code, 7);
  EXPECT_NE(without.err.find("graphviz"), std::string::npos) << without.err;
}

TEST(Draw, MermaidIsCollapsedWhenItIsLarge) {
  Folder folder;
  write_hostile(folder / "small.yaml", 3);
  write_hostile(folder / "large.yaml", 150);
  auto small = draw({"--format", "mermaid"}, folder / "small.yaml");
  auto large = draw({"--format", "mermaid"}, folder / "large.yaml");
  EXPECT_NE(small.find("flowchart TB"), std::string::npos);
  EXPECT_EQ(small.find("nodes\""), std::string::npos) << small;
  EXPECT_NE(large.find("2 nodes\""), std::string::npos) << large;
  EXPECT_LE(count(large, "[\"") + count(large, "[/\""), 2 * 200u);
  auto md = folder / "net.md";
  draw({"-o", md}, folder / "small.yaml");
  EXPECT_TRUE(read_text(md).starts_with("```mermaid\n"));
}

// What is read back is drawn as what was written. Phases have a picture each.
void expect_lossless(const std::string& net, const std::vector<std::string>& more) {
  Folder folder;
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  auto kept = folder / "net.json";
  draw(with({"-o", kept}), net);
  const auto json = read_text(kept);
  EXPECT_EQ(draw({"--format", "json"}, kept), json);
  EXPECT_EQ(draw({"--format", "html"}, kept), draw(with({"--format", "html"}), net));
  EXPECT_EQ(draw({}, kept), draw(more, net));
  if (Json::parse(json).at("pictures").size() != 2) return;
  EXPECT_EQ(draw({"--view", "replicas"}, kept), draw(with({"--view", "replicas"}), net));
}

TEST(Draw, EachPhaseHasItsReplicas) {
  auto pictures = Json::parse(draw({"--format", "json"}, source("examples/networks/dcgan.yaml")));
  ASSERT_EQ(pictures.at("pictures").size(), 3u);
  EXPECT_EQ(pictures.at("pictures").at(1).at("view"), "replicas");
  EXPECT_NE(pictures.at("pictures").at(1).at("title"), pictures.at("pictures").at(2).at("title"));
}

TEST(Draw, ANetworkWithoutABatchIsDrawnWithoutReplicas) {
  Folder folder;
  write_text(folder / "net.yaml",
             "braid: 1\ninputs: {x: {shape: [N, 4]}}\nlayers: [{type: ReLU, from: x}]\n");
  auto outcome = braid_command({"draw", folder / "net.yaml", "--format", "json"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.json().at("pictures").size(), 1u);
  EXPECT_NE(outcome.err.find("without its replicas"), std::string::npos) << outcome.err;
  auto asked =
      braid_command({"draw", folder / "net.yaml", "--format", "json", "--view", "replicas"});
  EXPECT_EQ(asked.code, 3);
}

TEST(Draw, JsonOfEveryExampleIsLossless) {
  setenv("BRAID_PLUGIN_PATH", BRAID_BINARY_DIR "/plugins", 1);  // of embed/swish.yaml
  size_t seen = 0;
  for (auto& entry : std::filesystem::recursive_directory_iterator(source("examples"))) {
    auto& path = entry.path();
    if (path.extension() != ".yaml" || path.parent_path().filename() == "blocks") continue;
    std::vector<std::string> more;
    if (read_text(path.string()).find("[N, L]") != std::string::npos) more = {"--set", "L=16"};
    SCOPED_TRACE(path.string());
    expect_lossless(path.string(), more);
    ++seen;
  }
  EXPECT_GE(seen, 15u);
}

TEST(Draw, JsonNamesLinesShapesBytesAndTrees) {
  auto json = Json::parse(draw({"--format", "json", "--replicas", "3", "--batch", "63"}));
  auto& network = json.at("pictures").at(0);
  auto fc1 = std::ranges::find(network.at("nodes"), "n_fc1", [](auto& n) { return n.at("id"); });
  ASSERT_NE(fc1, network.at("nodes").end());
  EXPECT_EQ(fc1->at("file"), digits());
  auto text = read_text(digits());
  EXPECT_EQ(fc1->at("line"),
            std::count(text.begin(), text.begin() + long(text.find("name: fc1")), '\n') + 1);
  EXPECT_EQ(fc1->at("arguments"), Json::array({Json::array({"out_features", "32"})}));
  EXPECT_EQ(fc1->at("inputs"), Json::array({"f32 [N, 64]"}));
  EXPECT_EQ(fc1->at("bytes"), 128);
  EXPECT_EQ(fc1->at("parameters"), 2080);
  auto& replicas = json.at("pictures").at(1);
  auto sync = std::ranges::find(replicas.at("nodes"), "sync", [](auto& n) { return n.at("kind"); });
  ASSERT_NE(sync, replicas.at("nodes").end());
  const Json merge = {{"how", "chan"}, {"values", 1}, {"bytes", 768},
                      {"first", 0},    {"last", 3},   {"tree", "((0 1) 2)"}};
  EXPECT_EQ(sync->at("merge"), merge);
}

TEST(Draw, AFileOfPicturesThatIsNoneIsRefused) {
  Folder folder;
  auto refused = [&](std::vector<std::string> words, const char* said) {
    auto outcome = braid_command(words);
    EXPECT_EQ(outcome.code, 4);
    EXPECT_NE(outcome.err.find(said), std::string::npos) << outcome.err;
  };
  refused({"draw", folder / "absent.json"}, "error[E0709]");
  write_text(folder / "notes.json", "{\"braid-graph\": 1, \"pictures\": [{}]}");
  refused({"draw", folder / "notes.json"}, "notes.json: /pictures/0: 'view' is missing");
  draw({"--view", "replicas", "-o", folder / "one.json"});
  refused({"draw", folder / "one.json", "--view", "network"}, "there is no such picture in it");
  refused({"draw", digits(), "--trace", folder / "absent.json"}, "error[E0708]");
  refused({"draw", digits(), "--trace", digits()}, "this is no JSON");
}

TEST(Draw, ATraceOfOtherLayersIsSaidToBeOne) {
  Folder folder;
  write_text(folder / "t.json", R"([{"ph": "X", "dur": 1, "args": {"layer": "elsewhere"}}])");
  auto outcome =
      braid_command({"draw", digits(), "--format", "json", "--trace", folder / "t.json"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("no event"), std::string::npos) << outcome.err;
}

TEST(Draw, TheSchemaOfPicturesIsTheOneInTheDocs) {
  EXPECT_EQ(braid_command({"schema", "--graph"}).out, read_text(source("docs/graph.schema.json")));
}

TEST(Draw, CallbacksAreMarked) {
  auto net = source("examples/replication/hooks.yaml");
  EXPECT_EQ(count(draw({}, net), "penwidth=2.5"), 1u);
  EXPECT_EQ(count(draw({"--view", "replicas"}, net), "penwidth=2.5"), 2u) << "one a replica";
  EXPECT_NE(draw({"--format", "mermaid"}, net).find("class n_bn1 called"), std::string::npos);
}

}  // namespace
}  // namespace braid::test
