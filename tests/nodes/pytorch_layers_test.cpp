// Layers by numbers that PyTorch gives for the same inputs, and their gradients at bends and ties,
// where finite differences say nothing.
#include <cmath>
#include <limits>

#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

Numbers counted(int64_t n) {
  Numbers numbers;
  for (int64_t i = 0; i < n; ++i) numbers.push_back(double(i));
  return numbers;
}

Type f32(Shape shape) { return {DType::f32, std::move(shape)}; }

/// A layer on one sample in f64, with gradients of its outputs, or ones.
struct Made {
  std::vector<Numbers> outputs, gradients;

  Made(const std::string& layer, const std::vector<Type>& types, const std::vector<Numbers>& inputs,
       Dict params, const std::vector<Numbers>& upstream = {},
       const std::map<std::string, Numbers>& weights = {}) {
    LayerGraph g(builtin(), *builtin().layer(layer), {.inputs = types, .params = std::move(params)},
                 Mode::train);
    Interpreter run(*g, builtin(), {.device = "reference", .batch = 1});
    run.start();
    for (size_t i = 0; i < inputs.size(); ++i) run.set(g.inputs[i], inputs[i]);
    for (size_t i = 0; i < g.upstream.size(); ++i)
      run.set(g.upstream[i],
              i < upstream.size()
                  ? upstream[i]
                  : Numbers(size_t(g->values[size_t(g.upstream[i])].type.elements(1)), 1));
    for (size_t i = 0; i < g->states.size(); ++i)
      if (auto given = weights.find(g->states[i].key); given != weights.end())
        run.set(g->state_values[i], given->second);
    run.run();
    for (int v : g.outputs) outputs.push_back(run.get(v));
    for (int v : g.inputs)
      gradients.push_back(g.gradient_of.contains(v) ? run.get(g.gradient_of.at(v)) : Numbers{});
  }
};

void expect_near(const Numbers& made, const Numbers& wanted) {
  ASSERT_EQ(made.size(), wanted.size());
  for (size_t i = 0; i < made.size(); ++i) EXPECT_NEAR(made[i], wanted[i], 1e-7) << i;
}

TEST(Permute, MovesDimensions) {
  Made made("Permute", {f32({N, 2, 3})}, {counted(6)}, {{"dims", Attr::List{0, 2, 1}}},
            {counted(6)});
  EXPECT_EQ(made.outputs[0], (Numbers{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(made.gradients[0], (Numbers{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(
      Made("Transpose", {f32({N, 2, 3})}, {counted(6)}, {{"dim0", -1}, {"dim1", 1}}).outputs[0],
      (Numbers{0, 3, 1, 4, 2, 5}));
}

TEST(Split, GivesPartsInOrder) {
  Made made("Split", {f32({N, 5})}, {counted(5)}, {{"split_size_or_sections", Attr::List{1, 3, 1}}},
            {{10}, {20, 30, 40}, {50}});
  EXPECT_EQ(made.outputs, (std::vector<Numbers>{{0}, {1, 2, 3}, {4}}));
  EXPECT_EQ(made.gradients[0], (Numbers{10, 20, 30, 40, 50}));
  EXPECT_EQ(Made("Chunk", {f32({N, 5})}, {counted(5)}, {{"chunks", 4}}).outputs,
            (std::vector<Numbers>{{0, 1}, {2, 3}, {4}}));
}

// A part that nobody uses has no gradient.
TEST(Split, PutsZerosInThePlaceOfGradientsThatAreMissing) {
  const LayerDef& def = *builtin().layer("Split");
  auto gradient = [&](const std::vector<bool>& used) {
    Graph graph;
    Builder b(graph, builtin(), Mode::train);
    graph.inputs = {{"x", f32({N, 6})}, {"g", f32({N, 2})}};
    const int x = b.input(0, 0), g = b.input(1, 0);
    graph.values[size_t(x)].needs_gradient = true;
    Call call{.def = &def, .path = "it", .owner = "it", .in = {x}};
    call.params = {{"split_size_or_sections", 2}, {"dim", 1}};
    graph.calls.push_back(call);
    b.enter(0);
    call.out = def.forward(b, call);
    std::vector<int> arrives;
    for (bool is : used) arrives.push_back(is ? g : -1);
    const int dx = def.gradient(b, call, arrives).at(0);
    if (dx < 0) return Numbers{};
    Interpreter run(graph, builtin(), {.batch = 1});
    run.start();
    run.set(x, Numbers(6));
    run.set(g, {7, 8});
    run.run();
    return run.get(dx);
  };
  EXPECT_EQ(gradient({true, false, true}), (Numbers{7, 8, 0, 0, 7, 8}));
  EXPECT_EQ(gradient({false, true, true}), (Numbers{0, 0, 7, 8, 7, 8}));
  EXPECT_EQ(gradient({false, true, false}), (Numbers{0, 0, 7, 8, 0, 0}));
  EXPECT_EQ(gradient({true, false, false}), (Numbers{7, 8, 0, 0, 0, 0}));
  EXPECT_EQ(gradient({false, false, false}), Numbers{});
}

TEST(Pow, HasTheGradientsOfPyTorchAtZero) {
  Made made("Pow", {f32({N, 3}), f32({N, 3})}, {{0, 2, 3}, {0, 3, -1}}, {});
  expect_near(made.outputs[0], {1, 8, 1. / 3});
  expect_near(made.gradients[0], {0, 12, -1. / 9});
  expect_near(made.gradients[1], {0, 5.54517744, 0.366204096});
  // Whole exponents take negative numbers.
  Made square("Pow", {f32({N, 2})}, {{-3, 0}}, {{"exponent", 2}});
  EXPECT_EQ(square.outputs[0], (Numbers{9, 0}));
  EXPECT_EQ(square.gradients[0], (Numbers{-6, 0}));
  Made one("Pow", {f32({N, 2})}, {{-3, 0}}, {{"exponent", 0}});
  EXPECT_EQ(one.outputs[0], (Numbers{1, 1}));
  EXPECT_EQ(one.gradients[0], (Numbers{0, 0}));
}

TEST(Sub, AndDivTakeTheSecondFromTheFirst) {
  Made difference("Sub", {f32({N, 2}), f32({2})}, {{5, 6}, {1, 2}}, {});
  EXPECT_EQ(difference.outputs[0], (Numbers{4, 4}));
  EXPECT_EQ(difference.gradients, (std::vector<Numbers>{{1, 1}, {-1, -1}}));
  Made quotient("Div", {f32({N, 2}), f32({N, 2})}, {{6, 8}, {2, 4}}, {});
  EXPECT_EQ(quotient.outputs[0], (Numbers{3, 2}));
  EXPECT_EQ(quotient.gradients, (std::vector<Numbers>{{0.5, 0.25}, {-1.5, -0.5}}));
}

TEST(Bends, HaveTheGradientsOfPyTorch) {
  const auto row = [](size_t n) { return std::vector<Type>{f32({N, int64_t(n)})}; };
  Made sigmoid("Hardsigmoid", row(6), {{-4, -3, -1, 0, 3, 5}}, {});
  expect_near(sigmoid.outputs[0], {0, 0, 1. / 3, 0.5, 1, 1});
  expect_near(sigmoid.gradients[0], {0, 0, 1. / 6, 1. / 6, 0, 0});
  const Numbers at = {-4, -1, 0, 1, 5};
  EXPECT_EQ(Made("Hardtanh", row(5), {at}, {}).gradients[0], (Numbers{0, 0, 1, 0, 0}));
  Made clamp("Clamp", row(5), {at}, {{"min", -1}, {"max", 1}});
  EXPECT_EQ(clamp.outputs[0], (Numbers{-1, -1, 0, 1, 1}));
  EXPECT_EQ(clamp.gradients[0], (Numbers{0, 1, 1, 1, 0}));
  EXPECT_EQ(Made("Clamp", row(5), {at}, {{"max", 0}}).outputs[0], (Numbers{-4, -1, 0, 0, 0}));
  EXPECT_EQ(Made("Abs", row(3), {{-2, 0, 2}}, {}).gradients[0], (Numbers{-1, 0, 1}));
}

TEST(Max, IsSharedByEquals) {
  Made made("Max", {f32({N, 2, 3})}, {{1, 3, 3, 2, 2, 2}}, {{"dim", -1}}, {{6, 9}});
  EXPECT_EQ(made.outputs[0], (Numbers{3, 2}));
  EXPECT_EQ(made.gradients[0], (Numbers{0, 3, 3, 3, 3, 3}));
  Made least("Min", {f32({N, 2, 3})}, {{1, 3, 3, 2, 2, 2}}, {{"dim", Attr::List{1, 2}}}, {{6}});
  EXPECT_EQ(least.outputs[0], (Numbers{1}));
  EXPECT_EQ(least.gradients[0], (Numbers{6, 0, 0, 0, 0, 0}));
}

TEST(Max, KnowsInfinityAndNaN) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  for (const char* device : {"cpu", "reference"}) {
    LayerGraph g(builtin(), *builtin().layer("Max"),
                 {.inputs = {f32({N, 3, 2})}, .params = {{"dim", 2}}}, Mode::eval);
    Interpreter run(*g, builtin(), {.device = device, .batch = 1});
    run.start();
    run.set(g.inputs[0], {-inf, -inf, nan, 1, 1, nan});
    run.run();
    const Numbers y = run.get(g.outputs[0]);
    EXPECT_EQ(y[0], -inf) << device;
    EXPECT_TRUE(std::isnan(y[1]) && std::isnan(y[2])) << device;
  }
}

TEST(LogSoftmax, NeitherOverflowsNorLosesWhatIsSmall) {
  Made made("LogSoftmax", {f32({N, 2, 3})}, {{1, 2, 3, 1000, 0, -1000}}, {{"dim", -1}},
            {{1, 0, 0, 0, 0, 1}});
  expect_near(made.outputs[0], {-2.40760596, -1.40760596, -0.407605964, 0, -1000, -2000});
  expect_near(made.gradients[0], {0.909969427, -0.244728471, -0.665240956, -1, 0, 1});
}

TEST(Var, IsThatOfPyTorch) {
  Made variance("Var", {f32({N, 4})}, {{1, 2, 4, 9}}, {{"dim", 1}});
  expect_near(variance.outputs[0], {12.66666667});
  expect_near(variance.gradients[0], {-2, -4. / 3, 0, 10. / 3});
  Made deviation("Std", {f32({N, 4})}, {{1, 2, 4, 9}}, {{"dim", 1}, {"correction", 0}});
  expect_near(deviation.outputs[0], {3.082207001});
  expect_near(deviation.gradients[0], {-0.243332132, -0.162221421, 0, 0.405553553});
  EXPECT_EQ(Made("Std", {f32({N, 2})}, {{3, 3}}, {{"dim", 1}}).gradients[0], (Numbers{0, 0}));
}

TEST(MatMul, MultipliesRowsByColumns) {
  EXPECT_EQ(Made("MatMul", {f32({N, 2, 3}), f32({3, 2})}, {counted(6), counted(6)}, {}).outputs[0],
            (Numbers{10, 13, 28, 40}));
}

TEST(Conv1d, IsThatOfPyTorch) {
  const std::map<std::string, Numbers> weights = {{"it.weight", {1, 0, -1, 2, 1, 0}},
                                                  {"it.bias", {0.5}}};
  EXPECT_EQ(
      Made("Conv1d", {f32({N, 2, 4})}, {counted(8)},
           {{"out_channels", 1}, {"kernel_size", 3}, {"stride", 2}, {"padding", 1}}, {}, weights)
          .outputs[0],
      (Numbers{3.5, 14.5}));
  EXPECT_EQ(Made("Conv1d", {f32({N, 2, 4})}, {counted(8)},
                 {{"out_channels", 1}, {"kernel_size", 2}, {"padding", "same"}, {"bias", false}},
                 {}, {{"it.weight", {1, 2, 3, 4}}})
                .outputs[0],
            (Numbers{34, 44, 54, 24}));
}

TEST(ConvTranspose1d, IsThatOfPyTorch) {
  EXPECT_EQ(Made("ConvTranspose1d", {f32({N, 2, 4})}, {counted(8)},
                 {{"out_channels", 1},
                  {"kernel_size", 3},
                  {"stride", 2},
                  {"padding", 1},
                  {"output_padding", 1},
                  {"bias", false}},
                 {}, {{"it.weight", {1, 2, 3, 0, -1, 1}}})
                .outputs[0],
            (Numbers{-4, 5, -3, 10, -2, 15, -1, 16}));
}

TEST(Pooling, OfSignalsAndVolumesIsThatOfPyTorch) {
  const std::vector<Type> signal = {f32({N, 2, 4})};
  const Dict window = {{"kernel_size", 3}, {"stride", 2}, {"padding", 1}};
  expect_near(Made("AvgPool1d", signal, {counted(8)}, window).outputs[0], {1. / 3, 2, 3, 6});
  Dict inside = window;
  set(inside, "count_include_pad", false);
  expect_near(Made("AvgPool1d", signal, {counted(8)}, inside).outputs[0], {0.5, 2, 4.5, 6});
  expect_near(Made("AvgPool1d", signal, {counted(8)},
                   {{"kernel_size", 3}, {"stride", 2}, {"ceil_mode", true}})
                  .outputs[0],
              {1, 2.5, 5, 6.5});
  EXPECT_EQ(Made("MaxPool1d", signal, {counted(8)}, window).outputs[0], (Numbers{1, 3, 5, 7}));
  expect_near(Made("AdaptiveAvgPool1d", signal, {counted(8)}, {{"output_size", 3}}).outputs[0],
              {0.5, 1.5, 2.5, 4.5, 5.5, 6.5});
  Numbers volume;
  for (int i = 0; i < 27; ++i) volume.push_back(i * 7 % 11);
  Made boxes("MaxPool3d", {f32({N, 1, 3, 3, 3})}, {volume}, {{"kernel_size", 2}, {"stride", 1}});
  EXPECT_EQ(boxes.outputs[0], (Numbers{10, 10, 10, 10, 8, 10, 10, 10}));
}

// ---- RMSprop

struct Rmsprop {
  double w = 1, v = 0, mean = 0, buffer = 0;

  Rmsprop(const std::string& op, Dict attrs) {
    std::vector<void*> arrays = {&w, &v};
    if (op.find("centered") != op.npos) arrays.push_back(&mean);
    if (op.find("momentum") != op.npos) arrays.push_back(&buffer);
    OpCall call(op, std::vector<Operand>(arrays.size() + 1, {DType::f64, {1}}), {},
                std::move(attrs));
    call.device = "reference";
    call.scalars.lr = 0.1;
    for (double g : {2.0, -4.0, 1.0}) {
      auto with = arrays;
      with.push_back(&g);
      call.run(with, {});
      ++call.scalars.step;
    }
  }
};

TEST(RMSprop, IsThatOfPyTorchOverThreeSteps) {
  Rmsprop plain("rmsprop", {{"alpha", 0.5}, {"eps", 1e-8}, {"weight_decay", 0.1}});
  EXPECT_NEAR(plain.w, 0.941580007, 1e-8);
  EXPECT_NEAR(plain.v, 4.985366078315632, 1e-12);
  Rmsprop momentum("rmsprop_momentum", {{"alpha", 0.5}, {"eps", 1e-8}, {"momentum", 0.9}});
  EXPECT_NEAR(momentum.w, 0.8253601, 1e-7);
  EXPECT_NEAR(momentum.buffer, 0.392726574922165, 1e-12);
  Rmsprop centered("rmsprop_centered", {{"alpha", 0.5}, {"eps", 0.01}});
  EXPECT_NEAR(centered.w, 0.910548058, 1e-8);
  EXPECT_NEAR(centered.mean, -0.25, 1e-15);
  Rmsprop both("rmsprop_centered_momentum", {{"alpha", 0.5}, {"eps", 0.1}, {"momentum", 0.5}});
  EXPECT_NEAR(both.w, 0.861133433, 1e-8);
  EXPECT_NEAR(both.buffer, 0.1439307559646934, 1e-12);
}

}  // namespace
}  // namespace braid::test
