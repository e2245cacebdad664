// Folding of the Model: what goes into what, who reads whom afterwards, and why a batch norm stays.
#include <braid/compiler/fold.h>
#include <gtest/gtest.h>

#include <braid/compiler/compile.h>
#include <braid/compiler/positions.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>

namespace braid {
namespace {

const Registry& registry() {
  static const Registry all = [] {
    Registry r;
    register_builtin(r);
    return r;
  }();
  return all;
}

Model model_of(const std::string& layers, const std::string& tail = "") {
  Diagnostics found;
  Model model = read_text(
      "braid: 1\nname: net\nreplicas: 2\nbatch: {global: 8}\n"
      "inputs:\n  image: {shape: [N, 4, 6, 6], dtype: f32}\n  label: {shape: [N], dtype: i64}\n"
      "layers:\n" +
          layers + tail,
      "net.yaml", {}, found);
  found.raise();
  return model;
}

constexpr const char* conv =
    "  - {name: conv, type: Conv2d, from: image, out_channels: 8, kernel_size: 3, bias: false}\n";

std::string names(const Model& model) {
  std::string all;
  for (auto& item : model.layers) all += (all.empty() ? "" : " ") + item.path;
  return all;
}

// `layer` reads which layers.
std::string reads(const Model& model, const std::string& layer) {
  std::string all;
  for (auto& item : model.layers)
    if (item.path == layer)
      for (auto& link : item.from)
        all += (all.empty() ? "" : " ") + (link.kind == Link::Kind::input
                                               ? model.inputs[size_t(link.index)].name
                                               : model.layers[size_t(link.index)].path);
  return all;
}

TEST(Fold, ReadersOfTheBatchNormReadTheConvolution) {
  Model model = model_of(std::string(conv) + R"(  - {name: bn, type: BatchNorm2d, eps: 0.5}
  - {name: relu, type: ReLU}
  - {name: conv2, type: Conv2d, out_channels: 8, kernel_size: 3, padding: 1, groups: 2}
  - {name: bn2, type: BatchNorm2d, eps_mode: clamp, affine: false, freeze: true, sync: none}
  - {name: sum, type: Add, from: [bn2, relu, bn2]}
  - {name: tail, share: conv2}
)");
  model.layers.back().share = -1;  // a second user of conv2's type, not of its parameters
  model.layers.back().params = model.layers[3].params;
  model.outputs = {{"normed", Link::layer(4)}, {"last", Link::layer(6)}};
  auto report = fold_batch_norms(model, registry());
  EXPECT_EQ(names(model), "conv relu conv2 sum tail");
  EXPECT_EQ(reads(model, "relu"), "conv");
  EXPECT_EQ(reads(model, "conv2"), "relu");
  EXPECT_EQ(reads(model, "sum"), "conv2 relu conv2");
  EXPECT_EQ(reads(model, "tail"), "sum");
  EXPECT_EQ(model.outputs[0].from.index, 2);
  EXPECT_EQ(model.outputs[1].from.index, 4);
  EXPECT_TRUE(get_bool(model.layers[0].params, "bias"));
  ASSERT_EQ(report.folds.size(), 2u);
  EXPECT_TRUE(report.left.empty());
  auto &first = report.folds[0], &second = report.folds[1];
  EXPECT_EQ(first.eps, 0.5);
  EXPECT_FALSE(first.clamp || first.had_bias);
  EXPECT_TRUE(first.affine);
  EXPECT_EQ(first.groups, 1);
  EXPECT_TRUE(second.clamp && second.had_bias);
  EXPECT_FALSE(second.affine);
  EXPECT_EQ(second.groups, 2);
}

TEST(Fold, OneBatchNormAfterAnother) {
  Model model = model_of(std::string(conv) + R"(  - {name: bn1, type: BatchNorm2d}
  - {name: bn2, type: BatchNorm2d}
  - {name: flat, type: Flatten}
  - {name: fc, type: Linear, out_features: 10}
  - {name: bn3, type: BatchNorm1d}
)",
                         "loss: {type: CrossEntropy, from: [bn3, label]}\n"
                         "metrics: {accuracy: {type: Accuracy, from: [bn3, label]}}\n"
                         "outputs: {logits: bn3}\n");
  auto report = fold_batch_norms(model, registry());
  ASSERT_EQ(report.folds.size(), 3u);
  EXPECT_EQ(report.folds[1].layer, "conv");
  EXPECT_TRUE(report.folds[1].had_bias);  // the first one's
  EXPECT_EQ(names(model), "conv flat fc");
  for (auto* link : {&model.losses[0].from[0], &model.metrics[0].from[0], &model.outputs[0].from})
    EXPECT_EQ(link->index, 2);
}

TEST(Fold, BlocksKeepTheirLayers) {
  const std::string block = R"(
    layers:
      - {name: conv, type: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
      - {name: bn, type: BatchNorm2d}
)";
  Model model = model_of("  - name: a\n    from: image" + block + "  - name: b" + block);
  fold_batch_norms(model, registry());
  std::string order;
  for (auto& at : positions(model)) order += (order.empty() ? "" : " ") + at.path;
  EXPECT_EQ(order, "a a.conv b b.conv");
  ASSERT_EQ(model.containers.size(), 2u);
  EXPECT_EQ(model.containers[1].first, 1);
  EXPECT_EQ(model.containers[1].last, 2);
}

TEST(Fold, SharedLayersMoveUpWithTheirOwners) {
  Model model = model_of(std::string(conv) + R"(  - {name: bn, type: BatchNorm2d}
  - {name: same, type: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  - {name: again, share: same}
)");
  fold_batch_norms(model, registry());
  EXPECT_EQ(names(model), "conv same again");
  EXPECT_EQ(model.layers[2].share, 1);
  Diagnostics found;
  auto summary = check(model, registry(), found);
  found.raise();
  EXPECT_EQ(summary.parameters, 8 * 4 * 9 + 8 + 8 * 8 * 9 + 8);
}

struct Case {
  const char* name;
  const char* layers;  ///< behind conv
  const char* why;
  const char* tail = "";
};

const Case cases[] = {
    {"read_by_another",
     "  - {name: bn, type: BatchNorm2d}\n  - {name: sum, type: Add, from: [bn, conv]}\n",
     "'conv' (Conv2d) before it is read by layer 'sum', too"},
    {"declared_output", "  - {name: bn, type: BatchNorm2d}\n",
     "'conv' (Conv2d) before it is read by output 'raw', too", "outputs: {raw: conv, y: bn}\n"},
    {"no_running_statistics", "  - {name: bn, type: BatchNorm2d, track_running_stats: false}\n",
     "track_running_stats is false: in eval it uses the batch's own statistics"},
    {"norm_is_shared", "  - {name: bn, type: BatchNorm2d}\n  - {name: bn_again, share: bn}\n",
     "it shares its parameters with 'bn_again'"},
    {"conv_is_shared",
     "  - {name: bn, type: BatchNorm2d}\n"
     "  - {name: conv_again, share: conv, from: image}\n",
     "'conv' (Conv2d) before it shares its parameters with 'conv_again'"},
    {"when", "  - {name: bn, type: BatchNorm2d, when: train}\n",
     "it is there only in train (`when`)"},
    {"expect", "  - {name: bn, type: BatchNorm2d, expect: [N, 8, 4, 4]}\n", "it has an `expect`"},
    {"hook", "  - {name: bn, type: BatchNorm2d, on_replicate: hello}\n",
     "it has a hook (`on_replicate`)"},
    {"of_an_input", "  - {name: bn, type: BatchNorm2d, from: image}\n",
     "it reads the input 'image'"},
    {"behind_another_layer", "  - ReLU\n  - {name: bn, type: BatchNorm2d}\n",
     "'1' (ReLU) before it has no weight that could take it up"},
    {"other_channels",
     "  - {name: rows, type: Reshape, shape: [N, 8, 16]}\n"
     "  - {name: fc, type: Linear, out_features: 8}\n  - {name: bn, type: BatchNorm1d}\n",
     "'fc' (Linear) before it has its features in dimension 2, the batch norm's channels are "
     "dimension 1"},
};

class FoldRefuses : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Cases, FoldRefuses, testing::ValuesIn(cases),
                         [](auto& info) { return info.param.name; });

TEST_P(FoldRefuses, AndSaysWhy) {
  Model model = model_of(std::string(conv) + GetParam().layers, GetParam().tail);
  auto before = names(model);
  auto report = fold_batch_norms(model, registry());
  EXPECT_TRUE(report.folds.empty());
  ASSERT_FALSE(report.left.empty());
  EXPECT_EQ(report.left[0].norm, "bn");
  EXPECT_EQ(report.left[0].why, GetParam().why);
  EXPECT_EQ(names(model), before);
  EXPECT_EQ(model.eval_only, "");
  EXPECT_FALSE(get_bool(model.layers[0].params, "bias"));
}

// A convolution that exists in one mode only.
TEST(Fold, AConvolutionThatMayBeAbsentKeepsItsBatchNorm) {
  Model model = model_of(
      "  - {name: conv, type: Conv2d, from: image, out_channels: 4, kernel_size: 1, when: eval}\n"
      "  - {name: bn, type: BatchNorm2d}\n");
  auto report = fold_batch_norms(model, registry());
  ASSERT_EQ(report.left.size(), 1u);
  EXPECT_EQ(report.left[0].why, "'conv' (Conv2d) before it is there only in eval (`when`)");
}

// As a mask is.
TEST(Fold, FurtherInputsKeepABatchNorm) {
  Registry with_mask = registry();
  LayerDef def = *with_mask.layer("BatchNorm2d");
  def.inputs.push_back({.name = "mask", .optional = true});
  auto plain = def.forward;
  def.forward = [plain](Builder& b, Call& c) {
    c.in.resize(1);
    return plain(b, c);
  };
  with_mask.add(def);
  Model model = model_of(std::string(conv) + "  - {name: bn, type: BatchNorm2d}\n");
  model.layers[1].from.push_back(Link::input(0));
  auto report = fold_batch_norms(model, with_mask);
  ASSERT_EQ(report.left.size(), 1u);
  EXPECT_EQ(report.left[0].why, "it has further inputs");
}

TEST(Fold, NamesThatAreAskedForStay) {
  const Model original = model_of(std::string(conv) + "  - {name: bn, type: BatchNorm2d}\n");
  Model model = original;
  auto report = fold_batch_norms(model, registry(), {"bn"});
  ASSERT_EQ(report.left.size(), 1u);
  EXPECT_EQ(report.left[0].why, "it is named by an output or a hook");
  report = fold_batch_norms(model, registry(), {"conv"});
  ASSERT_EQ(report.left.size(), 1u);
  EXPECT_EQ(report.left[0].why, "'conv' (Conv2d) before it is named by an output or a hook");
  EXPECT_EQ(fold_batch_norms(model, registry(), {"relu"}).folds.size(), 1u);
}

TEST(Fold, AFoldedModelCannotBeTrained) {
  Model model = model_of(std::string(conv) + R"(  - {name: bn, type: BatchNorm2d}
  - {name: pool, type: AdaptiveAvgPool2d, output_size: 1}
  - {name: flat, type: Flatten}
)",
                         "loss: {type: CrossEntropy, from: [flat, label]}\n"
                         "optimizer: {type: SGD, lr: 0.1, groups: [{types: [BatchNorm2d], "
                         "weight_decay: 0}]}\n");
  fold_batch_norms(model, registry());
  Diagnostics found;
  check(model, registry(), found);  // its optimizer's group has nothing left to match
  EXPECT_FALSE(found.has_errors());
  EXPECT_NO_THROW(compile(model, registry(), {.mode = Mode::eval, .batch = 8}));
  try {
    compile(model, registry(), {.mode = Mode::train, .batch = 8});
    ADD_FAILURE() << "it was compiled for training";
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::model);
    EXPECT_EQ(e.diagnostics().size(), 1u);
    EXPECT_EQ(e.diagnostics()[0].code, "E0293");
    EXPECT_NE(std::string(e.what()).find("'net' cannot be trained: batch norms are folded into "
                                         "the layers before them ('bn' into 'conv')"),
              std::string::npos)
        << e.what();
  }
}

TEST(Fold, AWrongModelIsRefusedAndLeftAsItWas) {
  Model model = model_of(std::string(conv) +
                         "  - {name: bn, type: BatchNorm2d}\n  - {name: r, type: ReLU}\n");
  set(model.layers[1].params, "num_features", 9);
  EXPECT_THROW(fold_batch_norms(model, registry()), Error);
  EXPECT_EQ(names(model), "conv bn r");
  EXPECT_FALSE(get_bool(model.layers[0].params, "bias"));
}

TEST(Fold, TheReportIsATable) {
  Model model = model_of(std::string(conv) + R"(  - {name: bn, type: BatchNorm2d}
  - {name: relu, type: ReLU}
  - {name: late, type: BatchNorm2d}
)");
  EXPECT_EQ(to_string(fold_batch_norms(model, registry())),
            R"(batch norm  type         at              folded into
bn          BatchNorm2d  net.yaml:10:12  conv (Conv2d)
late        BatchNorm2d  net.yaml:12:12  nothing: 'relu' (ReLU) before it has no weight that could take it up
1 of 2 batch norms folded
)");
}

}  // namespace
}  // namespace braid
