// Adam by numbers that can be worked out by hand, and what it refuses.
#include <cmath>

#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

const Dict defaults{{"betas", Attr::List{0.9, 0.999}}, {"eps", 1e-8}, {"weight_decay", 0.0}};

/// A weight of 1 and its averages after gradients that come one a step.
struct Adam {
  double w = 1, m = 0, v = 0, most = 0;

  Adam(const std::vector<double>& gradients, Dict attrs, bool amsgrad = false, double lr = 0.1) {
    const Operand one{DType::f64, {1}};
    std::vector<Operand> in(amsgrad ? 5 : 4, one);
    OpCall op(amsgrad ? "adam_amsgrad" : "adam", in, {}, std::move(attrs));
    op.device = "reference";
    op.scalars.lr = lr;
    for (double g : gradients) {
      op.run(
          amsgrad ? std::vector<void*>{&w, &m, &v, &most, &g} : std::vector<void*>{&w, &m, &v, &g},
          {});
      ++op.scalars.step;
    }
  }
};

TEST(Adam, TheFirstStepIsTheRateWhateverTheGradient) {
  EXPECT_NEAR(Adam({5}, defaults).w, 0.9, 1e-8);
  EXPECT_NEAR(Adam({-0.001}, defaults).w, 1.1, 1e-5);
}

TEST(Adam, AveragesAreThoseOfTheFormula) {
  // m = 0.1·2 = 0.2, then 0.9·0.2 - 0.1·4 = -0.22; v = 0.004, then 0.999·0.004 + 0.016 = 0.019996.
  Adam adam({2, -4}, defaults);
  EXPECT_NEAR(adam.m, -0.22, 1e-15);
  EXPECT_NEAR(adam.v, 0.019996, 1e-15);
  // w = 1 - 0.1 + 0.1 · (0.22 / 0.19) / sqrt(0.019996 / 0.001999)
  EXPECT_NEAR(adam.w, 0.9 + 0.1 * (0.22 / 0.19) / std::sqrt(0.019996 / 0.001999), 1e-8);
}

TEST(Adam, WeightDecayGoesThroughTheAverages) {
  Dict attrs = defaults;
  set(attrs, "weight_decay", 0.5);
  EXPECT_NEAR(Adam({2}, attrs).m, 0.25, 1e-15);  // 0.1 · (2 + 0.5·1)
}

TEST(AdamW, WeightDecayShrinksTheWeightAndLeavesTheAveragesAlone) {
  Dict attrs = defaults;
  set(attrs, "weight_decay", 0.5);
  set(attrs, "decoupled", true);
  Adam adam({2}, attrs);
  EXPECT_NEAR(adam.m, 0.2, 1e-15);
  EXPECT_NEAR(adam.w, 1 - 0.1 * 0.5 - 0.1, 1e-8);  // 1 - lr·decay - lr
  set(attrs, "lr_scale", 0.5);                     // of a parameter group: scales both
  EXPECT_NEAR(Adam({2}, attrs).w, 1 - 0.05 * 0.5 - 0.05, 1e-8);
}

TEST(AdamW, DecaysByDefault) {
  Diagnostics found;
  const LayerDef& def = *builtin().layer("AdamW");
  EXPECT_EQ(get_double(check_params(def.params, {{"lr", 0.1}}, "", {}, found), "weight_decay"),
            0.01);
  EXPECT_EQ(found.errors(), 0u);
}

TEST(Adam, AmsgradRemembersTheLargestAverage) {
  Dict attrs = defaults;
  set(attrs, "betas", Attr::List{0.0, 0.0});  // v is the last gradient squared
  Adam plain({4, 1}, attrs), amsgrad({4, 1}, attrs, true);
  EXPECT_EQ(plain.v, 1);
  EXPECT_EQ(amsgrad.most, 16);
  EXPECT_NEAR(plain.w, 0.8, 1e-8);
  EXPECT_NEAR(amsgrad.w, 0.9 - 0.1 * 1 / 4, 1e-8);
}

TEST(Adam, AGroupScalesTheRate) {
  Dict attrs = defaults;
  set(attrs, "lr_scale", 0.25);
  EXPECT_NEAR(Adam({5}, attrs).w, 0.975, 1e-8);
}

std::string refused(Dict params) {
  set(params, "lr", 0.1);
  LayerDef def = *builtin().layer("Adam");
  def.samples = {{.inputs = {{DType::f32, {3}}}, .params = params}};
  try {
    UpdateGraph u({&builtin(), &def, 0});
  } catch (const Error& e) {
    return e.diagnostics()[0].code + " " + e.diagnostics()[0].message;
  }
  return "accepted";
}

TEST(Adam, RefusesWhatPyTorchRefuses) {
  EXPECT_EQ(refused({{"betas", Attr::List{0.9, 1.0}}}),
            "E0107 Adam: 'betas' is [0.9, 1.0], must be at least 0 and less than 1");
  EXPECT_EQ(refused({{"betas", 0.9}}),
            "E0105 Adam: 'betas' is a number (0.9), expected a list of 2 numbers");
  EXPECT_EQ(refused({{"betas", Attr::List{0.9}}}).substr(0, 5), "E0105");
  EXPECT_EQ(refused({{"betas", Attr::List{0.9, "high"}}}).substr(0, 5), "E0105");
  EXPECT_EQ(refused({{"eps", -1e-8}}).substr(0, 5), "E0107");
  EXPECT_EQ(refused({{"betas", Attr::List{0, 0}}}), "accepted");
}

}  // namespace
}  // namespace braid::test
