// Exit codes and messages of what goes wrong before anything runs.
#include <gtest/gtest.h>

#include "cli/command.h"

namespace braid::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Usage, HelpAndVersionAreResults) {
  auto version = braid_command({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_TRUE(version.out.starts_with("braid ")) << version.out;
  for (const char* command : {"check", "plan", "draw", "train", "eval", "run", "layers", "devices",
                              "weights", "explain", "schema", "fmt"}) {
    auto help = braid_command({command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_TRUE(contains(help.out, std::string("braid ") + command)) << help.out;
    EXPECT_EQ(help.err, "");
  }
}

TEST(Usage, MistypedArgumentsLeaveWith2) {
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  for (auto& c : std::vector<Case>{
           {{}, "subcommand is required"},
           {{"chekc", digits()}, "there is no command 'chekc' (did you mean 'check'?)"},
           {{"check"}, "NET is required"},
           {{"train"}, "NET is required"},
           {{"check", digits(), "--nonsense"}, "--nonsense"},
           {{"train", digits(), "--steps", "many"}, "many"},
           {{"train", digits(), "--steps", "-1"}, "--steps"},
           {{"train", digits(), "--engine", "warp"}, "warp"},
           {{"train", digits(), "--isa", "mmx"}, "mmx"},
           {{"train", digits(), "--disable-pass", "build"}, "build"},
           {{"train", digits(), "--set", "lr"}, "name=value"},
           {{"draw", digits(), "--format", "png"}, "png"},
           {{"run", digits(), "--weights", "w"}, "where the outputs go"},
           {{"layers", "Conv2"}, "did you mean 'Conv2d'?"},
           {{"explain", "E0"}, "there is no code 'E0'"},
       }) {
    auto outcome = braid_command(c.arguments);
    EXPECT_EQ(outcome.code, 2) << c.says << "\n" << outcome.err;
    EXPECT_TRUE(contains(outcome.err, c.says)) << outcome.err;
    EXPECT_EQ(outcome.out, "") << c.says;
  }
}

TEST(Usage, ExitCodesSayWhoseFaultItIs) {
  Folder folder;
  write_text(folder / "pickle.pt", "PK\x03\x04 this is no safetensors file");
  write_text(folder / "plain", "a file, not a folder");
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string says;
  };
  auto out = [&](const std::string& name) { return std::string(folder / name); };
  for (auto& c : std::vector<Case>{
           {{"check", out("absent.yaml")}, 3, "error[E0001]"},
           {{"train", digits(), "--replicas", "0", "--out", out("a")}, 3, "replicas"},
           {{"train", digits(), "--set", "nonsense=1", "--out", out("b")}, 3, "nonsense"},
           {{"train", digits(), "--set", "data.train.path=absent.csv", "--out", out("c")},
            4,
            "absent.csv"},
           {{"eval", digits(), "--weights", out("absent")}, 4, "absent"},
           {{"eval", digits(), "--weights", out("pickle.pt")}, 4, "E0310"},
           {{"weights", out("pickle.pt")}, 4, "E0310"},
           {{"train", digits(), "--devices", "cpu,cpu,cpu", "--out", out("e")},
            6,
            "3 devices for 2 replicas"},
           {{"plan", digits(), "--devices", "tpu:0"}, 6, "E0502"},
           {{"plan", digits(), "--devices", "cpu,cuda:0"}, 6, "E0510"},
           {{"train", digits(), "--steps", "1", "--out", out("plain/run")}, 7, "E0602"},
           {{"draw", digits(), "-o", out("plain/net.dot")}, 7, "E0601"},
       }) {
    auto outcome = braid_command(c.arguments);
    EXPECT_EQ(outcome.code, c.code) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, c.says)) << c.says << "\n" << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(Usage, ABackendThatIsNotThereIsNamedWithThePlacesWhereItWasSought) {
  Folder folder;
  const Environment nowhere = {{"BRAID_CUDA_LIBRARY", folder / "libbraid_cuda.so"}};
  for (std::string command : {"train", "plan"}) {
    auto outcome = braid_command({command, digits(), "--devices", "cuda:0"}, nowhere);
    EXPECT_EQ(outcome.code, 6) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "E0507")) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, folder / "libbraid_cuda.so")) << outcome.err;
  }
  write_text(folder / "libbraid_cuda.so", "no library");
  auto outcome = braid_command({"devices"}, nowhere);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "cuda   none")) << outcome.out;
}

TEST(Usage, AMissingWeightsFileIsFoundBeforeTraining) {
  Folder folder;
  auto outcome = braid_command({"train", digits(), "--weights", folder / "absent", "--steps", "1",
                                "--out", folder / "run", "--json"});
  EXPECT_EQ(outcome.code, 4) << outcome.err;
  EXPECT_FALSE(exists(folder / "run/weights.safetensors"));
}

TEST(Usage, EvalWithoutWeightsSaysWhatIsMissing) {
  auto outcome = braid_command({"eval", digits()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(contains(outcome.err, "needs weights")) << outcome.err;
}

TEST(Usage, DiagnosticsAreObjectsWithJson) {
  Folder folder;
  write_text(folder / "bad.yaml",
             "braid: 1\nname: bad\ninputs: {x: {shape: [N, 4]}}\nlayers:\n"
             "  - {type: Linaer, out_features: 3}\n  - {type: Conv2d, out_chanels: 3}\n");
  auto outcome = braid_command({"check", folder / "bad.yaml", "--json"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.out, "");
  outcome.out = outcome.err;
  auto errors = outcome.lines();
  ASSERT_GE(errors.size(), 1u);
  EXPECT_EQ(errors[0].at("severity"), "error");
  EXPECT_EQ(errors[0].at("code"), "E0103");
  EXPECT_EQ(errors[0].at("line"), 5);
  EXPECT_TRUE(contains(errors[0].at("message"), "did you mean 'Linear'?"));
}

TEST(Usage, TheSchemaIsAResultOrAFile) {
  Folder folder;
  auto shown = braid_command({"schema"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(shown.json().at("$schema"), "http://json-schema.org/draft-07/schema#");
  auto written = braid_command({"schema", "--out", folder / "braid.schema.json"});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(written.out, "");
  EXPECT_EQ(read_text(folder / "braid.schema.json"), shown.out);
  EXPECT_EQ(braid_command({"schema", "--out", folder / "absent/schema.json"}).code, 7);
}

TEST(Usage, AReaderThatLeavesIsNoFault) {
  Running running({"layers", "--json"});
  running.close_out();
  auto outcome = running.finish();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST(Usage, LostOutputIs7) {
  // The pipe of the harness is replaced by a device that is always full.
  auto binary = std::string(BRAID_BINARY_DIR) + "/bin/braid";
  int status = std::system((binary + " devices >/dev/full 2>/dev/null").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
}  // namespace braid::test
