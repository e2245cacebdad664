// Every file in cases/ is wrong in some way; the files of the same name with .err and .json hold
// what `braid check` says about it, word for word.
//
// A first line `# options: --set a=1 --replicas 2` gives the options of the command line.
#include <gtest/gtest.h>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>

#include "support/golden.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;

const fs::path folder = fs::path(BRAID_SOURCE_DIR) / "tests/dsl/cases";

ReadOptions options_of(const std::string& text) {
  ReadOptions options;
  std::istringstream line(text.substr(0, text.find('\n')));
  std::string word;
  line >> word >> word;
  if (word != "options:") return options;
  while (line >> word) {
    std::string value;
    line >> value;
    size_t equals = value.find('=');
    if (word == "--replicas") options.replicas = std::stoll(value);
    if (word == "--set") options.set.push_back({value.substr(0, equals), value.substr(equals + 1)});
  }
  return options;
}

class Cases : public ::testing::TestWithParam<std::string> {};

TEST_P(Cases, SayWhatTheGoldenFilesHold) {
  fs::path yaml = folder / (GetParam() + ".yaml");
  Registry registry;
  register_builtin(registry);
  Diagnostics found;
  Model model = read_file(yaml.string(), options_of(slurp(yaml)), found);
  check(model, registry, found);
  EXPECT_TRUE(found.has_errors()) << "nothing is wrong with " << yaml;
  for (auto& d : found.all()) {
    bool placed = d.mark.line > 0 || d.code == "E0013" || d.code == "E0001";
    EXPECT_TRUE(placed) << render(d);
  }
  expect_golden_diagnostics(yaml, found);
}

INSTANTIATE_TEST_SUITE_P(Bad, Cases, ::testing::ValuesIn(yaml_files(folder)),
                         [](const auto& info) { return info.param; });

TEST(Cases, AreMany) { EXPECT_GE(yaml_files(folder).size(), 150u); }

}  // namespace
}  // namespace braid::test
