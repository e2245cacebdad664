// `braid draw`: text that Graphviz and Mermaid accept.
#include <gtest/gtest.h>

#include <algorithm>

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

}  // namespace
}  // namespace braid::test
