// Out as ONNX and in again is the same program, up to names: for the networks of examples here, for
// those of PyTorch models where BRAID_NETWORKS names a folder of them (ctest -R
// long_onnx_programs).
#include <braid/onnx/export.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "onnx/import_support.h"
#include "onnx/program.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;

/// What comes back as something else, and why.
const std::map<std::string, std::string> others{};

/// What ONNX cannot say, for the reasons that the exporter gives.
const std::set<std::string> unsaid{"densemotion.yaml", "spade.yaml"};

std::string programs_apart(const std::string& path) {
  Session session = Session::open(path);
  const auto net = from_onnx_bytes(to_onnx(session.model(), session.weights(), session.registry()),
                                   session.registry());
  Diagnostics found;
  const Model again = read_text(net.text, "net.yaml", {}, found);
  found.raise();
  std::vector<std::string> before, after;
  for (auto& [old, renamed] : net.outputs) before.push_back(old), after.push_back(renamed);
  return difference(Program(session.model(), before).text(), Program(again, after).text());
}

void compare(const fs::path& path) {
  SCOPED_TRACE(path.string());
  const std::string name = path.filename().string();
  try {
    const std::string apart = programs_apart(path.string());
    EXPECT_EQ(apart.empty(), !others.contains(name)) << apart;
    EXPECT_FALSE(unsaid.contains(name));
  } catch (const Error& e) {
    EXPECT_TRUE(unsaid.contains(name) && e.diagnostics()[0].code == "E0371") << e.what();
  }
}

TEST(Programs, NetworksOfTheExamplesComeBack) {
  const fs::path examples = fs::path(BRAID_SOURCE_DIR) / "examples";
  int compared = 0;
  for (const char* folder : {"networks", "digits", "fashion", "garments", "shapes"})
    for (auto& entry : fs::directory_iterator(examples / folder))
      if (entry.path().extension() == ".yaml") compare(entry.path()), ++compared;
  EXPECT_GE(compared, 20);
}

TEST(Programs, NetworksOfOtherToolsComeBack) {
  const char* folder = std::getenv("BRAID_NETWORKS");
  if (!folder) GTEST_SKIP() << "BRAID_NETWORKS names no folder of networks";
  int compared = 0;
  for (auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".yaml") compare(entry.path()), ++compared;
  EXPECT_GE(compared, 9);
}

}  // namespace
}  // namespace braid::test
