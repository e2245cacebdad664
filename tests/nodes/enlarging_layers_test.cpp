// ConvTranspose2d and Upsample as layers: what they infer and refuse, numbers worked out by hand,
// and operations that a network does not need.
#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

const Type row{DType::f32, {N, 6}}, image{DType::f32, {N, 6, 7, 5}}, label{DType::i64, {N}};

/// The result's shape, or the error's code, message and help.
std::string answer(const std::string& layer, const Type& input, const Dict& params) {
  try {
    LayerGraph g(builtin(), *builtin().layer(layer), {.inputs = {input}, .params = params},
                 Mode::train);
    return to_string(g->values[size_t(g.outputs[0])].type.shape);
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::model);
    auto& d = e.diagnostics()[0];
    return d.code + " " + d.message + (d.helps.empty() ? "" : " | " + d.helps);
  }
}

/// What a layer without randomness makes of one image, and the gradients for an upstream of `g`.
Outcome made(const std::string& layer, const Type& input, const Dict& params, const Numbers& x,
             const std::map<std::string, Numbers>& weights = {}, const Numbers& g = {}) {
  LayerDef def = *builtin().layer(layer);
  def.samples = {{.inputs = {input}, .params = params}};
  Registry registry = builtin();
  Experiment e({&registry, &def, 0}, Mode::train, 1);
  e.drawn[e.g.inputs[0]] = x;
  for (size_t i = 0; i < e.g->states.size(); ++i)
    for (auto& [name, numbers] : weights)
      if (e.g->states[i].key.ends_with(name)) e.drawn[e.g->state_values[i]] = numbers;
  if (!g.empty()) e.drawn[e.g.upstream[0]] = g;
  return e.run({});
}

// ---- ConvTranspose2d ----------------------------------------------------------------------------

std::string transposed(Dict params, const Type& x = image) {
  params.push_back({"out_channels", 8});
  return answer("ConvTranspose2d", x, params);
}

TEST(ConvTransposeLayer, InfersItsResult) {
  EXPECT_EQ(transposed({{"kernel_size", 2}, {"stride", 2}}), "[N, 8, 14, 10]");
  EXPECT_EQ(transposed({{"kernel_size", 3}}), "[N, 8, 9, 7]");
  EXPECT_EQ(transposed({{"kernel_size", 4}, {"stride", 2}, {"padding", 1}}), "[N, 8, 14, 10]");
  EXPECT_EQ(transposed({{"kernel_size", 3},
                        {"stride", Attr::List{2, 3}},
                        {"padding", 1},
                        {"output_padding", Attr::List{1, 2}}}),
            "[N, 8, 14, 15]");
  EXPECT_EQ(transposed({{"kernel_size", Attr::List{3, 1}}, {"dilation", 2}}), "[N, 8, 11, 5]");
}

TEST(ConvTransposeLayer, RefusesWithBothNumbers) {
  EXPECT_EQ(transposed({{"kernel_size", 3}}, row),
            "E0201 layer 'it': ConvTranspose2d takes images [N, channels, height, width], and its "
            "input is [N, 6]");
  EXPECT_EQ(transposed({{"kernel_size", 3}}, {DType::i64, {N, 6, 7, 5}}),
            "E0230 layer 'it': input is i64 [N, 6, 7, 5], ConvTranspose2d needs f32 | there is no "
            "silent conversion between dtypes; declare the input with dtype f32");
  EXPECT_EQ(transposed({{"kernel_size", 3}, {"in_channels", 3}}),
            "E0202 layer 'it': in_channels is 3, and the input [N, 6, 7, 5] has 6 | leave "
            "in_channels out: it follows from the input");
  EXPECT_EQ(transposed({{"kernel_size", 3}, {"groups", 4}}),
            "E0204 layer 'it': groups is 4, which does not divide 6 input channels | groups "
            "divides input and output channels: 1, 2");
  EXPECT_EQ(transposed({{"kernel_size", 3}, {"groups", 3}}),
            "E0204 layer 'it': groups is 3, which does not divide 8 output channels | groups "
            "divides input and output channels: 1, 2");
  EXPECT_EQ(transposed({{"kernel_size", 3}, {"stride", 2}, {"output_padding", 2}}),
            "E0250 layer 'it': output_padding is [2, 2], and the stride is [2, 2] | output_padding "
            "chooses among the sizes that a stride cannot tell apart: it is smaller than the "
            "stride");
  EXPECT_EQ(transposed({{"kernel_size", 1}, {"padding", Attr::List{0, 3}}}),
            "E0251 layer 'it': the padding of 3 leaves nothing of the width: the result would have "
            "-1 cells | use less padding, or a larger kernel_size");
  EXPECT_EQ(transposed({{"kernel_size", 3}, {"padding", -1}}).substr(0, 5), "E0107");
}

TEST(ConvTransposeLayer, BeginsAsPyTorchs) {
  LayerGraph g(builtin(), *builtin().layer("ConvTranspose2d"),
               {.inputs = {image},
                .params = {{"out_channels", 8}, {"kernel_size", Attr::List{2, 5}}, {"groups", 2}}},
               Mode::train);
  ASSERT_EQ(g->states.size(), 2u);
  EXPECT_EQ(to_string(g->states[0].type), "f32 [6, 4, 2, 5]");
  EXPECT_EQ(to_string(g->states[1].type), "f32 [8]");
  for (auto& state : g->states) {  // fan 4·2·5
    EXPECT_EQ(state.init.law, Init::Law::uniform);
    EXPECT_DOUBLE_EQ(state.init.b, 1 / std::sqrt(40.0)) << state.key;
  }
}

// Four cells into four patches, into overlapping ones, and with a row and a column more.
TEST(ConvTransposeLayer, NumbersByHand) {
  const Type small{DType::f32, {N, 1, 2, 2}};
  const Numbers x = {1, 2, 3, 5};
  const std::map<std::string, Numbers> weights = {{"weight", {1, 10, 100, 1000}}, {"bias", {0.5}}};
  Dict params = {{"out_channels", 1}, {"kernel_size", 2}, {"stride", 2}};
  EXPECT_EQ(made("ConvTranspose2d", small, params, x, weights).at("output 0"),
            (Numbers{1.5, 10.5, 2.5, 20.5, 100.5, 1000.5, 200.5, 2000.5,  //
                     3.5, 30.5, 5.5, 50.5, 300.5, 3000.5, 500.5, 5000.5}));
  set(params, "stride", 1);
  EXPECT_EQ(made("ConvTranspose2d", small, params, x, weights).at("output 0"),
            (Numbers{1.5, 12.5, 20.5, 103.5, 1235.5, 2050.5, 300.5, 3500.5, 5000.5}));
  set(params, "padding", 1);
  EXPECT_EQ(made("ConvTranspose2d", small, params, x, weights).at("output 0"), Numbers{1235.5});
  params = {{"out_channels", 1},
            {"kernel_size", 2},
            {"stride", 2},
            {"output_padding", Attr::List{1, 0}},
            {"bias", false}};
  EXPECT_EQ(made("ConvTranspose2d", small, params, x, weights).at("output 0"),
            (Numbers{1, 10, 2,   20,   100, 1000, 200, 2000, 3, 30,
                     5, 50, 300, 3000, 500, 5000, 0,   0,    0, 0}));
}

TEST(ConvTransposeLayer, GradientsByHand) {
  auto found = made("ConvTranspose2d", {DType::f32, {N, 1, 1, 2}},
                    {{"out_channels", 1}, {"kernel_size", 2}, {"stride", 2}}, {2, 3},
                    {{"weight", {1, 10, 100, 1000}}, {"bias", {0}}},  //
                    {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(found.at("gradient of input0"), (Numbers{1 + 20 + 500 + 6000, 3 + 40 + 700 + 8000}));
  EXPECT_EQ(found.at("gradient of it.weight"), (Numbers{11, 16, 31, 36}));
  EXPECT_EQ(found.at("gradient of it.bias"), Numbers{36});
}

// ---- Upsample -----------------------------------------------------------------------------------

TEST(UpsampleLayer, InfersItsResult) {
  EXPECT_EQ(answer("Upsample", image, {{"scale_factor", 2}}), "[N, 6, 14, 10]");
  EXPECT_EQ(answer("Upsample", image, {{"scale_factor", Attr::List{1.5, 0.5}}}), "[N, 6, 10, 2]");
  EXPECT_EQ(answer("Upsample", image, {{"size", Attr::List{9, 4}}, {"mode", "bilinear"}}),
            "[N, 6, 9, 4]");
  EXPECT_EQ(answer("Upsample", image, {{"size", 12}}), "[N, 6, 12, 12]");
}

TEST(UpsampleLayer, RefusesWhatItCannotDo) {
  EXPECT_EQ(answer("Upsample", row, {{"scale_factor", 2}}),
            "E0201 layer 'it': Upsample takes images [N, channels, height, width], or one or three "
            "dimensions behind the channels, and its input is [N, 6]");
  EXPECT_EQ(answer("Upsample", image, {}),
            "E0252 layer 'it': neither size nor scale_factor is given | give one of them: "
            "scale_factor: 2, or size: [height, width]");
  EXPECT_EQ(answer("Upsample", image, {{"size", 8}, {"scale_factor", 2}}).substr(0, 64),
            "E0252 layer 'it': both size and scale_factor are given | give on");
  for (const Attr& factor : {Attr(0), Attr(-1.5), Attr("two"), Attr(Attr::List{2, 2, 2}),
                             Attr(Attr::List{2, "x"}), Attr(1e300)})
    EXPECT_EQ(answer("Upsample", image, {{"scale_factor", factor}}),
              "E0253 layer 'it': scale_factor is " + to_string(factor) +
                  " | scale_factor is a number above 0, or a list of two");
  EXPECT_EQ(answer("Upsample", image, {{"scale_factor", 0.1}}),
            "E0254 layer 'it': scale_factor 0.1 leaves nothing of the height of 7 | use a larger "
            "scale_factor");
  EXPECT_EQ(answer("Upsample", image, {{"scale_factor", 2}, {"align_corners", true}}),
            "E0255 layer 'it': align_corners has no meaning in mode nearest | use mode: bilinear");
  EXPECT_NE(answer("Upsample", image, {{"scale_factor", 2}, {"mode", "cubic"}}).find("bilinear"),
            std::string::npos);
}

TEST(UpsampleLayer, NumbersByHand) {
  const Type small{DType::f32, {N, 1, 2, 2}};
  const Numbers x = {1, 2, 3, 5};
  auto y = [&](const Dict& params) { return made("Upsample", small, params, x).at("output 0"); };
  EXPECT_EQ(y({{"scale_factor", Attr::List{1, 2}}}), (Numbers{1, 1, 2, 2, 3, 3, 5, 5}));
  EXPECT_EQ(y({{"scale_factor", 1.5}}), (Numbers{1, 1, 2, 1, 1, 2, 3, 3, 5}));
  EXPECT_EQ(y({{"scale_factor", 2}, {"mode", "bilinear"}}),
            (Numbers{1, 1.25, 1.75, 2, 1.5, 1.8125, 2.4375, 2.75,  //
                     2.5, 2.9375, 3.8125, 4.25, 3, 3.5, 4.5, 5}));
  EXPECT_EQ(y({{"size", 3}, {"mode", "bilinear"}, {"align_corners", true}}),
            (Numbers{1, 1.5, 2, 2, 2.75, 3.5, 3, 4, 5}));
  EXPECT_EQ(y({{"size", 1}, {"mode", "bilinear"}}), Numbers{2.75});
  EXPECT_EQ(y({{"size", 1}, {"mode", "bilinear"}, {"align_corners", true}}), Numbers{1});
}

// 49 * (1 / 49) is less than 1: cells must be counted by dividing.
TEST(UpsampleLayer, RepeatsEachCellAsOftenAsTheFactorSays) {
  const Type line{DType::f32, {N, 1, 1, 3}};
  for (int64_t factor : {3, 10, 49, 107}) {
    auto y = made("Upsample", line, {{"scale_factor", Attr::List{1, factor}}}, {1, 2, 3});
    for (int64_t i = 0; i < 3 * factor; ++i)
      ASSERT_EQ(y.at("output 0")[size_t(i)], double(1 + i / factor)) << i << " of " << factor;
  }
}

TEST(UpsampleLayer, GradientsByHand) {
  const Type line{DType::f32, {N, 1, 1, 2}};
  const Numbers x = {1, 2}, g = {1, 10, 100, 1000};
  auto dx = [&](Dict params) {
    set(params, "scale_factor", Attr::List{1, 2});
    return made("Upsample", line, params, x, {}, g).at("gradient of input0");
  };
  EXPECT_EQ(dx({}), (Numbers{11, 1100}));
  EXPECT_EQ(dx({{"mode", "bilinear"}}), (Numbers{1 + 7.5 + 25, 2.5 + 75 + 1000}));
  auto thinned = made("Upsample", {DType::f32, {N, 1, 1, 4}}, {{"size", Attr::List{1, 2}}},
                      {1, 2, 3, 4}, {}, {5, 7});
  EXPECT_EQ(thinned.at("gradient of input0"), (Numbers{5, 0, 7, 0})) << "cells that nobody saw";
}

TEST(UpsampleLayer, BlocksGiveTheBitsOfPlainMemory) {
  for (auto& c : cases(builtin(), {Role::layer})) {
    if (c.def->name != "Upsample") continue;
    Experiment e(c, Mode::train);
    auto plain = e.run({});
    for (const char* format : {"aBcd8b", "aBcd16b"})
      EXPECT_EQ(e.run({.channels = format}), plain) << c.name() << ", " << format;
  }
}

// ---- both ---------------------------------------------------------------------------------------

TEST(EnlargingLayers, ComputeNoGradientOfANetworksInput) {
  struct {
    std::string layer;
    Dict params;
  } cases[] = {{"ConvTranspose2d", {{"out_channels", 8}, {"kernel_size", 2}, {"stride", 2}}},
               {"Upsample", {{"scale_factor", 2}}}};
  for (auto& [layer, params] : cases) {
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
    for (auto& node : graph.nodes) {
      EXPECT_NE(node.op->name, "conv2d");
      EXPECT_NE(node.op->name, "upsample_grad");
    }
  }
}

}  // namespace
}  // namespace braid::test
