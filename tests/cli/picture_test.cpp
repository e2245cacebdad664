// The writers of pictures, with names that only a model built in C++ can have.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include <braid/compiler/draw.h>

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

}  // namespace
}  // namespace braid::test
