// Warnings have codes: they can be silenced, or made errors.
#include <gtest/gtest.h>

#include "cli/command.h"

namespace braid::test {
namespace {

class Warnings : public testing::Test {
 protected:
  Warnings() : net_(folder_ / "net.yaml") {
    write_text(net_,
               "braid: 1\ninputs: {image: {shape: [N, 3, 8, 8]}}\n"
               "layers:\n  - {type: BatchNorm2d, momentum: 0.99}\n");
  }

  Outcome check(std::vector<std::string> options) {
    options.insert(options.begin(), {"check", net_});
    return braid_command(options);
  }

  Folder folder_;
  std::string net_;
};

TEST_F(Warnings, AreSaidAndHarmNothing) {
  auto outcome = check({});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("net.yaml:4:35: warning[W0201]"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("momentum is PyTorch's"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.out, "");
}

TEST_F(Warnings, CanBeSilenced) {
  auto outcome = check({"--allow", "W0201"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(check({"--deny", "warnings", "--allow", "W0201"}).code, 0);
}

TEST_F(Warnings, CanBeMadeErrors) {
  for (const char* which : {"W0201", "warnings"}) {
    auto outcome = check({"--deny", which});
    EXPECT_EQ(outcome.code, 3) << which;
    EXPECT_EQ(outcome.out, "") << which;
    EXPECT_NE(outcome.err.find("error[W0201]"), std::string::npos) << outcome.err;
  }
  auto json = check({"--deny", "W0201", "--json"});
  EXPECT_EQ(json.code, 3);
  auto said = Json::parse(json.err);
  EXPECT_EQ(said.at("severity"), "error");
  EXPECT_EQ(said.at("code"), "W0201");
  EXPECT_EQ(said.at("line"), 4);
}

TEST_F(Warnings, MistypedCodesAreUsage) {
  for (const char* option : {"--allow", "--deny"}) {
    auto outcome = check({option, "W0210"});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find("did you mean 'W0201'?"), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(check({"--allow", "warnings"}).code, 2);  // all at once would hide what is new
}

}  // namespace
}  // namespace braid::test
