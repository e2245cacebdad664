// Networks as ONNX: what ONNX's checker accepts, what names and shapes are kept, what is refused.
// That the numbers are Braid's, ONNX Runtime says: runtime/.
#include <braid/dsl/read.h>
#include <braid/onnx/export.h>
#include <braid/runtime/fold.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "onnx/graph.h"
#include "onnx/samples.h"
#include "support/models.h"

namespace braid::test {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

std::string exported(const Model& model, const ExportOptions& options = {}) {
  Session session(model);
  return to_onnx(session.model(), session.weights(), session.registry(), options);
}

Model read(const std::string& text) {
  Diagnostics found;
  Model model = read_text(text, "net.yaml", {}, found);
  found.raise();
  return model;
}

std::string first_error(const std::function<void()>& run, std::string& message) {
  try {
    run();
  } catch (const Error& e) {
    for (auto& d : e.diagnostics()) message += render(d);
    return e.diagnostics()[0].code;
  }
  return "";
}

// ---- every layer --------------------------------------------------------------------------------

/// What ONNX has no words for, and from which opset on it does.
int least_opset(const LayerDef& def, const Sample& sample) {
  if (def.name == "Callback") return 99;
  if (def.name == "GridSample") return sample.inputs[0].rank() == 4 ? 16 : 99;
  return 13;
}

class Layers : public testing::TestWithParam<std::string> {};

TEST_P(Layers, SamplesPassTheCheckerInEveryOpset) {
  const LayerDef& def = *builtin().layer(GetParam());
  for (auto& sample : def.samples)
    for (int opset : {13, 14, 15, 16, 17}) {
      const Model model = network_of(def, sample);
      std::string message;
      const auto code = first_error([&] { exported(model, {.opset = opset}); }, message);
      if (def.name == "Callback") continue;  // a session wants the function first
      EXPECT_EQ(code, opset < least_opset(def, sample) ? "E0371" : "") << opset << message;
    }
}

INSTANTIATE_TEST_SUITE_P(Onnx, Layers, testing::ValuesIn(builtin().layers(Role::layer)),
                         [](const auto& info) { return info.param; });

TEST(Export, KnowsEveryLayerButCallbacks) {
  std::vector<std::string> known{"Callback"};
  for (auto& [type, operators] : onnx_operators()) known.push_back(type);
  std::ranges::sort(known);
  EXPECT_EQ(known, builtin().layers(Role::layer));
}

TEST(Export, ThePageListsLayersAndOperators) {
  const auto page = text_of(std::string(BRAID_SOURCE_DIR) + "/docs/onnx.md");
  std::string table;
  for (auto& [type, operators] : onnx_operators())
    table += "| `" + type + "` | " + operators + " |\n";
  EXPECT_NE(page.find(table), std::string::npos) << "docs/onnx.md needs this table:\n" << table;
}

// ---- names, shapes, bytes -----------------------------------------------------------------------

TEST(Export, KeepsNamesOfInputsOutputsLayersAndWeights) {
  const auto graph = read_onnx(exported(convnet(1)));
  EXPECT_EQ(graph.inputs, (Lines{"image f32 [N, 1, 12, 12]"}));  // the label is for the loss
  EXPECT_EQ(graph.outputs, (Lines{"logits f32 [N, 10]"}));
  const Lines nodes{"conv1 Conv",   "bn1 BatchNormalization",
                    "relu1 Relu",   "pool1 MaxPool",
                    "conv2 Conv",   "bn2 BatchNormalization",
                    "relu2 Relu",   "pool2 AveragePool",
                    "flat Flatten", "fc1 Gemm",
                    "tanh Tanh",    "fc2 Gemm"};
  EXPECT_EQ(graph.nodes, nodes);
  const Lines weights{"conv1.weight",    "bn1.weight",       "bn1.bias",        "bn1.running_mean",
                      "bn1.running_var", "conv2.weight",     "conv2.bias",      "bn2.weight",
                      "bn2.bias",        "bn2.running_mean", "bn2.running_var", "fc1.weight",
                      "fc1.bias",        "fc2.weight",       "fc2.bias"};
  EXPECT_EQ(graph.initializers, weights);
  EXPECT_EQ(graph.producer, "braid");
}

TEST(Export, EqualArgumentsGiveEqualBytes) {
  const Model model = residual(2);
  EXPECT_EQ(exported(model), exported(model));
  Model more = model;
  more.replicas = 1;  // replicas are no part of it
  EXPECT_EQ(exported(model), exported(more));
}

TEST(Export, SharedLayersHaveOneSetOfWeights) {
  const auto graph = read_onnx(exported(mlp(1)));
  EXPECT_EQ(std::ranges::count(graph.initializers, "fc2.weight"), 1);
  EXPECT_EQ(std::ranges::count(graph.nodes, "again Gemm"), 1);
}

TEST(Export, FoldedNetworksHaveNoBatchNorm) {
  Session session(convnet(1));
  auto folded = fold_batch_norms(session);
  const auto graph = read_onnx(
      to_onnx(folded.session.model(), folded.session.weights(), folded.session.registry()));
  for (auto& node : graph.nodes) EXPECT_EQ(node.find("BatchNormalization"), node.npos) << node;
  EXPECT_EQ(std::ranges::count(graph.initializers, "conv1.bias"), 1);
}

TEST(Export, WantedLayersAreOutputs) {
  const auto graph = read_onnx(exported(convnet(1), {.outputs = {"relu1", "logits"}}));
  EXPECT_EQ(graph.outputs, (Lines{"logits f32 [N, 10]", "relu1 f32 [N, 16, 12, 12]"}));
  const auto part = read_onnx(exported(convnet(1), {.outputs = {"bn1"}}));
  EXPECT_EQ(part.nodes, (Lines{"conv1 Conv", "bn1 BatchNormalization"}));
}

TEST(Export, InputsMayBeOutputsAndValuesMayHaveTwoNames) {
  const auto graph = read_onnx(exported(read(R"(braid: 1
inputs: {x: {shape: [N, 4]}}
layers:
  - {name: fc, type: Linear, out_features: 3}
outputs: {y: fc, z: fc, same: x}
)")));
  EXPECT_EQ(graph.nodes, (Lines{"fc Gemm", "z Identity", "same Identity"}));
  EXPECT_EQ(graph.outputs.size(), 3u);
}

TEST(Export, WhatNoOutputReadsIsLeftOut) {
  const auto graph = read_onnx(exported(read(R"(braid: 1
inputs: {x: {shape: [N, 2, 3, 4]}, image: {shape: [N, 2, 6, 8]}}
layers:
  - {name: seen, type: ReLU, from: image}
  - {name: large, type: Interpolate, from: {input: x, like: seen}}
outputs: {y: large}
)")));
  EXPECT_EQ(graph.inputs, (Lines{"x f32 [N, 2, 3, 4]"}));
  EXPECT_EQ(std::ranges::count(graph.nodes, "seen Relu"), 0);
  EXPECT_EQ(graph.outputs, (Lines{"y f32 [N, 2, 6, 8]"}));
}

TEST(Export, FreeDimensionsKeepTheirNames) {
  const auto graph = read_onnx(exported(read(R"(braid: 1
inputs: {tokens: {shape: [N, L], dtype: i64}}
layers:
  - {name: embed, type: Embedding, num_embeddings: 9, embedding_dim: 8}
  - {name: table, type: Parameter, shape: [1, 200, 8], from: []}
  - {name: part, type: Slice, from: table, end: L}
  - {name: sum, type: Add, from: [embed, part]}
  - {name: attn, type: MultiheadAttention, from: [sum, sum, sum], num_heads: 2, batch_first: true}
outputs: {y: attn}
)")));
  EXPECT_EQ(graph.inputs, (Lines{"tokens i64 [N, L]"}));
  EXPECT_EQ(graph.outputs, (Lines{"y f32 [N, L, 8]"}));
}

// ---- what is refused ----------------------------------------------------------------------------

TEST(Export, AllLayersThatCannotBeSaidAreListed) {
  const Model model = read(R"(braid: 1
inputs: {x: {shape: [N, 2, 3, 4]}, grid: {shape: [N, 3, 4, 2]}}
layers:
  - {name: one, type: GridSample, from: [x, grid]}
  - {name: fine, type: ReLU}
  - {name: two, type: GridSample, from: [fine, grid]}
outputs: {y: two}
)");
  std::string message;
  EXPECT_EQ(first_error([&] { exported(model, {.opset = 15}); }, message), "E0371");
  EXPECT_EQ(first_error(
                [&] {
                  exported(model, {.opset = 15, .outputs = {"fine", "one"}});
                },
                message),
            "E0371");
  EXPECT_NE(message.find("net.yaml:4:12"), message.npos) << message;
  EXPECT_NE(message.find("layer 'one' (GridSample) cannot be exported to ONNX: ONNX has GridSample "
                         "from opset 16 on"),
            message.npos)
      << message;
  std::string none;
  EXPECT_EQ(first_error([&] { exported(model, {.opset = 16}); }, none), "") << none;
}

TEST(Export, OtherOpsetsAreRefused) {
  for (int opset : {0, 12, 18}) {
    std::string message;
    EXPECT_EQ(first_error([&] { exported(mlp(1), {.opset = opset}); }, message), "E0373");
    EXPECT_NE(message.find("there is no export for opset"), message.npos) << message;
  }
}

TEST(Export, WeightsHaveToFit) {
  Session session(mlp(1));
  auto weights = session.weights();
  auto attempt = [&] { to_onnx(session.model(), weights, session.registry()); };
  std::string message;
  weights.at("fc1.bias") = Array::zeros(DType::f32, {3});
  EXPECT_EQ(first_error(attempt, message), "E0374");
  EXPECT_NE(message.find("the weights' 'fc1.bias' is f32 [3], not f32 [24]"), message.npos)
      << message;
  weights.erase("fc1.bias");
  message.clear();
  EXPECT_EQ(first_error(attempt, message), "E0374");
  EXPECT_NE(message.find("the weights lack 'fc1.bias'"), message.npos) << message;
}

TEST(Export, UnknownOutputsAreNamed) {
  std::string message;
  EXPECT_EQ(first_error([&] { exported(mlp(1), {.outputs = {"logit"}}); }, message), "E0219");
  EXPECT_NE(message.find("did you mean 'logits'?"), message.npos) << message;
}

TEST(Export, TheFileIsWholeOrAbsent) {
  Session session(mlp(1));
  const auto folder = std::filesystem::temp_directory_path() / "braid_onnx_export";
  std::filesystem::create_directories(folder);
  const auto path = (folder / "m.onnx").string();
  export_onnx(session.model(), session.weights(), session.registry(), path);
  EXPECT_EQ(text_of(path), to_onnx(session.model(), session.weights(), session.registry()));
  std::string message;
  EXPECT_EQ(first_error(
                [&] {
                  export_onnx(session.model(), session.weights(), session.registry(),
                              (folder / "none" / "m.onnx").string());
                },
                message),
            "E0601");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace braid::test
