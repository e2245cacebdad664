// Every file in cases/ reads well and is wrong as a network: an unknown layer, shapes that do not
// fit, samples of different replicas mixed. The files of the same name with .err and .json hold
// what is said, word for word.
#include <gtest/gtest.h>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>

#include "support/golden.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;
const fs::path folder = fs::path(BRAID_SOURCE_DIR) / "tests/compiler/cases";

class BadNetwork : public ::testing::TestWithParam<std::string> {};

TEST_P(BadNetwork, IsRefusedInTheseWords) {
  fs::path path = folder / (GetParam() + ".yaml");
  Registry registry;
  register_builtin(registry);
  Diagnostics found;
  Model model = read_file(path.string(), {}, found);
  EXPECT_FALSE(found.has_errors()) << "the reader should accept " << path;
  check(model, registry, found);
  ASSERT_TRUE(found.has_errors()) << "no error";
  expect_golden_diagnostics(path, found);
}

INSTANTIATE_TEST_SUITE_P(Cases, BadNetwork, ::testing::ValuesIn(yaml_files(folder)),
                         [](auto& info) { return info.param; });

}  // namespace
}  // namespace braid::test
