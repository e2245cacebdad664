// `braid explain` and its examples: those that are networks are run as a user would.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "cli/command.h"

namespace braid::test {
namespace {

using Codes = std::set<std::string>;

Codes codes_in(const std::string& text, const std::regex& pattern) {
  Codes found;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at)
    found.insert((*at)[1]);
  return found;
}

Codes codes_of_sources(std::initializer_list<const char*> rooms) {
  const std::regex code("\"([EW][0-9]{4})\"");
  Codes used;
  for (const char* room : rooms)
    for (auto& entry : std::filesystem::recursive_directory_iterator(source(room))) {
      auto& path = entry.path();
      if (path.extension() != ".cpp" || path.filename() == "codes.cpp") continue;
      used.merge(codes_in(read_text(path.string()), code));
    }
  return used;
}

Json explained(const std::string& code) {
  auto outcome = braid_command({"explain", code, "--json"});
  EXPECT_EQ(outcome.code, 0) << code << outcome.err;
  return outcome.json();
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> all;
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

// Is there a network to run, or only a line of what to type?
bool has_network(const Json& example) {
  return example.at("right").get<std::string>().find("braid: 1\n") != std::string::npos;
}

/// Runs a section: its command if it begins with one, else `braid check`.
Outcome run(const Json& example, const std::string& title) {
  Folder folder;
  std::string text = example.at(title);
  std::vector<std::string> arguments = {"check", "net.yaml"};
  if (text.starts_with("$ braid ")) {
    size_t end = text.find('\n');
    arguments = words(text.substr(8, end - 8));
    text.erase(0, end + 1);
  }
  for (auto& [name, content] : example.items())
    if (name != "wrong" && name != "right") write_text(folder / name, content);
  write_text(folder / "net.yaml", text);
  arguments[1] = folder / "net.yaml";
  return braid_command(arguments);
}

Codes codes_said(const Outcome& outcome) {
  return codes_in(outcome.err, std::regex("(?:error|warning)\\[([EW][0-9]{4})\\]"));
}

std::vector<std::string> codes_with_examples() {
  std::vector<std::string> codes;
  for (auto& entry : std::filesystem::directory_iterator(source("cli/explain")))
    codes.push_back(entry.path().stem());
  std::ranges::sort(codes);
  return codes;
}

// A code in the sources without an entry in the table would leave a user alone with it.
TEST(Explain, KnowsEveryCodeOfTheSources) {
  auto used = codes_of_sources({"core", "compiler", "dsl", "nodes", "runtime", "onnx", "cli"});
  ASSERT_GT(used.size(), 50u);
  auto table = read_text(source("cli/src/codes.cpp"));
  for (auto& one : used)
    EXPECT_NE(table.find("{\"" + one + "\""), std::string::npos) << one << " is not explained";
  auto outcome = braid_command({"explain", "E0503"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find("more devices than replicas"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("wrong:\n    $ braid plan"), std::string::npos) << outcome.out;
}

// But for what is not in this version: there is nothing right to show.
TEST(Explain, EveryCodeHasAnExample) {
  auto table = read_text(source("cli/src/codes.cpp"));
  for (auto& code : codes_in(table, std::regex("\\{\"([EW][0-9]{4})\""))) {
    bool shown = exists(source("cli/explain/" + code + ".txt"));
    EXPECT_TRUE(shown || code.starts_with("E08")) << code;
  }
}

class Example : public testing::TestWithParam<std::string> {};

TEST_P(Example, WhatIsWrongSaysThisCodeAndWhatIsRightSaysNothing) {
  auto page = explained(GetParam());
  auto& example = page.at("example");
  for (const char* title : {"wrong", "right"}) EXPECT_NE(example.at(title), "");
  if (!has_network(example)) return;
  auto wrong = run(example, "wrong"), right = run(example, "right");
  EXPECT_EQ(codes_said(wrong), Codes{GetParam()}) << wrong.err;
  EXPECT_EQ(wrong.code == 0, GetParam()[0] == 'W') << wrong.err;
  EXPECT_EQ(right.code, 0) << right.err;
  EXPECT_EQ(right.err, "");
}

INSTANTIATE_TEST_SUITE_P(Codes, Example, testing::ValuesIn(codes_with_examples()),
                         [](const auto& info) { return info.param; });

// What a YAML file can cause is shown by one; the rest needs bytes that are no text, hundreds of
// files, a program in C++, or weights.
TEST(Explain, NetworksShowWhatNetworksCanCause) {
  const Codes without_network = {"E0001", "E0002", "E0019", "E0043", "E0210", "E0212",
                                 "E0219", "E0154", "E0220", "E0291", "E0292", "E0293"};
  const std::regex of_the_model("E0[0-2][0-9]{2}");
  for (auto& code : codes_of_sources({"dsl", "compiler", "nodes"})) {
    if (!std::regex_match(code, of_the_model)) continue;
    ASSERT_TRUE(exists(source("cli/explain/" + code + ".txt"))) << code;
    EXPECT_EQ(has_network(explained(code).at("example")), !without_network.contains(code)) << code;
  }
}

}  // namespace
}  // namespace braid::test
