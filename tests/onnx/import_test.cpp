// ONNX files into networks: what comes out of Braid comes back, names and numbers; what is no file
// or hostile is refused with its reason.
#include <braid/onnx/export.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "onnx/import_support.h"
#include "onnx/program.h"
#include "support/models.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;
using Arrays = std::map<std::string, Array>;

std::string refusal(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::data) << e.what();
    return e.what();
  }
  return "nothing";
}

std::string refused(const onnx::ModelProto& model) {
  return refusal([&] { from_onnx_bytes(model.SerializeAsString(), builtin()); });
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

// ---- round trips --------------------------------------------------------------------------------

class RoundTrip : public testing::TestWithParam<std::string> {};

/// Layers whose program is another one after the way out and in, and why. docs/onnx.md says so,
/// too.
const std::map<std::string, std::string> others{
    {"AvgPool1d", "ceil_mode is padding"},
    {"AvgPool2d", "ceil_mode is padding"},
    {"AvgPool3d", "ceil_mode is padding"},
    {"CoordinateGrid", "alone it reads no input of the file"},
    {"Math", "each of its steps is a layer"},
    {"MaxPool1d", "ceil_mode is padding"},
    {"MaxPool2d", "ceil_mode is padding"},
    {"MaxPool3d", "ceil_mode is padding"},
    {"Parameter", "alone it reads no input of the file"}};

std::vector<std::string> names_of(const Imported& net, bool ours) {
  std::vector<std::string> names;
  for (auto& [old, renamed] : net.outputs) names.push_back(ours ? renamed : old);
  return names;
}

TEST_P(RoundTrip, LayersComeBackAsTheyWere) {
  const LayerDef& def = *builtin().layer(GetParam());
  std::string apart;
  if (def.name == "Callback") GTEST_SKIP() << "a function of the program";
  for (auto& sample : def.samples) {
    Session session(network_of(def, sample));
    Arrays weights = session.weights();
    randomize(weights, 0.5, 7);
    session.set_weights(weights);
    std::string bytes;
    try {
      bytes = to_onnx(session.model(), session.weights(), session.registry());
    } catch (const Error&) {
      continue;  // ONNX cannot say it
    }
    const bool batched = std::ranges::any_of(sample.inputs, [](auto& t) { return t.batched(); });
    Imported net;
    try {
      net = from_onnx_bytes(bytes, builtin(), {.batched = batched});
    } catch (const Error& e) {
      ASSERT_EQ(e.diagnostics()[0].code, "E0372") << e.what();
      apart += e.what();
      continue;
    }
    Session again = open_imported(net);
    apart += difference(Program(session.model(), names_of(net, false)).text(),
                        Program(again.model(), names_of(net, true)).text());
    Arrays mine, theirs;
    for (size_t k = 0; k < session.model().inputs.size(); ++k) {
      auto& input = session.model().inputs[k];
      const Array array = drawn(input.type, 2, sample.classes, sample.positive, 3 + k);
      mine[input.name] = array;
      for (auto& [old, renamed] : net.inputs)
        if (old == input.name) theirs[renamed] = array;
    }
    const auto expected = session.run(mine), made = again.run(fed(again, theirs));
    for (auto& [old, renamed] : net.outputs)
      EXPECT_LE(distance(made.at(renamed), expected.at(old)), 1e-5) << net.text;
  }
  EXPECT_EQ(apart.empty(), !others.contains(def.name)) << apart;
}

INSTANTIATE_TEST_SUITE_P(Onnx, RoundTrip, testing::ValuesIn(builtin().layers(Role::layer)),
                         [](const auto& info) { return info.param; });

TEST(Import, NetworksOfBraidComeBack) {
  for (const Model& model : {convnet(1), residual(1)}) {
    Session session(model);
    const auto net =
        from_onnx_bytes(to_onnx(session.model(), session.weights(), session.registry()), builtin());
    Session again = open_imported(net);
    for (auto& [key, array] : net.weights) {
      ASSERT_TRUE(session.weights().contains(key)) << key;
      EXPECT_EQ(array, session.weights().at(key)) << key;
    }
    auto& input = session.model().inputs[0];
    const Array x = drawn(input.type, 3, 10, false, 5);
    const auto a = session.run({{input.name, x}}), b = again.run({{net.inputs[0].second, x}});
    for (auto& [old, renamed] : net.outputs) EXPECT_LE(distance(a.at(old), b.at(renamed)), 1e-5);
  }
}

TEST(Import, TextIsCanonicalAndLeavesDefaultsOut) {
  Session session(convnet(1));
  const auto net = from_onnx_bytes(to_onnx(session.model(), session.weights(), session.registry()),
                                   builtin(), {"w.safetensors"});
  EXPECT_HAS(net.text, "image: {shape: [N, 1, 12, 12]}");
  EXPECT_HAS(net.text, "{name: bn1, type: BatchNorm2d}");
  EXPECT_HAS(net.text, "{name: flat, type: Flatten}");
  EXPECT_HAS(net.text, "weights: {path: w.safetensors}");
}

TEST(Import, AParameterThatTwoNodesReadComesInOnce) {
  Session session(mlp(1));  // a Linear that is called twice
  const auto net =
      from_onnx_bytes(to_onnx(session.model(), session.weights(), session.registry()), builtin());
  EXPECT_HAS(net.text, "tie:");
  EXPECT_EQ(net.weights.contains("fc2.weight"), true);
  EXPECT_EQ(net.weights.size(), session.weights().size());
  Session again = open_imported(net);
  EXPECT_EQ(again.model().ties.size(), 2u) << net.text;
  const Array x = drawn(session.model().inputs[0].type, 3, 10, false, 5);
  const auto a = session.run({{session.model().inputs[0].name, x}}),
             b = again.run({{net.inputs[0].second, x}});
  for (auto& [old, renamed] : net.outputs) EXPECT_LE(distance(a.at(old), b.at(renamed)), 1e-5);
}

// ---- files that others made ---------------------------------------------------------------------

onnx::ModelProto good() {
  Session session(convnet(1));
  onnx::ModelProto model;
  model.ParseFromString(to_onnx(session.model(), session.weights(), session.registry()));
  return model;
}

TEST(Import, NodesThatAreNotCoveredAreAllListed) {
  auto model = good();
  model.mutable_graph()->mutable_node(2)->set_op_type("Round");
  model.mutable_graph()->mutable_node(6)->set_op_type("Floor");
  const auto text = refused(model);
  EXPECT_HAS(text, "error[E0372]: node 'relu1' (Round) is not covered: Braid has no layer for it");
  EXPECT_HAS(text, "node 'relu2' (Floor)");
}

TEST(Import, OtherFilesAreRecognised) {
  auto bytes = [](const std::string& text) {
    return refusal([&] { from_onnx_bytes(text, builtin()); });
  };
  EXPECT_HAS(bytes("PK\x03\x04 and so on"), "error[E0295]: this is a zip archive");
  EXPECT_HAS(bytes("PK\x03\x04 and so on"), "tools/braid_export.py");
  EXPECT_HAS(bytes("\x80\x02}q\x00."), "this is a pickle");
  EXPECT_HAS(bytes(""), "it has no graph with nodes");
  EXPECT_HAS(bytes("no file of protobuf"), "this is no ONNX file");
  EXPECT_HAS(refusal([] { from_onnx("/nowhere/m.onnx", builtin()); }), "it is no file");
  EXPECT_HAS(refusal([] { from_onnx("/dev/zero", builtin()); }), "it is no file");
  auto newer = good();
  newer.mutable_opset_import(0)->set_version(99);
  EXPECT_HAS(refused(newer), "error[E0372]: the file is of opset 99");
}

TEST(Import, SizesThatLieTakeNoMemory) {
  auto model = good();
  auto& tensor = *model.mutable_graph()->mutable_initializer(0);
  const auto name = tensor.name();
  tensor.clear_dims();
  for (int64_t d : {int64_t{1} << 27, int64_t{1} << 28}) tensor.add_dims(d);  // 128 PB of f32
  EXPECT_HAS(refused(model), "the tensor '" + name + "' announces 36028797018963968 elements");
  tensor.set_dims(1, int64_t{1} << 60);
  EXPECT_HAS(refused(model), "has sizes that cannot be");
  tensor.set_dims(1, -1);
  EXPECT_HAS(refused(model), "has sizes that cannot be");
  tensor.set_data_type(99);
  EXPECT_HAS(refused(model), "has no type of elements");
}

TEST(Import, CyclesAndNamesAreChecked) {
  auto model = good();
  auto& graph = *model.mutable_graph();
  const auto first = graph.node(0).output(0);
  graph.mutable_node(0)->set_input(0, graph.node(3).output(0));
  EXPECT_HAS(refused(model), "which is made after it: nodes are not in order, or form a cycle");
  graph.mutable_node(0)->set_input(0, "ghost");
  EXPECT_HAS(refused(model), "reads 'ghost', which nothing makes");
  model = good();
  model.mutable_graph()->mutable_node(1)->set_output(0, first);
  EXPECT_HAS(refused(model), "which is there already");
  model = good();
  *model.mutable_graph()->add_initializer() = model.graph().initializer(0);
  EXPECT_HAS(refused(model), "is there twice");
  model = good();
  model.mutable_graph()->mutable_output(0)->set_name("ghost");
  EXPECT_HAS(refused(model), "nothing makes the output 'ghost'");
  model = good();
  auto* nested = model.mutable_graph();
  for (int k = 0; k < 12; ++k) {
    auto& node = *nested->add_node();
    node.set_op_type("If");
    auto& attribute = *node.add_attribute();
    attribute.set_name("then_branch");
    nested = attribute.mutable_g();
  }
  EXPECT_HAS(refused(model), "graphs lie deeper in each other than 8");
}

// ---- data beside the file -----------------------------------------------------------------------

class External : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("braid_onnx_external" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "model");
    model_ = good();
    auto& tensor = *model_.mutable_graph()->mutable_initializer(0);
    std::ofstream(folder_ / "model" / "data.bin", std::ios::binary) << tensor.raw_data();
    std::ofstream(folder_ / "outside.bin", std::ios::binary) << tensor.raw_data();
    size_ = tensor.raw_data().size();
    tensor.clear_raw_data();
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string with(const std::vector<std::pair<std::string, std::string>>& entries) {
    auto& tensor = *model_.mutable_graph()->mutable_initializer(0);
    tensor.clear_external_data();
    for (auto& [key, value] : entries) {
      auto& entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    const auto path = folder_ / "model" / "m.onnx";
    std::ofstream(path, std::ios::binary) << model_.SerializeAsString();
    return refusal([&] { from_onnx(path, builtin()); });
  }

  fs::path folder_;
  onnx::ModelProto model_;
  size_t size_ = 0;
};

TEST_F(External, DataBesideTheModelAreRead) {
  EXPECT_EQ(with({{"location", "data.bin"}}), "nothing");
  EXPECT_EQ(with({{"location", "./data.bin"}, {"offset", "0"}, {"length", std::to_string(size_)}}),
            "nothing");
}

TEST_F(External, NothingElseIsOpened) {
  EXPECT_HAS(with({{"location", "../outside.bin"}}), "outside the model's folder");
  EXPECT_HAS(with({{"location", "a/../../outside.bin"}}), "outside the model's folder");
  EXPECT_HAS(with({{"location", (folder_ / "outside.bin").string()}}), "no path below the model");
  EXPECT_HAS(with({{"location", ""}}), "no path below the model");
  fs::create_symlink(folder_ / "outside.bin", folder_ / "model" / "link.bin");
  EXPECT_HAS(with({{"location", "link.bin"}}), "behind a link");
  fs::create_directory_symlink(folder_, folder_ / "model" / "up");
  EXPECT_HAS(with({{"location", "up/outside.bin"}}), "behind a link");
  EXPECT_HAS(with({{"location", "none.bin"}}), "no file beside the model");
  EXPECT_HAS(with({{"location", "data.bin"}, {"offset", "99999999"}}), "behind the end");
  EXPECT_HAS(with({{"location", "data.bin"}, {"length", "99999999"}}), "behind the end");
  EXPECT_HAS(with({{"location", "data.bin"}, {"offset", "-1"}}), "no number");
  EXPECT_HAS(with({{"location", "data.bin"}, {"length", "4"}}), "which is not its size");
  EXPECT_HAS(refusal([&] { from_onnx_bytes(model_.SerializeAsString(), builtin()); }),
             "data in another file");
}

// ---- damage -------------------------------------------------------------------------------------

/// Layers that are recognised in several nodes.
onnx::ModelProto composed() {
  Diagnostics found;
  Session session(read_text(R"(braid: 1
inputs: {x: {shape: [N, 6, 8]}, pad: {shape: [N, 6], dtype: bool}, image: {shape: [N, 4, 3, 4]}}
layers:
  - {name: attn, type: MultiheadAttention, from: [x, x, x, pad], num_heads: 2, batch_first: true}
  - {name: norm, type: LayerNorm}
  - {name: gelu, type: GELU}
  - {name: bent, type: GELU, approximate: tanh}
  - {name: unit, type: Normalize, dim: -1}
  - {name: soft, type: Softplus, beta: 2.0, threshold: 3.0}
  - {name: flat, type: Flatten}
  - {name: group, type: GroupNorm, from: image, num_groups: 2}
  - {name: batch, type: BatchNorm2d, track_running_stats: false}
  - {name: swish, type: SiLU}
  - {name: large, type: Upsample, scale_factor: 2}
  - {name: row, type: Flatten}
  - {name: spread, type: Var, dim: 1, keepdim: true}
outputs: {y: flat, z: spread}
)",
                            "net.yaml", {}, found));
  onnx::ModelProto model;
  model.ParseFromString(
      to_onnx(session.model(), session.weights(), session.registry(), {.opset = 13}));
  return model;
}

TEST(Import, LayersOfSeveralNodesComeBackTogether) {
  const auto net = from_onnx_bytes(composed().SerializeAsString(), builtin());
  for (const char* type : {"MultiheadAttention", "LayerNorm", "GELU", "Normalize", "Softplus",
                           "GroupNorm", "BatchNorm2d", "SiLU", "Upsample", "Var"})
    EXPECT_HAS(net.text, std::string("type: ") + type);
  EXPECT_EQ(net.layers, 13u) << net.text;
}

TEST(Import, WhatIsNotQuiteTheLayerStaysWhatItIs) {
  auto changed = [](const std::string& name, const std::function<void(onnx::NodeProto&)>& change) {
    auto model = composed();
    for (auto& node : *model.mutable_graph()->mutable_node())
      if (node.name() == name) change(node);
    return from_onnx_bytes(model.SerializeAsString(), builtin()).text;
  };
  const auto erf = changed("gelu/Erf", [](auto& node) { node.set_op_type("Tanh"); });
  EXPECT_EQ(erf.find("{name: gelu, type: GELU}"), erf.npos) << erf;
  const auto read = changed("soft", [](auto& node) { node.set_input(1, "attn"); });
  EXPECT_EQ(read.find("type: Softplus, beta"), read.npos) << read;
  auto model = composed();
  for (auto& node : *model.mutable_graph()->mutable_node())
    if (node.name() == "attn/Softmax") node.set_op_type("Sigmoid"), node.clear_attribute();
  EXPECT_HAS(refused(model), "node 'attn/Where' (Where) is not covered");
}

TEST(Mutations, EveryDamagedFileIsReadOrRefused) {
  const char* wanted = std::getenv("BRAID_MUTATIONS");
  const int rounds = wanted ? std::atoi(wanted) : 500;
  std::vector<std::string> files;
  for (auto model : {good(), composed()}) {
    files.push_back(model.SerializeAsString());
    // Weights are most of the bytes: the graph is what is worth damaging.
    for (auto& tensor : *model.mutable_graph()->mutable_initializer())
      tensor.set_raw_data(std::string(tensor.raw_data().size(), '\0'));
    files.push_back(model.SerializeAsString());
  }
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    const uint64_t key = uint64_t(round) + 1;
    std::string bytes = files[size_t(round) % files.size()];
    if (round % 5 == 0) bytes.resize(uniform_below(key, 0, bytes.size()));
    const auto hits = 1 + uniform_below(key, 1, 8);
    for (uint64_t hit = 0; hit < hits && !bytes.empty(); ++hit) {
      size_t at = uniform_below(key, 2 + 2 * hit, bytes.size());
      // A window of what is not zeros: names, sizes, tags.
      for (int k = 0; k < 64 && !bytes[at] && at + 1 < bytes.size(); ++k) ++at;
      bytes[at] = char(uniform_below(key, 3 + 2 * hit, 256));
    }
    try {
      from_onnx_bytes(bytes, builtin());
    } catch (const Error& e) {
      ASSERT_EQ(e.fault(), Fault::data) << round << ": " << e.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, rounds / 4);
}

}  // namespace
}  // namespace braid::test
