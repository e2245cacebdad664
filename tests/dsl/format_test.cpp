// The canonical form: what it looks like, that nothing is lost, and that it means the same.
#include <braid/dsl/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "reading.h"

namespace braid {
namespace {

namespace fs = std::filesystem;

std::string formatted(const std::string& text) {
  Diagnostics found;
  auto printed = format_text(text, "net.yaml", found);
  EXPECT_EQ(rendered(found), "") << text;
  return printed.value_or("");
}

/// With `braid: 1` above.
std::string canonical(const std::string& text) {
  const std::string head = "braid: 1\n", printed = formatted(head + text);
  EXPECT_EQ(formatted(printed), printed) << "formatting twice differs from once";
  EXPECT_TRUE(printed.starts_with(head)) << printed;
  return printed.substr(std::min(head.size(), printed.size()));
}

std::string refused(const std::string& text) {
  Diagnostics found;
  EXPECT_FALSE(format_text(text, "net.yaml", found).has_value());
  return found.all().empty() ? "" : found.all().front().code;
}

TEST(Format, WhatFitsStandsOnALine) {
  EXPECT_EQ(canonical(R"(batch:
    global:   64
train: { epochs : 10,
         eval: {every: 1} }
layers:
- name: fc
  type: Linear
  out_features: 10
-   {type: ReLU}
- {type: $act}
)"),
            R"(batch: {global: 64}
layers:
  - {name: fc, type: Linear, out_features: 10}
  - ReLU
  - {type: $act}
train: {epochs: 10, eval: {every: 1}}
)");
}

TEST(Format, WhatIsTooWideIsBroken) {
  const std::string wide(60, 'w');
  EXPECT_EQ(canonical("layers: [{type: A, name: " + wide + ", p: " + wide + "}]\nx-a: [" + wide +
                      ", " + wide + "]\n"),
            "layers:\n  - name: " + wide + "\n    type: A\n    p: " + wide + "\nx-a:\n  - " + wide +
                "\n  - " + wide + "\n");
}

TEST(Format, StagesStandOnLinesOfTheirOwn) {
  EXPECT_EQ(
      canonical(
          R"(pipeline: {stages: [{queue: 4, call: images, type: Source, folder: in, name: frames},
    {type: Network}, # runs
    {overflow: block, from: frames, max: 8, type: Batch, parallel: 2}], in_flight: 9}
x-stages: [1, 2]
)"),
      R"(pipeline:
  in_flight: 9
  stages:
    - {name: frames, type: Source, call: images, folder: in, queue: 4}
    - Network  # runs
    - {type: Batch, from: frames, max: 8, parallel: 2, overflow: block}
x-stages: [1, 2]
)");
  EXPECT_EQ(canonical("pipeline: [{call: images, type: Source}, Network]\nlayers: [ReLU]\n"),
            "layers:\n  - ReLU\npipeline:\n  - {type: Source, call: images}\n  - Network\n");
}

TEST(Format, KeysHaveAnOrder) {
  EXPECT_EQ(canonical(R"(x-mine: 1
train: {steps: 1}
layers:
  - {kernel_size: 3, repeat: 2, from: x, type: Conv2d, out_channels: 4, name: c}
  - layers: [ReLU]
    name: group
inputs: {x: {shape: [N, 8]}}
params: {b: 1, a: 2}
)"),
            R"(params: {b: 1, a: 2}
inputs:
  x: {shape: [N, 8]}
layers:
  - {name: c, type: Conv2d, from: x, kernel_size: 3, out_channels: 4, repeat: 2}
  - name: group
    layers:
      - ReLU
train: {steps: 1}
x-mine: 1
)");
}

TEST(Format, CommentsStay) {
  EXPECT_EQ(canonical(R"(# for the net

# about the inputs
inputs:   # two
  # the image
  x: {shape: [N, 8]}   # small


  y: {shape: [N]}
layers: [ReLU, # first
  # then
  Tanh]
train: {
  steps: 1, # one
  eval: {every: 2}}
# the end
)"),
            R"(# for the net

# about the inputs
inputs:  # two
  # the image
  x: {shape: [N, 8]}  # small

  y: {shape: [N]}
layers:
  - ReLU  # first
  # then
  - Tanh
train:
  steps: 1  # one
  eval: {every: 2}
# the end
)");
}

TEST(Format, CommentsOfItemsStay) {
  EXPECT_EQ(canonical(R"(layers:
  - {type: ReLU}  # a
  -
    # b
    type: Tanh
    # c
    x-p: 1  # d
)"),
            R"(layers:
  - ReLU  # a
  # b
  - type: Tanh
    # c
    x-p: 1  # d
)");
}

TEST(Format, ACommentBehindAllOfAnItemIsTheItems) {
  EXPECT_EQ(canonical("x-a:\n  - k:\n      1 # one\n  - - 2\n    # three\n    - 3\n"),
            "x-a:\n  - {k: 1}  # one\n  - - 2\n    # three\n    - 3\n");
}

TEST(Format, WhatLooksLikeACommentIsNone) {
  EXPECT_EQ(
      canonical(
          "x-a: 'a # b'  # c\nx-b: \"it's # d\"\nx-c: it's#e\nx-d: |\n  # f\n  g\nx-e: 1  # h\n"),
      "x-a: 'a # b'  # c\nx-b: 'it''s # d'\nx-c: it's#e\nx-d: |\n  # f\n  g\nx-e: 1  # h\n");
}

TEST(Format, QuotesStandWhereTheyAreNeeded) {
  EXPECT_EQ(canonical("x-a: \"words\"\nx-b: '1'\nx-c: 'int'\nx-d: \"$(min(1, 2))\"\n"
                      "x-e: [\"$(min(1, 2))\", '*.bias', 'true', 'a: b', '']\nx-f: ~\n"
                      "'x-g h': \"tab\\there\"\n"),
            "x-a: words\nx-b: '1'\nx-c: 'int'\nx-d: $(min(1, 2))\n"
            "x-e: ['$(min(1, 2))', '*.bias', 'true', 'a: b', '']\nx-f: null\n"
            "x-g h: \"tab\\there\"\n");
}

TEST(Format, TextsOfSeveralLines) {
  EXPECT_EQ(canonical("x-a: >\n  a\n\n  b\nname: n\n"), "name: n\nx-a: \"a\\nb\\n\"\n");
  EXPECT_EQ(canonical("x-a: \"a\n  b\"\nx-b: \" a\\nb\"\nx-c: |-\n  a\n\n    b\n"),
            "x-a: a b\nx-b: \" a\\nb\"\nx-c: |-\n  a\n\n    b\n");
}

TEST(Format, AnchorsKeepTheirPlace) {
  const std::string text =
      "train: &t {steps: 1}\nx-a: &m\n  k:\n    # inside\n    v: 1\n"
      "x-b: [&n 1, *n]\nseed: *n\n";
  EXPECT_EQ(canonical(text), text);
}

TEST(Format, WhatCannotBeReadIsRefused) {
  EXPECT_EQ(refused("braid: 1\nlayers: [ReLU\n"), "E0015");
  EXPECT_EQ(refused("braid: 1\nseed: 1\nseed: 2\n"), "E0005");
  EXPECT_EQ(refused("seed: 1\n"), "E0020");
  EXPECT_EQ(refused("- a\n"), "E0013");
  EXPECT_EQ(refused(""), "E0013");
  EXPECT_EQ(refused("braid: 1\nx-a: \xff\n"), "E0002");
  EXPECT_EQ(refused("braid: 1\n&a x-k: 1\nx-b: *a\n"), "E0019");
}

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string links(const Model& model, const std::vector<Link>& from) {
  std::string text;
  for (const Link& link : from) text += path_of(model, link) + " ";
  return text;
}

std::string typed(const std::optional<TypedDict>& dict) {
  return dict ? dict->type + to_string(Attr(dict->params)) + "\n" : "\n";
}

std::string terms(const Model& model, const std::vector<TermDecl>& terms) {
  std::string text;
  for (auto& t : terms)
    text += t.name + t.type + to_string(Attr(t.params)) + links(model, t.from) + shortest(t.factor);
  return text + "\n";
}

/// Everything but the places.
std::string everything_in(const Model& m) {
  std::ostringstream out;
  out << m.name << ' ' << m.replicas << ' ' << m.batch.global << ' ' << m.batch.accumulate << ' '
      << m.batch.drop_last << ' ' << m.seed << '\n';
  for (auto& input : m.inputs) out << input.name << to_string(input.type) << '\n';
  for (auto& l : m.layers) {
    out << l.path << ' ' << l.type << to_string(Attr(l.params)) << links(m, l.from) << l.share
        << l.sync.value_or(-1) << int(l.freeze) << l.recompute << l.segment << l.when
        << to_string(Attr(l.init)) << l.on_replicate;
    for (auto& dim : l.expect.value_or(std::vector<ExpectDim>{}))
      out << (dim ? to_string(*dim) : "_") << ' ';
    out << '\n';
  }
  for (auto& c : m.containers)
    out << c.path << c.type << c.first << ' ' << c.last << c.on_replicate << '\n';
  for (auto& o : m.outputs) out << o.name << path_of(m, o.from) << '\n';
  out << terms(m, m.losses) << terms(m, m.metrics) << typed(m.optimizer);
  for (auto& g : m.groups) {
    for (auto& match : g.match) out << match << ' ';
    for (auto& type : g.types) out << type << ' ';
    out << to_string(Attr(g.params)) << '\n';
  }
  out << typed(m.schedule) << typed(m.train_data) << typed(m.test_data);
  out << m.train.steps.value_or(-1) << ' ' << m.train.epochs.value_or(-1) << ' '
      << m.train.eval_every << ' ' << m.train.checkpoint_every << ' ' << m.train.checkpoint_keep;
  out << (m.weights ? m.weights->path : "") << '\n';
  for (auto& device : m.devices) out << device << ' ';
  return out.str();
}

/// Formats every file of the tree; those that read well must mean the same.
TEST(Format, MeansTheSame) {
  int tried = 0, read = 0;
  for (const char* folder : {"examples", "tests", "demo"}) {
    const fs::path root = fs::path(BRAID_SOURCE_DIR) / folder;
    if (!fs::is_directory(root)) continue;
    for (auto& file : fs::recursive_directory_iterator(root)) {
      if (file.path().extension() != ".yaml") continue;
      const std::string name = file.path().string(), text = text_of(name);
      Diagnostics refused;
      auto printed = format_text(text, name, refused);
      Diagnostics before;
      Model model = read_text(text, name, {}, before);
      EXPECT_TRUE(printed || before.has_errors()) << rendered(refused);
      if (!printed) continue;
      ++tried;
      EXPECT_EQ(formatted(*printed), *printed) << name;
      Diagnostics after;
      Model again = read_text(*printed, name, {}, after);
      EXPECT_EQ(before.has_errors(), after.has_errors()) << name << rendered(after);
      if (before.has_errors() || model.layers.empty()) continue;
      ++read;
      EXPECT_EQ(everything_in(model), everything_in(again)) << name;
    }
  }
  EXPECT_GE(tried, 100);
  EXPECT_GE(read, 40);
}

}  // namespace
}  // namespace braid
