// `braid fmt` on files and stdin.
#include <gtest/gtest.h>

#include "cli/command.h"

namespace braid::test {
namespace {

constexpr const char* untidy = "braid: 1\nseed:   7 # lucky\nname: net\n";
constexpr const char* tidy = "braid: 1\nname: net\nseed: 7  # lucky\n";

TEST(Fmt, PrintsTheCanonicalForm) {
  Folder folder;
  write_text(folder / "net.yaml", untidy);
  auto outcome = braid_command({"fmt", folder / "net.yaml"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, tidy);
  EXPECT_EQ(read_text(folder / "net.yaml"), untidy);
}

TEST(Fmt, ReadsStdin) {
  Folder folder;
  write_text(folder / "net.yaml", untidy);
  const std::string binary = std::string(BRAID_BINARY_DIR) + "/bin/braid";
  const std::string command =
      binary + " fmt <" + (folder / "net.yaml") + " >" + (folder / "out.yaml");
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(read_text(folder / "out.yaml"), tidy);
}

TEST(Fmt, WritesInPlace) {
  Folder folder;
  write_text(folder / "a.yaml", untidy);
  write_text(folder / "b.yaml", tidy);
  auto outcome = braid_command({"fmt", "--in-place", folder / "a.yaml", folder / "b.yaml"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(read_text(folder / "a.yaml"), tidy);
  EXPECT_EQ(read_text(folder / "b.yaml"), tidy);
}

TEST(Fmt, ChecksWithoutWriting) {
  Folder folder;
  write_text(folder / "a.yaml", untidy);
  write_text(folder / "b.yaml", tidy);
  auto outcome = braid_command({"fmt", "--check", folder / "a.yaml", folder / "b.yaml"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, (folder / "a.yaml") + "\n");
  EXPECT_EQ(read_text(folder / "a.yaml"), untidy);
  EXPECT_EQ(braid_command({"fmt", "--check", folder / "b.yaml"}).code, 0);
  EXPECT_EQ(braid_command({"fmt", "--check", "--in-place", folder / "b.yaml"}).code, 2);
}

TEST(Fmt, RefusesWhatCannotBeRead) {
  Folder folder;
  const std::string broken = "braid: 1\nlayers: [ReLU\n";
  write_text(folder / "net.yaml", broken);
  auto outcome = braid_command({"fmt", "--in-place", folder / "net.yaml"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("net.yaml:2:9: error[E0015]"), std::string::npos) << outcome.err;
  EXPECT_EQ(read_text(folder / "net.yaml"), broken);
  EXPECT_EQ(braid_command({"fmt", folder / "absent.yaml"}).code, 3);
}

}  // namespace
}  // namespace braid::test
