// The writers of pictures, with names that only a model built in C++ can have.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <sstream>

#include <braid/compiler/draw.h>
#include <nlohmann/json.hpp>

namespace braid::test {
namespace {

// `blocks` blocks of `layers` nodes in frames, chained; names full of what formats reserve.
Picture chain(int blocks, int layers) {
  Picture p{.title = "say \"hi\" <b> #1 \\"};
  for (int b = 0; b < blocks; ++b) {
    auto block = "block" + std::to_string(b);
    p.clusters.push_back({block, block + " \"q\"", -1});
    for (int l = 0; l < layers; ++l) {
      auto id = block + "_" + std::to_string(l);
      p.nodes.push_back({id, {id, "a\"b\\c\nd"}, Picture::Kind::layer, b, {block, "net"}});
      if (p.nodes.size() > 1)
        p.edges.push_back({int(p.nodes.size()) - 2, int(p.nodes.size()) - 1, "8 \"B\"", l == 0});
    }
  }
  return p;
}

size_t lines_with(const std::string& text, const std::string& part) {
  std::istringstream in(text);
  size_t n = 0;
  for (std::string line; std::getline(in, line);) n += line.find(part) != std::string::npos;
  return n;
}

TEST(Picture, DotEscapesQuotesAndBackslashes) {
  auto dot = to_dot(chain(1, 2));
  EXPECT_NE(dot.find(R"(label="say \"hi\" <b> #1 \\")"), std::string::npos) << dot;
  EXPECT_NE(dot.find(R"(label="block0_0\na\"b\\c d")"), std::string::npos) << dot;
  EXPECT_NE(dot.find(R"(label="8 \"B\"")"), std::string::npos) << dot;
}

TEST(Picture, MermaidEscapesWhatItReserves) {
  auto text = to_mermaid(chain(1, 2));
  EXPECT_NE(text.find("title: \"say #quot;hi#quot; #lt;b#gt; #35;1"), std::string::npos) << text;
  EXPECT_EQ(lines_with(text, " --> "), 1u);
}

TEST(Picture, MermaidDrawsBlocksWhenThereAreTooManyNodes) {
  auto picture = chain(10, 30);
  auto whole = to_mermaid(picture, 300), blocks = to_mermaid(picture, 299),
       one = to_mermaid(picture, 9);
  EXPECT_EQ(lines_with(whole, "[\"block0_"), 30u);
  EXPECT_EQ(lines_with(blocks, "30 nodes"), 10u) << blocks;
  EXPECT_EQ(lines_with(blocks, " -.-> "), 9u) << blocks;  // between blocks; none inside
  EXPECT_EQ(lines_with(blocks, " --> "), 0u);
  EXPECT_EQ(lines_with(one, "300 nodes"), 1u) << one;
  EXPECT_EQ(lines_with(one, "subgraph"), 0u) << "an empty frame is drawn as a node";
}

TEST(Picture, EveryEdgeOfACollapsedPictureHasItsNodes) {
  auto text = to_mermaid(chain(10, 30), 50);
  std::set<std::string> ids;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string first, arrow, label, last;
    words >> first >> arrow;
    if (arrow != "-.->" && arrow != "-->") {
      ids.insert(first.substr(0, first.find('[')));
      continue;
    }
    last = line.substr(line.rfind(' ') + 1);
    EXPECT_TRUE(ids.contains(first)) << first;
    EXPECT_TRUE(ids.contains(last)) << last;
  }
  EXPECT_GT(ids.size(), 10u);
}

// Every field has a value that is not its default.
Picture full() {
  auto p = chain(2, 2);
  p.view = Picture::View::replicas, p.replicas = 2, p.devices = {"cpu:0", "cpu:1"};
  p.types = {{"Linear", "y = \"xW\"", "W x"}, {"ReLU", "", ""}};
  p.clusters.push_back({"inner", "in a block", 1, "b.0", "basic", true});
  auto& n = p.nodes[1];
  n.kind = Picture::Kind::sync, n.cluster = 2;
  n.layer = "b.0.fc", n.type = "merge sum", n.file = "</script>.yaml", n.line = 3, n.column = 7;
  n.via = {"basic, net.yaml:9:1"};
  n.arguments = {{"bias", "false"}, {"bias", "a second one"}};
  n.inputs = {"f32 [N, 4]"}, n.outputs = {"f32 [N]"};
  n.parameters = int64_t{1} << 40, n.bytes = 12, n.flops = 99, n.replica = 0, n.device = 1;
  n.backward = true, n.callbacks = {"forward: f"}, n.time = 12.5;
  n.merge = Picture::Merge{"sum", 3, 24, 0, 2, "(0 1)"};
  return p;
}

TEST(Picture, JsonReadsBackAsItWasAndIsTheSameText) {
  const std::vector<Picture> pictures = {full(), chain(3, 2), Picture{.title = ""}};
  const auto json = to_json(pictures);
  EXPECT_EQ(read_pictures(json), pictures);
  EXPECT_EQ(to_json(read_pictures(json)), json);
  EXPECT_EQ(nlohmann::json::parse(json).at("braid-graph"), graph_version);
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::data);
    return e.what();
  }
  return "nothing";
}

TEST(Picture, JsonThatIsNoneIsRefusedWithItsPlace) {
  const auto right = nlohmann::json::parse(to_json({full()}));
  auto why = [&](const char* place, const nlohmann::json& value) {
    auto wrong = right;
    wrong[nlohmann::json::json_pointer(place)] = value;
    return refusal([&] { read_pictures(wrong.dump(), "net.json"); });
  };
  for (auto& [place, value, said] :
       std::vector<std::tuple<const char*, nlohmann::json, const char*>>{
           {"/braid-graph", 2, "version 2 is not 1"},
           {"/braid-graph", "1", "/braid-graph: an integer is expected"},
           {"/extra", 1, "'extra' is no key of this"},
           {"/pictures", 3, "/pictures: an array is expected"},
           {"/pictures/0/view", "sideways", "'sideways' is none of its words"},
           {"/pictures/0/edges/0/to", "absent", "/edges/0/to: there is no 'absent'"},
           {"/pictures/0/nodes/1/id", "block0_0", "a second 'block0_0'"},
           {"/pictures/0/nodes/1/device", 2, "there is no such device"},
           {"/pictures/0/nodes/1/line", 3000000000, "out of range"},
           {"/pictures/0/nodes/1/bytes", 18446744073709551615u, "an integer is expected"},
           {"/pictures/0/nodes/1/arguments/0", {"one"}, "a pair is expected"},
           {"/pictures/0/nodes/1/text/0", 5, "/nodes/1/text/0: a string is expected"},
           {"/pictures/0/clusters/0/parent", "inner", "there is no 'inner' before this"}}) {
    const auto text = why(place, value);
    EXPECT_NE(text.find("error[E0709]: net.json: "), std::string::npos) << text;
    EXPECT_NE(text.find(said), std::string::npos) << text;
  }
  for (const char* none : {"", "{", "[]", "7", "{\"braid-graph\": 1}"})
    EXPECT_NE(refusal([&] { read_pictures(none); }).find("E0709"), std::string::npos) << none;
}

TEST(Picture, DeepJsonIsRefusedAndDoesNotCrash) {
  const std::string deep(200'000, '[');
  EXPECT_NE(refusal([&] { read_pictures(deep); }).find("this is no JSON"), std::string::npos);
}

TEST(Picture, TimesOfATraceAddUpWhereTheyBelong) {
  std::vector<Picture> pictures = {chain(1, 2), chain(1, 3)};
  pictures[1].view = Picture::View::replicas;
  for (auto& p : pictures) p.nodes[1].layer = "fc", p.nodes[1].type = "Linear";
  auto& steps = pictures[1].nodes;
  steps[1].type = steps[2].type = "matmul", steps[2].layer = "fc";
  steps[1].replica = 0, steps[2].replica = 1;
  const char* trace = R"({"traceEvents": [
    {"ph": "X", "dur": 5, "args": {"layer": "fc", "op": "matmul", "replica": 0}},
    {"ph": "X", "dur": 2.5, "args": {"layer": "fc", "op": "matmul", "replica": 1}},
    {"ph": "X", "dur": 1, "args": {"layer": "fc", "op": "matmul", "replica": 1}},
    {"ph": "X", "dur": 9, "args": {"layer": "other"}}, {"ph": "B", "args": {"layer": "fc"}}, 3]})";
  EXPECT_EQ(set_times(pictures, trace), 3u);
  EXPECT_EQ(steps[1].time, 5);
  EXPECT_EQ(steps[2].time, 3.5);
  EXPECT_EQ(pictures[0].nodes[1].time, 8.5);
  EXPECT_EQ(set_times(pictures, "[]"), 0u) << "a bare list is a trace, too";
  EXPECT_EQ(steps[1].time, 0);
  for (const char* none :
       {"", "{}", R"({"traceEvents": 1})", R"([{"ph": "X", "args": {"layer": "fc"}}])",
        R"([{"ph": "X", "dur": -1, "args": {"layer": "fc"}}])"})
    EXPECT_NE(refusal([&] { set_times(pictures, none, "t.json"); }).find("[E0708]: t.json: "),
              std::string::npos)
        << none;
}

TEST(Picture, NoNameEndsTheScriptOfAPage) {
  const auto page = to_html({full()});
  EXPECT_EQ(page.find("</script>.yaml"), std::string::npos);
  EXPECT_NE(page.find("\\u003c/script>.yaml"), std::string::npos);
  EXPECT_NE(page.find("<title>say \"hi\" &lt;b> #1 \\</title>"), std::string::npos);
  for (const char* fetches : {"src=", "@import", "href=", "fetch("})
    EXPECT_EQ(page.find(fetches), std::string::npos) << fetches;
}

TEST(Picture, PlacesAreMarkedWhereTheUsersProgramIsCalled) {
  auto picture = full();
  EXPECT_EQ(lines_with(to_dot(picture), "penwidth=2.5"), 2u) << to_dot(picture);
  auto mermaid = to_mermaid(picture);
  EXPECT_NE(mermaid.find("  class block0_1,inner called\n"), std::string::npos) << mermaid;
  EXPECT_EQ(lines_with(to_mermaid(chain(1, 2)), "called"), 0u);
}

}  // namespace
}  // namespace braid::test
