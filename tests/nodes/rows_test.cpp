// Layers over rows: LayerNorm, Normalize and PairwiseDistance beyond conformance.
#include <cmath>

#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

std::string refusal(const std::string& layer, std::vector<Type> inputs, Dict params = {}) {
  try {
    LayerGraph g(builtin(), *builtin().layer(layer), {.inputs = inputs, .params = params},
                 Mode::train);
  } catch (const Error& e) {
    return e.diagnostics()[0].code + " " + e.diagnostics()[0].message;
  }
  return "accepted";
}

const Type tokens{DType::f32, {N, 7, 12}}, row{DType::f32, {N, 3}};

TEST(LayerNorm, HasPyTorchsKeysAndShapes) {
  auto states = [](Dict params) {
    LayerGraph g(builtin(), *builtin().layer("LayerNorm"),
                 {.inputs = {tokens}, .params = std::move(params)}, Mode::train);
    std::string all;
    for (auto& state : g->states) all += state.key + " " + to_string(state.type.shape) + "; ";
    return all;
  };
  EXPECT_EQ(states({}), "it.weight [12]; it.bias [12]; ");
  EXPECT_EQ(states({{"normalized_shape", Attr::List{7, 12}}}),
            "it.weight [7, 12]; it.bias [7, 12]; ");
  EXPECT_EQ(states({{"bias", false}}), "it.weight [12]; ");
  EXPECT_EQ(states({{"elementwise_affine", false}}), "");
}

TEST(LayerNorm, NormalizesTheEndOfTheInput) {
  EXPECT_EQ(refusal("LayerNorm", {tokens}, {{"normalized_shape", 7}}),
            "E0202 layer 'it': normalized_shape is [7], the input ends with [12]: [N, 7, 12]");
  EXPECT_EQ(refusal("LayerNorm", {row}, {{"normalized_shape", Attr::List{5, 3}}}).substr(0, 5),
            "E0232");
  EXPECT_EQ(refusal("LayerNorm", {row}, {{"normalized_shape", Attr::List{5, 5, 3}}}).substr(0, 5),
            "E0202");
  EXPECT_EQ(refusal("LayerNorm", {{DType::f32, {N, 7, 1}}}).substr(0, 5), "E0263");
}

TEST(LayerNorm, IsExactWhereTheMeanIsLarge) {
  LayerDef def = *builtin().layer("LayerNorm");
  Experiment e({&builtin(), &def, 0}, Mode::train);
  for (double& v : e.drawn.at(e.g.inputs[0])) v = 10000 + 0.01 * std::round(100 * v);
  const auto judge = e.run({.device = "reference"}), made = e.run({});
  EXPECT_EQ(difference(made.at("output 0"), judge.at("output 0"), 2e-3), "");
}

TEST(Normalize, LeavesZerosAndScalesTheRest) {
  std::vector<float> x{0, 0, 0, 3, 0, -4}, y(6);
  const Operand rows{DType::f32, {2, 3}};
  const Dict attrs{{"p", 2.0}, {"dim", 1}, {"eps", 1e-12}};
  OpCall("p_normalize", {rows}, {rows}, attrs).run({x.data()}, {y.data()});
  EXPECT_EQ(y, (std::vector<float>{0, 0, 0, 0.6f, 0, -0.8f}));
  // The gradient has no part along the row; for zeros it is g / eps, as PyTorch's.
  std::vector<float> g{1, 0, 0, 3, 5, -4}, dx(6);
  OpCall("p_normalize_grad", {rows, rows}, {rows}, attrs).run({g.data(), x.data()}, {dx.data()});
  EXPECT_EQ(dx, (std::vector<float>{1e12f, 0, 0, 0, 1, 0}));
}

TEST(Normalize, IsNotOverTheBatch) {
  EXPECT_EQ(refusal("Normalize", {row}, {{"dim", 0}}).substr(0, 5), "E0232");
}

TEST(PairwiseDistance, AddsEpsToEachDifference) {
  std::vector<float> x1{1, 2, 3}, x2{1, 2, 3};
  float y = 0, g = 1;
  const Operand rows{DType::f32, {1, 3}}, one{DType::f32, {1}};
  const Dict attrs{{"p", 2.0}, {"eps", 0.5}};
  OpCall("pairwise_distance", {rows, rows}, {one}, attrs).run({x1.data(), x2.data()}, {&y});
  EXPECT_FLOAT_EQ(y, float(std::sqrt(0.75)));
  // Rows that are equal and no eps: a slope of 0, no NaN.
  std::vector<float> dx(3, 1);
  const Dict bare{{"p", 2.0}, {"eps", 0.0}};
  y = 0;
  OpCall("pairwise_distance_grad", {one, rows, rows, one}, {rows}, bare)
      .run({&g, x1.data(), x2.data(), &y}, {dx.data()});
  EXPECT_EQ(dx, std::vector<float>(3, 0));
}

TEST(PairwiseDistance, TakesRowsOfOneShape) {
  EXPECT_EQ(refusal("PairwiseDistance", {tokens, row}).substr(0, 5), "E0203");
  EXPECT_EQ(refusal("PairwiseDistance", {{DType::f32, {N}}, {DType::f32, {N}}}).substr(0, 5),
            "E0232");
}

}  // namespace
}  // namespace braid::test
