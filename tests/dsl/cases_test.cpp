// Every file in cases/ is wrong in some way; the file of the same name with .err holds what the
// reader says about it, word for word. BRAID_UPDATE=1 writes the .err files anew, for a review.
//
// A first line `# options: --set a=1 --replicas 2` gives the options of the command line.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <braid/dsl/read.h>

namespace braid {
namespace {

namespace fs = std::filesystem;

const fs::path folder = fs::path(BRAID_SOURCE_DIR) / "tests/dsl/cases";

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

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

std::string without(std::string text, const std::string& part) {
  for (size_t at; (at = text.find(part)) != std::string::npos;) text.erase(at, part.size());
  return text;
}

std::string said_about(const fs::path& path) {
  Diagnostics found;
  read_file(path.string(), options_of(slurp(path)), found);
  std::string said;
  for (const Diagnostic& d : found.all()) said += render(d);
  return without(said, folder.string() + "/");
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Cases : public testing::TestWithParam<std::string> {};

TEST_P(Cases, SaysWhatTheErrFileHolds) {
  fs::path yaml = folder / (GetParam() + ".yaml"), err = folder / (GetParam() + ".err");
  std::string said = said_about(yaml);
  EXPECT_FALSE(said.empty()) << "nothing is wrong with " << yaml;
  if (std::getenv("BRAID_UPDATE")) std::ofstream(err, std::ios::binary) << said;
  EXPECT_EQ(said, slurp(err));
}

INSTANTIATE_TEST_SUITE_P(Bad, Cases, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param; });

TEST(Cases, AreMany) { EXPECT_GE(cases().size(), 50u); }

}  // namespace
}  // namespace braid
