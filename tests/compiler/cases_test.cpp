// Every file in cases/ reads well and is wrong as a network: an unknown layer, shapes that do not
// fit, samples of different replicas mixed. The file of the same name with .err holds what is said,
// word for word. BRAID_UPDATE=1 writes the .err files anew, for a review.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>

namespace braid {
namespace {

namespace fs = std::filesystem;
const fs::path folder = fs::path(BRAID_SOURCE_DIR) / "tests/compiler/cases";

std::string slurp(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string said_about(const fs::path& path) {
  Registry registry;
  register_builtin(registry);
  Diagnostics found;
  Model model = read_file(path.string(), {}, found);
  EXPECT_FALSE(found.has_errors()) << "the reader should accept " << path;
  check(model, registry, found);
  std::string said;
  for (auto& d : found.all()) said += render(d);
  for (size_t at; (at = said.find(folder.string() + "/")) != std::string::npos;)
    said.erase(at, folder.string().size() + 1);
  return said;
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

class BadNetwork : public testing::TestWithParam<std::string> {};

TEST_P(BadNetwork, IsRefusedInTheseWords) {
  fs::path path = folder / (GetParam() + ".yaml"), err = folder / (GetParam() + ".err");
  std::string said = said_about(path);
  ASSERT_NE(said, "") << "no error";
  if (std::getenv("BRAID_UPDATE")) std::ofstream(err, std::ios::binary) << said;
  EXPECT_EQ(said, slurp(err));
}

INSTANTIATE_TEST_SUITE_P(Cases, BadNetwork, testing::ValuesIn(cases()),
                         [](auto& info) { return info.param; });

}  // namespace
}  // namespace braid
