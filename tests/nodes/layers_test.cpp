// What the simple layers promise beyond conformance: Dropout's randomness, accuracy of the
// functions, and the messages for what cannot be.
#include <cmath>
#include <cstdlib>

#include <braid/nodes/isa.h>

#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

/// The error's code and message when a layer is given these inputs and parameters.
std::string refusal(const std::string& layer, std::vector<Type> inputs, Dict params = {}) {
  try {
    LayerGraph g(builtin(), *builtin().layer(layer), {.inputs = inputs, .params = params},
                 Mode::train);
    return "accepted: " + to_string(g->values[size_t(g.outputs[0])].type);
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::model);
    return e.diagnostics()[0].code + " " + e.diagnostics()[0].message;
  }
}

const Type image{DType::f32, {N, 3, 7, 5}}, row{DType::f32, {N, 6}}, label{DType::i64, {N}};

TEST(Batch, NoLayerMixesSamplesOfDifferentReplicas) {
  EXPECT_EQ(refusal("Softmax", {row}, {{"dim", 0}}),
            "E0232 layer 'it': dim 0 of [N, 6] is the batch, and replicas hold slices of it: their "
            "samples cannot be mixed");
  EXPECT_EQ(refusal("Softmax", {row}, {{"dim", -2}}).substr(0, 5), "E0232");
  EXPECT_EQ(refusal("Mean", {image}, {{"dim", Attr::List{0, 1}}}).substr(0, 5), "E0232");
  EXPECT_EQ(refusal("Reshape", {row}, {{"shape", Attr::List{6, "N"}}}),
            "E0232 layer 'it': reshape of [N, 6] into [6, N] mixes samples, of which replicas hold "
            "slices");
  EXPECT_EQ(refusal("Reshape", {row}, {{"shape", Attr::List{32, 6}}}).substr(0, 5), "E0232");
}

TEST(Shapes, ADimThatDoesNotExistIsNamed) {
  EXPECT_EQ(refusal("Softmax", {row}, {{"dim", 2}}),
            "E0231 layer 'it': dim 2 does not exist in [N, 6]");
  EXPECT_EQ(refusal("Mean", {image}, {{"dim", Attr::List{1, -3}}}),
            "E0231 layer 'it': dim -3 appears twice");
}

TEST(Shapes, ReshapeKeepsTheNumberOfElements) {
  EXPECT_EQ(refusal("Reshape", {row}, {{"shape", Attr::List{"N", 5}}}),
            "E0233 layer 'it': cannot reshape [N, 6] into [N, 5]");
  EXPECT_EQ(refusal("Reshape", {row}, {{"shape", Attr::List{"N", 4, -1}}}).substr(0, 5), "E0233");
  EXPECT_EQ(refusal("Reshape", {row}, {{"shape", Attr::List{"N", -1, -1}}}).substr(0, 5), "E0233");
  EXPECT_EQ(refusal("Reshape", {row}, {{"shape", Attr::List{"N", 0}}}).substr(0, 5), "E0233");
  EXPECT_EQ(refusal("Reshape", {row}, {{"shape", Attr::List{"3*N", -1}}}),
            "accepted: f32 [3*N, 2]");
  EXPECT_EQ(refusal("Reshape", {row}, {{"shape", Attr::List{-1, 2}}}), "accepted: f32 [3*N, 2]");
}

TEST(Shapes, AddNamesBothShapes) {
  EXPECT_EQ(refusal("Add", {image, row}),
            "E0203 layer 'it': Add's inputs disagree: input 0 is [N, 3, 7, 5], input 1 is [N, 6]");
  EXPECT_EQ(refusal("Add", {row}).substr(0, 5), "E0203");
}

TEST(Shapes, TargetsMustFitTheirInput) {
  EXPECT_EQ(refusal("CrossEntropy", {image, label}),
            "E0234 loss 'it': target is i64 [N], input is f32 [N, 3, 7, 5]: expected a target of "
            "i64 [N, 7, 5]");
  EXPECT_EQ(refusal("Accuracy", {{DType::f32, {N}}, label}).substr(0, 5), "E0234");
}

TEST(Shapes, ClassWeightsFitTheClasses) {
  EXPECT_EQ(refusal("CrossEntropy", {row, label}, {{"weight", Attr::List{1, 2.5}}}),
            "E0260 loss 'it': weight has 2 numbers, the input has 6 classes: f32 [N, 6]");
}

TEST(Types, ThereIsNoSilentConversion) {
  EXPECT_EQ(refusal("ReLU", {label}), "E0230 layer 'it': input is i64 [N], ReLU needs f32");
  EXPECT_EQ(refusal("CrossEntropy", {row, {DType::f32, {N}}}),
            "E0230 loss 'it': target is f32 [N], CrossEntropy needs i64");
}

TEST(Sgd, RefusesWhatPyTorchRefuses) {
  auto refused = [](Dict params) -> std::string {
    set(params, "lr", 0.1);
    LayerDef def = *builtin().layer("SGD");
    def.samples = {{.inputs = {{DType::f32, {3}}}, .params = params}};
    try {
      UpdateGraph u({&builtin(), &def, 0});
    } catch (const Error& e) {
      return e.diagnostics()[0].code;
    }
    return "accepted";
  };
  EXPECT_EQ(refused({{"nesterov", true}}), "E0235");
  EXPECT_EQ(refused({{"nesterov", true}, {"momentum", 0.9}, {"dampening", 0.1}}), "E0235");
  EXPECT_EQ(refused({{"momentum", -0.1}}), "E0107");
  EXPECT_EQ(refused({{"nesterov", true}, {"momentum", 0.9}}), "accepted");
}

// ---- Dropout
// -------------------------------------------------------------------------------------

Numbers dropout(double p, InterpreterOptions options, Mode mode = Mode::train) {
  LayerDef def = *builtin().layer("Dropout");
  def.samples = {{.inputs = {{DType::f32, {N, 3, 40, 25}}}, .params = {{"p", p}}}};
  Experiment e({&builtin(), &def, 0}, mode, options.batch);
  for (auto& [v, numbers] : e.drawn) numbers.assign(numbers.size(), 1);
  return e.run(options).at("output 0");
}

TEST(Dropout, DropsAShareOfPAndKeepsTheMean) {
  auto y = dropout(0.3, {.batch = 7});
  double fallen = 0, sum = 0;
  for (double v : y) {
    EXPECT_TRUE(v == 0 || v == double(float(1 / 0.7)));
    fallen += v == 0;
    sum += v;
  }
  EXPECT_NEAR(fallen / double(y.size()), 0.3, 0.01);
  EXPECT_NEAR(sum / double(y.size()), 1, 0.02);
}

TEST(Dropout, IsTheSameForAnyReplicasAndFormats) {
  auto whole = dropout(0.5, {.batch = 7});
  EXPECT_EQ(dropout(0.5, {.batch = 7, .replicas = 3}), whole);
  EXPECT_EQ(dropout(0.5, {.batch = 7, .replicas = 2, .channels = "aBcd16b"}), whole);
}

TEST(Dropout, ChangesWithStepAndSeedOnly) {
  auto first = dropout(0.5, {.batch = 2});
  EXPECT_EQ(dropout(0.5, {.batch = 2}), first);
  EXPECT_NE(dropout(0.5, {.batch = 2, .scalars = {.step = 4, .seed = 11}}), first);
  EXPECT_NE(dropout(0.5, {.batch = 2, .scalars = {.step = 3, .seed = 12}}), first);
}

TEST(Dropout, NeighboursAreIndependent) {
  auto y = dropout(0.5, {.batch = 7});
  double both = 0;
  for (size_t i = 1; i < y.size(); ++i) both += y[i] == 0 && y[i - 1] == 0;
  EXPECT_NEAR(both / double(y.size()), 0.25, 0.015);
}

TEST(Dropout, PassesItsInputOnInEvaluation) {
  for (double v : dropout(0.5, {.batch = 2}, Mode::eval)) ASSERT_EQ(v, 1);
}

// ---- functions
// -----------------------------------------------------------------------------------

/// The largest error of an operation over a range, in units of the last place of the true value.
double worst_ulp(const std::string& op, double (*truth)(double), double from, double to,
                 const Dict& attrs = {}) {
  constexpr int64_t n = 200003;
  std::vector<float> x(n), y(n);
  for (int64_t i = 0; i < n; ++i) x[i] = float(from + (to - from) * double(i) / double(n - 1));
  OpCall call(op, {{DType::f32, {n}}}, {{DType::f32, {n}}}, attrs);
  call.run({x.data()}, {y.data()});
  double worst = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double want = truth(double(x[i]));
    const float near = float(want);
    const double ulp = double(std::nextafter(std::abs(near), INFINITY)) - double(std::abs(near));
    worst = std::max(worst, std::abs(double(y[i]) - want) / ulp);
  }
  return worst;
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

TEST(Functions, AreRightToAFewUnitsOfTheLastPlace) {
  auto tanh64 = [](double x) { return std::tanh(x); };
  EXPECT_LE(worst_ulp("tanh", tanh64, -12, 12), 3);
  EXPECT_LE(worst_ulp("tanh", tanh64, -0.7, 0.7), 3);
  EXPECT_LE(worst_ulp("sigmoid", logistic, -80, 80), 4);
  auto elu64 = [](double x) { return x > 0 ? x : std::expm1(x); };
  auto softplus64 = [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); };
  auto gelu64 = [](double x) { return x * std::erfc(-x / std::sqrt(2.0)) / 2; };
  const Dict alpha{{"alpha", 1.0}}, beta{{"beta", 1.0}, {"threshold", 20.0}};
  const Dict exact{{"approximate", "none"}};
  EXPECT_LE(worst_ulp("elu", elu64, -30, 1, alpha), 5);
  EXPECT_LE(worst_ulp("elu", elu64, -0.1, 0.1, alpha), 5);
  EXPECT_LE(worst_ulp("softplus", softplus64, -80, 19, beta), 5);
  EXPECT_LE(worst_ulp("gelu", gelu64, -1, 8, exact), 6);
  EXPECT_LE(worst_ulp("gelu", gelu64, -4, -1, exact), 30);  // e^-z has the error of z, times z
}

TEST(Functions, HandleTheEndsOfTheRange) {
  const float inf = INFINITY;
  std::vector<float> x{inf, -inf, std::nanf(""), 1e30f, -1e30f, 0.0f, -0.0f, 1e-30f}, y(8);
  OpCall("tanh", {{DType::f32, {8}}}, {{DType::f32, {8}}}).run({x.data()}, {y.data()});
  EXPECT_EQ(y[0], 1);
  EXPECT_EQ(y[1], -1);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[3], 1);
  EXPECT_EQ(y[4], -1);
  EXPECT_TRUE(y[6] == 0 && std::signbit(y[6]));
  EXPECT_EQ(y[7], 1e-30f);
  OpCall("sigmoid", {{DType::f32, {8}}}, {{DType::f32, {8}}}).run({x.data()}, {y.data()});
  EXPECT_EQ(y[0], 1);
  EXPECT_EQ(y[1], 0);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[5], 0.5f);
}

// The same number must come out whether an element stands in a vector or in the rest of an array.
TEST(Functions, DoNotDependOnWhereAnElementStands) {
  for (const char* op : {"tanh", "sigmoid", "relu", "silu", "hardswish"}) {
    std::vector<float> x(67), y(67), one(1);
    for (size_t i = 0; i < x.size(); ++i) x[i] = float(normal(5, i));
    OpCall(op, {{DType::f32, {67}}}, {{DType::f32, {67}}}).run({x.data()}, {y.data()});
    for (size_t i = 0; i < x.size(); ++i) {
      OpCall(op, {{DType::f32, {1}}}, {{DType::f32, {1}}}).run({&x[i]}, {one.data()});
      ASSERT_EQ(one[0], y[i]) << op << " at " << i;
    }
  }
}

// ---- instruction sets
// ----------------------------------------------------------------------------

/// Every bit that the simple layers and the optimizer make of their samples.
uint64_t bits_of_simple_layers() {
  uint64_t hash = hash_text("");
  auto take = [&](const Outcome& made) {
    for (auto& [what, numbers] : made)
      hash = hash_text({reinterpret_cast<const char*>(numbers.data()), numbers.size() * 8}, hash);
  };
  for (const char* name : {"ReLU",      "ReLU6",     "LeakyReLU",       "SiLU",
                           "Hardswish", "ELU",       "Softplus",        "GELU",
                           "Tanh",      "Sigmoid",   "Softmax",         "Mean",
                           "Add",       "Dropout",   "CrossEntropy",    "BCEWithLogits",
                           "MSE",       "L1",        "SmoothL1",        "Contrastive",
                           "LayerNorm", "Normalize", "PairwiseDistance"})
    take(Experiment({&builtin(), builtin().layer(name), 0}, Mode::train, 13).run({}));
  for (size_t i = 0; i < builtin().layer("SGD")->samples.size(); ++i)
    take(updated({&builtin(), builtin().layer("SGD"), i}, {}));
  return hash;
}

class SimpleLayers : public ::testing::TestWithParam<const char*> {};

// In a process of its own: an instruction set is pinned once and for all.
TEST_P(SimpleLayers, GiveTheSameBitsOnEveryInstructionSet) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const std::string isa = GetParam(), host = host_isa();
  if (isa == "avx512" && host != isa) GTEST_SKIP() << "this machine has no " << isa;
  if (isa == "avx2" && host == "sse4") GTEST_SKIP() << "this machine has no " << isa;
  auto compare = [&] {
    const uint64_t before = bits_of_simple_layers();
    if (!pin_isa(isa)) std::exit(2);
    std::exit(bits_of_simple_layers() == before ? 0 : 1);
  };
  EXPECT_EXIT(compare(), ::testing::ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(Isa, SimpleLayers, ::testing::Values("sse4", "avx2", "avx512"));

}  // namespace
}  // namespace braid::test
