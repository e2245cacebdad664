// Whatever is wrong with a file: it is the file's fault, said as text or as JSON; never a fault of
// ours, never a signal.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "cli/command.h"

namespace braid::test {
namespace {

std::vector<std::string> wrong_files() {
  std::vector<std::string> files;
  for (const char* folder : {"tests/dsl/cases", "tests/compiler/cases"})
    for (auto& entry : std::filesystem::directory_iterator(source(folder)))
      if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  std::ranges::sort(files);
  return files;
}

/// The arguments of a first line `# options: --set a=1 --replicas 2`.
std::vector<std::string> options_of(const std::string& text) {
  std::istringstream line(text.substr(0, text.find('\n')));
  std::string word;
  line >> word >> word;
  std::vector<std::string> options;
  if (word == "options:")
    while (line >> word) options.push_back(word);
  return options;
}

TEST(WrongFiles, LeaveWith3AndWithJson) {
  auto files = wrong_files();
  ASSERT_GE(files.size(), 200u);
  for (auto& file : files) {
    auto arguments = options_of(read_text(file));
    arguments.insert(arguments.begin(), {"check", file, "--json"});
    auto outcome = braid_command(arguments);
    EXPECT_EQ(outcome.code, 3) << file << "\n" << outcome.err;
    EXPECT_EQ(outcome.out, "") << file;
    std::istringstream lines(outcome.err);
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(Json::accept(line)) << file << "\n" << line;
  }
}

}  // namespace
}  // namespace braid::test
