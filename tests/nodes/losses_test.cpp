// Losses that are taken element by element: numbers that can be worked out by hand, the ends of the
// range, constant targets, and what is refused.
#include <cmath>

#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

/// What a loss and its gradient operations make of one element, in f32 on the CPU.
struct Element {
  double loss, slope, target_slope;

  Element(const std::string& op, float x, float t, Dict attrs = {}) {
    const Operand one{DType::f32, {1}}, total{DType::f64, {1}};
    double sum = 0, count = 1;
    OpCall(op, {one, one}, {total}, attrs).run({&x, &t}, {&sum});
    auto gradient = [&](const char* which) {
      float dx = 0;
      OpCall(op + which, {one, one, total}, {one}, attrs).run({&x, &t, &count}, {&dx});
      return double(dx);
    };
    loss = sum;
    slope = gradient("_grad");
    target_slope = gradient("_target_grad");
  }
};

void expect(const Element& e, double loss, double slope, double target_slope) {
  EXPECT_NEAR(e.loss, loss, 1e-6 * (1 + loss));
  EXPECT_NEAR(e.slope, slope, 1e-6);
  EXPECT_NEAR(e.target_slope, target_slope, 1e-5);
}

const Dict even{{"pos_weight", 1.0}};

TEST(BCEWithLogits, IsTheCrossEntropyOfTheLogisticFunction) {
  const double s = 1 / (1 + std::exp(-2.0));
  expect({"bce_with_logits", 2, 1, even}, -std::log(s), s - 1, -2);
  expect({"bce_with_logits", 2, 0.25f, even}, -0.25 * std::log(s) - 0.75 * std::log(1 - s),
         s - 0.25, -2);
  expect({"bce_with_logits", 2, 1, {{"pos_weight", 3.0}}}, -3 * std::log(s), 3 * (s - 1),
         -3 * std::log(s) + std::log(1 - s));
}

TEST(BCEWithLogits, NeitherOverflowsNorLosesDigits) {
  expect({"bce_with_logits", 200, 1, even}, 0, 0, -200);
  expect({"bce_with_logits", -200, 1, even}, 200, -1, 200);
  // log(1 + e^-20) is 2e-9: nothing that a difference of large numbers could tell.
  EXPECT_NEAR(Element("bce_with_logits", 20, 1, even).loss / std::log1p(std::exp(-20.0)), 1, 1e-5);
  EXPECT_NEAR(Element("bce_with_logits", -20, 0, even).loss / std::log1p(std::exp(-20.0)), 1, 1e-5);
  EXPECT_TRUE(std::isnan(Element("bce_with_logits", NAN, 1, even).loss));
}

TEST(MSE, IsTheSquare) { expect({"mse", 1.5f, 4}, 6.25, -5, 5); }

TEST(L1, HasNoSlopeWhereThereIsNoError) {
  expect({"l1", 1.5f, 4}, 2.5, -1, 1);
  expect({"l1", 4, 1.5f}, 2.5, 1, -1);
  expect({"l1", 4, 4}, 0, 0, 0);
}

TEST(SmoothL1, IsRoundUpToBeta) {
  const Dict attrs{{"beta", 2.0}};
  expect({"smooth_l1", 1, 0, attrs}, 0.25, 0.5, -0.5);
  expect({"smooth_l1", -5, 0, attrs}, 4, -1, 1);
  expect({"smooth_l1", 0, 0, {{"beta", 0.0}}}, 0, 0, 0);
}

TEST(Contrastive, DrawsTogetherOrPushesApart) {
  const Dict attrs{{"margin", 2.0}};
  expect({"contrastive", 1.5f, 1, attrs}, 2.25, 3, 2.25 - 0.25);
  expect({"contrastive", 1.5f, 0, attrs}, 0.25, -1, 2.25 - 0.25);
  expect({"contrastive", 3, 0, attrs}, 0, 0, 9);
}

// ---- the layers around them
// --------------------------------------------------------------------

const Type scores{DType::f32, {N, 6}};

Outcome outcome(const std::string& layer, std::vector<Type> inputs, Dict params,
                const std::vector<double>& target = {}) {
  LayerDef def = *builtin().layer(layer);
  def.samples = {{.inputs = std::move(inputs), .params = std::move(params)}};
  Experiment e({&builtin(), &def, 0}, Mode::train);
  if (!target.empty()) e.drawn.at(e.g.inputs.at(1)).assign(5 * 6, target[0]);
  return e.run({.replicas = 2});
}

TEST(PointwiseLoss, ANumberStandsForATargetThatIsTheSameEverywhere) {
  for (const char* layer : {"BCEWithLogits", "MSE", "L1", "SmoothL1"}) {
    auto number = outcome(layer, {scores}, {{"target", 0.75}});
    auto input = outcome(layer, {scores, scores}, {}, {0.75});
    for (const char* what : {"output 0", "gradient of input0"})
      EXPECT_EQ(number.at(what), input.at(what)) << layer << ", " << what;
  }
}

TEST(PointwiseLoss, CountsFromAnInputOfTheNetworkAndNotFromWhatItMakes) {
  Graph graph;
  Builder b(graph, builtin(), Mode::train);
  graph.inputs.push_back({"x", {DType::f32, {N, 2, 3}}});
  const LayerDef& def = *builtin().layer("MSE");
  graph.calls.push_back({.def = &def, .path = "loss", .params = {{"target", 1.0}}});
  b.enter(0);
  const int x = b.input(0, 0);
  const int rows = b.one("reshape", {b.one("relu", {x})}, {{"shape", Attr::List{"2*N", 3}}});
  Call call{.def = &def, .params = {{"target", 1.0}}, .in = {rows}};
  def.forward(b, call);
  const Node& count = graph.nodes[size_t(graph.values[size_t(call.saved.at("count"))].node)];
  EXPECT_EQ(count.op->name, "count_elements");
  EXPECT_EQ(count.in, std::vector<int>{x});
  OpCall op("count_elements", {{DType::f32, {5, 2, 3}}}, {{DType::f64, {1}}}, count.attrs);
  double counted = 0;
  op.run({nullptr}, {&counted});
  EXPECT_EQ(counted, 30);
}

std::string refusal(const std::string& layer, std::vector<Type> inputs, Dict params = {}) {
  try {
    LayerGraph g(builtin(), *builtin().layer(layer), {.inputs = inputs, .params = params},
                 Mode::train);
  } catch (const Error& e) {
    return e.diagnostics()[0].code + " " + e.diagnostics()[0].message;
  }
  return "accepted";
}

TEST(PointwiseLoss, NeedsOneTargetOfTheInputsShape) {
  EXPECT_EQ(refusal("MSE", {scores}), "E0236 loss 'it': MSE has no target");
  EXPECT_EQ(refusal("MSE", {scores, scores}, {{"target", 1}}),
            "E0236 loss 'it': target is given twice: as an input and as the number 1.0");
  EXPECT_EQ(refusal("BCEWithLogits", {scores, {DType::f32, {N}}}),
            "E0234 loss 'it': target is f32 [N], input is f32 [N, 6]: both must have one shape");
  EXPECT_EQ(refusal("Contrastive", {scores, {DType::i64, {N, 6}}}),
            "E0230 loss 'it': same is i64 [N, 6], Contrastive needs f32");
}

}  // namespace
}  // namespace braid::test
