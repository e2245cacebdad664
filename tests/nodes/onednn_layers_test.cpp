// Linear, Conv2d, the poolings, Flatten and Concat as layers: what they infer, what they refuse and
// how they say so, and which gradients they leave out.
#include <algorithm>

#include "conformance/layer_graph.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

const Type row{DType::f32, {N, 6}}, image{DType::f32, {N, 6, 7, 5}}, label{DType::i64, {N}};

/// The result's type, or the error's code, message and help.
std::string answer(const std::string& layer, std::vector<Type> inputs, Dict params = {}) {
  try {
    LayerGraph g(builtin(), *builtin().layer(layer), {.inputs = inputs, .params = params},
                 Mode::train);
    return to_string(g->values[size_t(g.outputs[0])].type.shape);
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::model);
    auto& d = e.diagnostics()[0];
    return d.code + " " + d.message + (d.helps.empty() ? "" : " | " + d.helps);
  }
}

std::string refusal(const std::string& layer, std::vector<Type> inputs, Dict params = {}) {
  return answer(layer, std::move(inputs), std::move(params));
}

TEST(LinearLayer, TakesTheLastDimension) {
  EXPECT_EQ(answer("Linear", {row}, {{"out_features", 3}}), "[N, 3]");
  EXPECT_EQ(answer("Linear", {image}, {{"out_features", 3}}), "[N, 6, 7, 3]");
  EXPECT_EQ(refusal("Linear", {image}, {{"out_features", 3}, {"in_features", 210}}),
            "E0202 layer 'it': in_features is 210, and the input [N, 6, 7, 5] has 5 | leave "
            "in_features out: it follows from the input; or put a Flatten before it");
  EXPECT_EQ(refusal("Linear", {{DType::f32, {N}}}, {{"out_features", 3}}),
            "E0201 layer 'it': Linear takes [N, features] or [N, ..., features], and its input is "
            "[N] | put a Flatten before it");
}

TEST(ConvLayer, InfersItsResult) {
  auto conv = [](Dict params) {
    params.push_back({"out_channels", 8});
    return answer("Conv2d", {image}, params);
  };
  EXPECT_EQ(conv({{"kernel_size", 3}}), "[N, 8, 5, 3]");
  EXPECT_EQ(conv({{"kernel_size", 3}, {"padding", 1}, {"stride", 2}}), "[N, 8, 4, 3]");
  EXPECT_EQ(conv({{"kernel_size", 2}, {"padding", "same"}}), "[N, 8, 7, 5]");
  EXPECT_EQ(conv({{"kernel_size", Attr::List{3, 1}}, {"padding", "valid"}}), "[N, 8, 5, 5]");
  EXPECT_EQ(conv({{"kernel_size", 3}, {"dilation", 2}, {"padding", Attr::List{1, 2}}}),
            "[N, 8, 5, 5]");
}

TEST(ConvLayer, RefusesWithBothNumbers) {
  auto conv = [](Dict params, const Type& x = image) {
    params.push_back({"out_channels", 8});
    return refusal("Conv2d", {x}, params);
  };
  EXPECT_EQ(conv({{"kernel_size", 3}}, row),
            "E0201 layer 'it': Conv2d takes images [N, channels, height, width], and its input is "
            "[N, 6]");
  EXPECT_EQ(conv({{"kernel_size", 3}, {"in_channels", 3}}),
            "E0202 layer 'it': in_channels is 3, and the input [N, 6, 7, 5] has 6 | leave "
            "in_channels out: it follows from the input");
  EXPECT_EQ(conv({{"kernel_size", 3}, {"groups", 4}}),
            "E0204 layer 'it': groups is 4, which does not divide 6 input channels | groups "
            "divides input and output channels: 1, 2");
  EXPECT_EQ(conv({{"kernel_size", 3}, {"groups", 3}}),
            "E0204 layer 'it': groups is 3, which does not divide 8 output channels | groups "
            "divides input and output channels: 1, 2");
  EXPECT_EQ(conv({{"kernel_size", 3}, {"padding", "full"}}),
            "E0205 layer 'it': padding is full | padding is an integer, a list of two, 'same' or "
            "'valid'");
  EXPECT_EQ(conv({{"kernel_size", 3}, {"padding", -1}}),
            "E0205 layer 'it': padding is -1 | padding is at least 0");
  EXPECT_EQ(conv({{"kernel_size", 3}, {"padding", "same"}, {"stride", 2}}),
            "E0205 layer 'it': padding 'same' needs stride 1, and the stride is [2, 2] | give the "
            "padding as a number");
  EXPECT_EQ(conv({{"kernel_size", 4}, {"dilation", 2}}),
            "E0207 layer 'it': the kernel reaches over 7 cells, and the padded input's width is 5 "
            "| use a smaller kernel_size or dilation, or more padding");
}

TEST(PoolLayers, InferAndRefuse) {
  EXPECT_EQ(answer("MaxPool2d", {image}, {{"kernel_size", 2}}), "[N, 6, 3, 2]");
  EXPECT_EQ(answer("MaxPool2d", {image}, {{"kernel_size", 2}, {"ceil_mode", true}}),
            "[N, 6, 4, 3]");
  EXPECT_EQ(answer("AvgPool2d", {image}, {{"kernel_size", 3}, {"stride", 1}, {"padding", 1}}),
            "[N, 6, 7, 5]");
  EXPECT_EQ(answer("AdaptiveAvgPool2d", {image}, {{"output_size", Attr::List{3, 2}}}),
            "[N, 6, 3, 2]");
  EXPECT_EQ(refusal("MaxPool2d", {image}, {{"kernel_size", 3}, {"padding", 2}}),
            "E0205 layer 'it': padding is 2, more than half the kernel's 3 | a window in the "
            "padding alone would see nothing");
  EXPECT_EQ(refusal("AvgPool2d", {image}, {{"kernel_size", 6}}),
            "E0207 layer 'it': the window reaches over 6 cells, and the padded input's width is 5 "
            "| use a smaller kernel_size, or pool less before");
  for (std::string name : {"MaxPool2d", "AvgPool2d"})
    EXPECT_EQ(refusal(name, {row}, {{"kernel_size", 2}}).substr(0, 5), "E0201") << name;
  EXPECT_EQ(refusal("AdaptiveAvgPool2d", {row}, {{"output_size", 1}}).substr(0, 5), "E0201");
}

TEST(FlattenLayer, MergesNeighbours) {
  EXPECT_EQ(answer("Flatten", {image}), "[N, 210]");
  EXPECT_EQ(answer("Flatten", {image}, {{"start_dim", 2}}), "[N, 6, 35]");
  EXPECT_EQ(answer("Flatten", {image}, {{"start_dim", 0}, {"end_dim", 1}}), "[6*N, 7, 5]");
  EXPECT_EQ(answer("Flatten", {image}, {{"start_dim", 0}}), "[210*N]");
  EXPECT_EQ(answer("Flatten", {label}, {{"start_dim", 0}}), "[N]");
  EXPECT_EQ(refusal("Flatten", {row}, {{"start_dim", 2}}),
            "E0208 layer 'it': start_dim is 2, and the input [N, 6] has dimensions 0 to 1");
  EXPECT_EQ(refusal("Flatten", {image}, {{"start_dim", 3}, {"end_dim", 1}}),
            "E0208 layer 'it': start_dim 3 stands after end_dim 1 of the input [N, 6, 7, 5]");
}

TEST(ConcatLayer, WantsEverythingElseEqual) {
  Type small{DType::f32, {N, 2, 7, 5}}, wide{DType::f32, {N, 2, 7, 6}};
  EXPECT_EQ(answer("Concat", {image, small, small}), "[N, 10, 7, 5]");
  EXPECT_EQ(answer("Concat", {small, wide}, {{"dim", -1}}), "[N, 2, 7, 11]");
  EXPECT_EQ(refusal("Concat", {image, wide}).substr(0, 62),
            "E0203 layer 'it': Concat inputs disagree outside dim 1 | all i");
  EXPECT_NE(refusal("Concat", {image, image}, {{"dim", 0}}).find("batch"), std::string::npos);
}

TEST(ConcatLayer, ShowsEveryInput) {
  Type other{DType::f32, {N, 6, 9, 5}};
  try {
    LayerGraph g(builtin(), *builtin().layer("Concat"), {.inputs = {image, image, other}},
                 Mode::train);
    FAIL();
  } catch (const Error& e) {
    auto& notes = e.diagnostics()[0].notes;
    ASSERT_EQ(notes.size(), 3u);
    EXPECT_NE(notes[2].text.find("[N, 6, 9, 5]"), std::string::npos);
  }
}

// Inputs of a network need no gradient: the first layer must not compute one.
TEST(FirstLayer, ComputesNoGradientOfItsInput) {
  struct {
    std::string layer, op;
    Dict params;
  } cases[] = {{"Conv2d", "conv2d_grad_input", {{"out_channels", 8}, {"kernel_size", 3}}},
               {"MaxPool2d", "max_pool2d_grad", {{"kernel_size", 2}}},
               {"AvgPool2d", "avg_pool2d_grad", {{"kernel_size", 2}}}};
  for (auto& [layer, op, params] : cases) {
    Graph graph;
    graph.inputs.push_back({"x", image, {}});
    Builder b(graph, builtin(), Mode::train);
    Diagnostics found;
    const LayerDef* def = builtin().layer(layer);
    Call call{.def = def, .path = "it", .owner = "it"};
    call.params = check_params(def->params, params, layer, {}, found);
    call.in = {b.input(0, 0)};
    graph.calls.push_back(call);
    b.enter(0);
    call.out = def->forward(b, call);
    b.backward(true);
    int g = b.one("relu", {call.out[0]});  // any value of the result's type
    EXPECT_EQ(def->gradient(b, call, {g}), std::vector<int>{-1});
    EXPECT_EQ(def->gradient(b, call, {-1}), std::vector<int>{-1});
    for (auto& node : graph.nodes) EXPECT_NE(node.op->name, op);
  }
}

}  // namespace
}  // namespace braid::test
