// The faults that a network file can bring, one test each: what YAML readers stumble over, graphs
// that make no sense, shapes that do not work out. Each ends in an error that names place and
// fault.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <braid/compiler/compile.h>
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

#include "reading.h"

namespace braid {
namespace {

namespace fs = std::filesystem;

const Registry& registry() {
  static const Registry all = [] {
    Registry r;
    register_builtin(r);
    return r;
  }();
  return all;
}

/// What `braid check` says of a text.
std::string said(const std::string& text) {
  Diagnostics found;
  Model model = read_text(text, "net.yaml", {}, found);
  check(model, registry(), found);
  return rendered(found);
}

const std::string head = "braid: 1\ninputs: {x: {shape: [N, 8]}}\n";
const std::string layers = head + "layers:\n";
const std::string images = "braid: 1\ninputs: {x: {shape: [N, 3, 8, 8]}}\nlayers:\n";
const std::string classes =
    "braid: 1\ninputs: {x: {shape: [N, 8]}, y: {shape: [N], dtype: i64}}\n"
    "layers:\n  - {name: fc, type: Linear, from: x, out_features: 3}\n"
    "loss: {type: CrossEntropy, from: [fc, y]}\noptimizer: {type: SGD, lr: 0.1}\n";

std::string repeated(const std::string& part, size_t times) {
  std::string text;
  while (times-- > 0) text += part;
  return text;
}

::testing::AssertionResult says(const std::string& text, const std::string& part) {
  std::string all = said(text);
  if (all.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "'" << part << "' is not in\n" << all;
}

Plan plan_of(const std::string& text, int64_t batch, Mode mode = Mode::train) {
  Diagnostics found;
  Model model = read_text(text, "net.yaml", {}, found);
  EXPECT_EQ(rendered(found), "");
  CompileOptions options{.mode = mode, .batch = batch};
  options.traits.isa = current_isa();
  return compile(model, registry(), options);
}

class FaultyFiles : public ::testing::Test {
 protected:
  FaultyFiles()
      : folder_(fs::temp_directory_path() / ("braid-faults-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~FaultyFiles() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  std::string said_of(const fs::path& path) {
    Diagnostics found;
    read_file(path.string(), {}, found);
    return rendered(found);
  }

  fs::path folder_;
};

// YAML

TEST(FaultsOfYaml, F01_OnlyAComma) {
  for (const char* text : {",", " ,", ",a", ",,", ",["}) EXPECT_TRUE(says(text, "error[E00"));
}

TEST(FaultsOfYaml, F02_TextAfterTheRoot) {
  EXPECT_TRUE(says("[1,2]\nfoo: bar\n", "net.yaml:2:1: error[E0004]"));
}

TEST(FaultsOfYaml, F03_ASecondDocument) {
  EXPECT_TRUE(says(layers + "  - ReLU\n---\nbraid: 1\n", "net.yaml:5:1: error[E0004]"));
}

TEST(FaultsOfYaml, F04_GarbageAfterTheEndMark) {
  EXPECT_TRUE(says(layers + "  - ReLU\n...\ngarbage\n", "error[E0004]"));
}

TEST(FaultsOfYaml, F05_ADuplicateKeyNamesBothLines) {
  EXPECT_TRUE(says(head + "seed: 1\nseed: 2\nlayers: [ReLU]\n", "net.yaml:4:1: error[E0005]"));
  EXPECT_TRUE(says(head + "seed: 1\nseed: 2\nlayers: [ReLU]\n", "from net.yaml:3"));
}

TEST(FaultsOfYaml, F06_AMergeKey) {
  EXPECT_TRUE(says(head + "x-a: &a {type: ReLU}\nlayers: [{<<: *a}]\n", "error[E0009]"));
}

TEST(FaultsOfYaml, F07_AnAliasThatContainsItself) {
  EXPECT_TRUE(says("braid: 1\nx-a: &a [*a]\n", "contains itself"));
  EXPECT_TRUE(says("braid: 1\nx-a: &a {k: *a}\n", "contains itself"));
}

TEST(FaultsOfYaml, F08_AnAliasBomb) {
  std::string text = "braid: 1\nx-a: &a0 [1,1,1,1,1,1,1,1,1,1]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string use = "*a" + std::to_string(i - 1) + ",";
    text +=
        "x-" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeated(use, 9) + "1]\n";
  }
  EXPECT_TRUE(says(text, "error[E0006]"));
}

TEST(FaultsOfYaml, F09_NestedTooDeeply) {
  for (const char* part : {"[", "{a: ", "- ", "? "})
    EXPECT_TRUE(says("braid: 1\nx-a: " + repeated(part, 100000), "error[E00"));
  std::string indented = "braid: 1\n";
  for (size_t i = 0; i < 1000; ++i) indented += std::string(i, ' ') + "a:\n";
  EXPECT_TRUE(says(indented, "net.yaml:66:65: error[E0006]: nested deeper than 64"));
}

TEST(FaultsOfYaml, F10_AnUndefinedAlias) {
  EXPECT_TRUE(says(head + "x-a: *nothing\nlayers: [ReLU]\n", "net.yaml:3:6: error[E0007]"));
}

TEST(FaultsOfYaml, F11_AnUnterminatedQuoteIsShownWhereItOpens) {
  for (const char* quote : {"\"", "'"})
    EXPECT_TRUE(says("braid: 1\nname: " + std::string(quote) + "abc\nseed: 1\nlayers: [ReLU]\n",
                     "net.yaml:2:7: error[E0015]: a quote that is never closed"));
}

TEST(FaultsOfYaml, F12_ATabAsIndentation) {
  EXPECT_TRUE(says("braid: 1\ninputs:\n\tx: {shape: [N]}\nlayers: [ReLU]\n",
                   "net.yaml:3:1: error[E0014]: a tab indents this line"));
}

TEST(FaultsOfYaml, F13_BytesThatAreNotUtf8) {
  EXPECT_TRUE(says("braid: 1\nname: \xff\xfe\n", "net.yaml:2:7: error[E0002]"));
}

TEST(FaultsOfYaml, F14_ANulByte) {
  using namespace std::string_literals;
  EXPECT_TRUE(says("braid: 1\nname: a\0b\n"s, "a NUL byte at byte 16"));
}

TEST(FaultsOfYaml, F15_Utf16IsRefusedAndAMarkOfUtf8Accepted) {
  using namespace std::string_literals;
  EXPECT_TRUE(
      says("\xff\xfe"
           "b\0r\0"s,
           "UTF-16"));
  EXPECT_EQ(said("\xef\xbb\xbf" + layers + "  - ReLU\n"), "");
}

TEST(FaultsOfYaml, F16_LinesThatEndWithACarriageReturn) {
  EXPECT_TRUE(says("braid: 1\rname: a\r", "carriage return"));
}

TEST(FaultsOfYaml, F17_ControlCharacters) {
  EXPECT_TRUE(says("braid: 1\nname: \x1b[31m\n", "control character"));
  EXPECT_TRUE(says(layers + "  - {name: \"a\\x07\", type: ReLU}\n", "error[E0034]"));
}

TEST(FaultsOfYaml, F18_Tags) {
  EXPECT_TRUE(says(head + "x-a: !!python/object:x y\nlayers: [ReLU]\n", "error[E0008]"));
  EXPECT_TRUE(says(head + "seed: !!int abc\nlayers: [ReLU]\n", "error[E0008]"));
}

TEST(FaultsOfYaml, F19_Directives) {
  EXPECT_TRUE(says("%YAML 99.1\n---\n" + head, "net.yaml:1:1: error[E0003]"));
  EXPECT_TRUE(says("%FOO bar\n---\n" + head, "directives are not part"));
}

TEST(FaultsOfYaml, F20_ALongKey) {
  EXPECT_TRUE(says(head + std::string(129, 'k') + ": 1\nlayers: [ReLU]\n", "128 bytes"));
  EXPECT_TRUE(says(head + std::string(2000, 'k') + ": 1\nlayers: [ReLU]\n", "error[E00"));
}

TEST(FaultsOfYaml, F21_NoMappingAtTheTop) {
  for (const char* text : {"", "# nothing\n", "- a\n", "text\n"})
    EXPECT_TRUE(says(text, "error[E0013]"));
}

TEST(FaultsOfYaml, F22_KeysThatAreNoWords) {
  for (const char* key : {"~: 1", ": 2", "[a]: 1", "? {a: 1}\n: 2"})
    EXPECT_TRUE(says(head + key + "\nlayers: [ReLU]\n", "error[E0010]"));
}

TEST(FaultsOfYaml, F23_IntegersOfOtherForms) {
  for (const char* number : {"010", "0x10", "0o10", "1_000", "99999999999999999999"})
    EXPECT_TRUE(
        says(head + "seed: " + number + "\nlayers: [ReLU]\n", "net.yaml:3:7: error[E0012]"));
  EXPECT_TRUE(says(head + "seed: 1e3\nlayers: [ReLU]\n", "seed is an integer"));
}

TEST(FaultsOfYaml, F24_AQuotedNumber) {
  EXPECT_TRUE(says(head + "seed: \"7\"\nlayers: [ReLU]\n", "write 7 without quotes"));
  EXPECT_TRUE(says(layers + "  - {type: Linear, out_features: '7'}\n", "write out_features: 7"));
}

TEST(FaultsOfYaml, F25_WordsThatOtherReadersTakeForBooleans) {
  for (const char* word : {"yes", "no", "on", "off", "y", "n", "NO"})
    EXPECT_TRUE(says(layers + "  - {type: ReLU, if: " + word + "}\n", "only true and false"));
  EXPECT_EQ(said(layers + "  - {name: no, type: ReLU}\n"), "");
}

TEST(FaultsOfYaml, F26_NumbersThatAreNotFinite) {
  for (const char* number : {".nan", ".inf", "-.inf", "1e400", "1e-400"})
    EXPECT_TRUE(says(images + "  - {type: BatchNorm2d, eps: " + number + "}\n", "error[E0012]"));
}

TEST(FaultsOfYaml, F27_ANumberThatAFloatCannotHold) {
  EXPECT_TRUE(says(images + "  - {type: BatchNorm2d, momentum: 1e39}\n", "error[E0107]"));
}

TEST(FaultsOfYaml, F28_AnUnknownKeyNamesTheNearest) {
  EXPECT_TRUE(says(classes + "sedd: 1\n", "did you mean 'seed'?"));
  EXPECT_TRUE(
      says(images + "  - {type: BatchNorm2d, momentun: 0.1}\n", "did you mean 'momentum'?"));
}

TEST(FaultsOfYaml, F29_MissingKeysAndWrongKindsHaveAPlace) {
  EXPECT_TRUE(says("braid: 1\ninputs: {x: {}}\nlayers: [ReLU]\n", "net.yaml:2:13: error[E0031]"));
  EXPECT_TRUE(says(head + "layers: ReLU\n", "net.yaml:3:9: error[E0050]"));
}

TEST(FaultsOfYaml, F30_AListWhereAMappingIsExpectedStaysOne) {
  EXPECT_TRUE(says(head + "train: [1, 2]\nlayers: [ReLU]\n", "expected a mapping"));
}

TEST(FaultsOfYaml, F31_AnAliasHasAPlaceOfItsOwn) {
  EXPECT_TRUE(
      says(head + "x-n: &n many\nseed: *n\nlayers: [ReLU]\n", "net.yaml:4:7: error[E0032]"));
}

TEST_F(FaultyFiles, F32_AFolder) {
  EXPECT_NE(said_of(folder_).find("this is a folder"), std::string::npos);
}

TEST_F(FaultyFiles, F33_NoRegularFileOrATooLargeOne) {
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  write("large.yaml", "");
  fs::resize_file(folder_ / "large.yaml", (8 << 20) + 1);
  for (const auto& path :
       {folder_ / "none.yaml", folder_ / "pipe", fs::path("/dev/zero"), folder_ / "large.yaml"})
    EXPECT_NE(said_of(path).find("E0001"), std::string::npos) << path;
}

TEST_F(FaultyFiles, F34_IncludesInACircleOrOutsideTheFolder) {
  write("a.yaml", "braid: 1\ninclude: [b.yaml]\n");
  write("b.yaml", "braid: 1\ninclude: [a.yaml]\n");
  std::string circle = said_of(folder_ / "a.yaml");
  EXPECT_NE(circle.find("error[E0041]"), std::string::npos) << circle;
  EXPECT_NE(circle.find("(include)"), std::string::npos) << circle;
  write("c.yaml", "braid: 1\ninclude: [../c.yaml]\n");
  EXPECT_NE(said_of(folder_ / "c.yaml").find("error[E0042]"), std::string::npos);
  for (int i = 0; i < 20; ++i)
    write("d" + std::to_string(i) + ".yaml",
          "braid: 1\ninclude: [d" + std::to_string(i + 1) + ".yaml]\n");
  EXPECT_NE(said_of(folder_ / "d0.yaml").find("error[E0043]"), std::string::npos);
}

// Graphs

TEST(FaultsOfGraphs, F35_ACycle) {
  EXPECT_TRUE(says(layers + "  - {name: a, type: ReLU, from: b}\n  - {name: b, type: ReLU}\n",
                   "'b' does not stand above"));
}

TEST(FaultsOfGraphs, F36_ALayerThatTakesItself) {
  EXPECT_TRUE(says(layers + "  - {name: a, type: ReLU, from: a}\n", "so there are no cycles"));
}

TEST(FaultsOfGraphs, F37_AnUnknownLayerOrPortNamesTheNearest) {
  EXPECT_TRUE(says(layers + "  - {name: stem, type: ReLU}\n  - {type: Tanh, from: stme}\n",
                   "did you mean 'stem'?"));
  EXPECT_TRUE(
      says(images + "  - {type: BatchNorm2d, from: {inptu: x}}\n", "did you mean 'input'?"));
}

TEST(FaultsOfGraphs, F38_TwoValuesForOneInput) {
  EXPECT_TRUE(says(layers + "  - {type: ReLU, from: [x, x]}\n", "takes 1 input, given 2"));
  EXPECT_TRUE(says(layers + "  - {type: ReLU, from: {input: x, input: x}}\n", "error[E0005]"));
}

TEST(FaultsOfGraphs, F39_AnInputThatIsNotConnected) {
  EXPECT_TRUE(
      says(classes.substr(0, classes.find("loss")) + "loss: {type: CrossEntropy, from: fc}\n",
           "the input 'target' of CrossEntropy is not connected"));
}

TEST(FaultsOfGraphs, F40_ALayerThatNobodyNeedsIsLeftOut) {
  const std::string text = layers +
                           "  - {name: used, type: Linear, from: x, out_features: 4}\n"
                           "  - {name: idle, type: Linear, from: x, out_features: 4}\n"
                           "outputs: {y: used}\n";
  Plan plan = plan_of(text, 4, Mode::eval);
  for (auto& step : plan.steps)
    EXPECT_EQ(describe(plan, step).find("idle"), std::string::npos) << describe(plan, step);
}

TEST(FaultsOfGraphs, F41_NamesThatAreTakenOrNoNames) {
  EXPECT_TRUE(
      says(layers + "  - {name: a, type: ReLU}\n  - {name: a, type: Tanh}\n", "from net.yaml:4"));
  for (const char* name : {"a/b", "'a b'", "\"a\\nb\"", "''"})
    EXPECT_TRUE(says(layers + "  - {name: " + name + ", type: ReLU}\n", "error[E0034]"));
  EXPECT_TRUE(
      says(layers + "  - {name: " + std::string(1 << 20, 'a') + ", type: ReLU}\n", "error[E0034]"));
}

TEST(FaultsOfGraphs, F42_ReplicasOutOfRange) {
  for (const char* replicas : {"0", "-1", "4097"})
    EXPECT_TRUE(says(head + "replicas: " + replicas + "\nlayers: [ReLU]\n", "error[E0033]"));
}

TEST(FaultsOfGraphs, F43_ASyncGroupThatDoesNotDivide) {
  EXPECT_TRUE(says("replicas: 4\n", "error[E0020]"));
  EXPECT_TRUE(
      says("braid: 1\nreplicas: 4\n" + images.substr(9) + "  - {type: BatchNorm2d, sync: 3}\n",
           "a sync group of 3 does not divide the 4 replicas"));
}

TEST(FaultsOfGraphs, F44_EverySyncHasAPartOfEveryReplica) {
  Plan plan = plan_of("braid: 1\nreplicas: 4\nbatch: {global: 8}\n" + classes.substr(9), 8);
  ASSERT_FALSE(plan.syncs.empty());
  for (auto& sync : plan.syncs) EXPECT_EQ(sync.participants, 4) << sync.layer;
}

TEST(FaultsOfGraphs, F45_WhatIsUsedInOneModeIsUsedByAllReplicasOrNone) {
  const std::string text =
      "braid: 1\nreplicas: 2\ninputs: {x: {shape: [N, 8]}, y: {shape: [N], dtype: i64}}\nlayers:\n"
      "  - {name: bn, type: BatchNorm1d, from: x, when: WHEN}\n"
      "  - {name: fc, type: Linear, out_features: 3}\n"
      "loss: {type: CrossEntropy, from: [fc, y]}\noptimizer: {type: SGD, lr: 0.1}\n";
  for (const char* when : {"train", "eval"}) {
    std::string here = text;
    here.replace(here.find("WHEN"), 4, when);
    size_t norms = 0;
    for (auto& sync : plan_of(here, 8).syncs) norms += sync.layer == "bn" && sync.participants == 2;
    EXPECT_EQ(norms > 0, when == std::string("train"));
  }
}

TEST(FaultsOfGraphs, F46_ABlockThatUsesItself) {
  EXPECT_TRUE(
      says(head + "blocks: {b: {layers: [{use: b}]}}\nlayers: [{use: b}]\n", "error[E0046]"));
}

TEST(FaultsOfGraphs, F47_AnExpansionThatBlowsUp) {
  EXPECT_TRUE(says(layers + "  - {type: ReLU, repeat: 1000000}\n", "error[E0047]"));
}

TEST(FaultsOfGraphs, F48_NoLayersAtAll) {
  EXPECT_TRUE(says(head + "layers: []\n", "this list of layers is empty"));
  EXPECT_TRUE(says(head, "the file has no key 'layers'"));
}

TEST(FaultsOfGraphs, F49_EveryStrandOfAPlanCanRun) {
  Plan plan = plan_of("braid: 1\nreplicas: 2\nbatch: {global: 8}\n" + classes.substr(9), 8);
  std::vector<bool> ran(plan.strands.size(), false);
  auto can_run = [&](const Strand& strand) {
    return std::ranges::all_of(strand.preds, [&](int before) { return ran[size_t(before)]; });
  };
  for (bool more = true; more;) {
    more = false;
    for (size_t s = 0; s < ran.size(); ++s)
      if (!ran[s] && can_run(plan.strands[s])) ran[s] = more = true;
  }
  EXPECT_EQ(std::ranges::count(ran, false), 0) << "a strand waits for what never comes";
}

// Shapes

TEST(FaultsOfShapes, F50_ABatchNormOfOtherChannels) {
  EXPECT_TRUE(says(images + "  - {type: BatchNorm2d, num_features: 4}\n", "error[E0202]"));
}

TEST(FaultsOfShapes, F51_DimensionsOutOfRange) {
  for (const char* dim : {"0", "-3", "2147483648"})
    EXPECT_TRUE(
        says("braid: 1\ninputs: {x: {shape: [N, " + std::string(dim) + "]}}\nlayers: [ReLU]\n",
             "net.yaml:2:25: error[E0060]"));
}

TEST(FaultsOfShapes, F52_ElementsThatOverflow) {
  EXPECT_TRUE(
      says("braid: 1\ninputs: {x: {shape: [N, 2147483647, 2147483647, 16]}}\nlayers: [ReLU]\n",
           "larger than any memory"));
  EXPECT_TRUE(
      says("braid: 1\ninputs: {x: {shape: [N, 2147483647, 8, 8]}}\nlayers:\n"
           "  - {type: Conv2d, out_channels: 2147483647, kernel_size: 3}\n",
           "net.yaml:4:12: error[E0290]"));
}

TEST(FaultsOfShapes, F53_WindowsThatDoNotFit) {
  EXPECT_TRUE(
      says(images + "  - {type: Conv2d, out_channels: 4, kernel_size: 9}\n", "error[E0207]"));
  for (const char* zero : {"stride: 0", "dilation: 0"})
    EXPECT_TRUE(says(images + "  - {type: Conv2d, out_channels: 4, kernel_size: 3, " + zero + "}\n",
                     "must be at least 1"));
  EXPECT_TRUE(says(images + "  - {type: AdaptiveAvgPool2d, output_size: 0}\n", "error[E0107]"));
}

TEST(FaultsOfShapes, F54_RanksAndBroadcastingThatNobodyAskedFor) {
  EXPECT_TRUE(
      says(layers + "  - {type: Conv2d, out_channels: 4, kernel_size: 3}\n", "error[E0201]"));
  EXPECT_TRUE(says(images + "  - {name: c, type: Conv2d, out_channels: 1, kernel_size: 1}\n"
                            "  - {type: Add, from: [x, c]}\n",
                   "error[E0203]"));
}

TEST(FaultsOfShapes, F55_DtypesAreNotMixed) {
  const std::string two =
      "braid: 1\ninputs: {a: {shape: [N, 4]}, b: {shape: [N, 4], dtype: f16}}\n";
  EXPECT_TRUE(says(two + "layers:\n  - {type: Add, from: [a, b]}\n", "error[E0230]"));
  EXPECT_TRUE(says(two + "layers:\n  - {type: Concat, from: [a, b], dim: 1}\n", "f16 [N, 4]"));
}

TEST(FaultsOfShapes, F56_RunningStatisticsAreF32) {
  Diagnostics found;
  Model model = read_text(images + "  - BatchNorm2d\n", "net.yaml", {}, found);
  for (auto& state : check(model, registry(), found).states) {
    bool counts = state.key.ends_with("num_batches_tracked");
    EXPECT_EQ(state.type.dtype, counts ? DType::i64 : DType::f32) << state.key;
  }
  EXPECT_TRUE(
      says("braid: 1\ninputs: {x: {shape: [N, 3, 8, 8], dtype: f16}}\n"
           "layers: [BatchNorm2d]\n",
           "needs f32"));
}

TEST(FaultsOfShapes, F57_FewerSamplesThanReplicasOrAnOddNumber) {
  const std::string text = "braid: 1\nreplicas: 4\n" + classes.substr(9);
  EXPECT_EQ(plan_of(text, 2).slices[0], (std::vector<int64_t>{1, 1, 0, 0}));
  EXPECT_EQ(plan_of(text, 6).slices[0], (std::vector<int64_t>{2, 2, 1, 1}));
}

TEST(FaultsOfShapes, F58_AShapeThatNoMachineHoldsIsKnownFromItsPlan) {
  Plan plan = plan_of("braid: 1\ninputs: {x: {shape: [N, 100000, 100000]}}\nlayers: [ReLU]\n", 1000,
                      Mode::eval);
  ASSERT_EQ(plan.arena.size(), 1u);
  EXPECT_GE(plan.arena[0], int64_t{36} << 40);  // TiB: computed, not allocated
}

TEST(FaultsOfShapes, F59_CheckingAllocatesNothingOfTheNetworksSize) {
  const std::string large =
      "braid: 1\ninputs: {x: {shape: [N, 1048576]}}\nlayers:\n"
      "  - {type: Linear, out_features: 1048576, repeat: 4}\n";
  EXPECT_EQ(said(large), "");  // 16 TiB of weights
}

}  // namespace
}  // namespace braid
