// Every layer of the registry, by its own samples: shapes, the CPU's kernels against the f64
// reference, the reference's gradients against finite differences, replicas, memory formats, and
// bits that must not depend on the batch. A new layer is tested by being registered.
#include "conformance/conformance.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

const std::set<Role> every_role{Role::layer, Role::loss, Role::metric, Role::optimizer};

// ---- what every layer must have
// ------------------------------------------------------------------

TEST(Registry, EveryLayerIsDescribedAndHasSamples) {
  for (Role role : every_role)
    for (auto& name : builtin().layers(role)) {
      const LayerDef& def = *builtin().layer(name);
      EXPECT_FALSE(def.doc.empty()) << name << " has no doc";
      EXPECT_FALSE(def.samples.empty()) << name << " has no samples: nothing would test it";
      for (auto& param : def.params) EXPECT_FALSE(param.doc.empty()) << name << "." << param.name;
    }
}

TEST(Registry, EveryLayerHasTheFunctionsOfItsRole) {
  for (Role role : every_role)
    for (auto& name : builtin().layers(role)) {
      const LayerDef& def = *builtin().layer(name);
      const bool trains = role == Role::layer || role == Role::loss;
      EXPECT_EQ(bool(def.forward), role != Role::optimizer) << name;
      EXPECT_EQ(bool(def.gradient), trains) << name << " needs a gradient";
      EXPECT_EQ(bool(def.update), role == Role::optimizer) << name;
      EXPECT_TRUE(!def.finish || role == Role::metric) << name << ": only metrics are finished";
    }
}

TEST(Registry, EveryOperationHasAKernelAndAJudge) {
  for (auto& op : builtin().ops()) {
    EXPECT_TRUE(builtin().has_kernel(op, "cpu")) << op;
    // The reference knows no other format than plain.
    EXPECT_TRUE(op == "reorder" || builtin().has_kernel(op, "reference")) << op;
  }
}

TEST(Registry, EveryMergeThatIsNamedExists) {
  for (auto& op : builtin().ops()) {
    auto& merge = builtin().op(op)->merge;
    EXPECT_TRUE(merge.empty() || builtin().op("merge_" + merge)) << op << " merges by " << merge;
  }
}

TEST(Registry, EveryOperationIsReachedByTheSamplesOfSomeLayer) {
  // The compiler's own: batch_norm_test.cpp has those that it makes of a batch norm and a sum,
  // clip_test.cpp those of an optimizer.
  std::set<std::string> reached{"reorder",
                                "full",
                                "normalize_add",
                                "normalize_eval_add",
                                "bn_relu_reduce",
                                "bn_eval_relu_reduce",
                                "square_sum",
                                "clip",
                                "ema"};
  auto reach = [&](const Graph& graph) {
    for (auto& node : graph.nodes) {
      reached.insert(node.op->name);
      if (!node.op->merge.empty()) reached.insert("merge_" + node.op->merge);
    }
  };
  for (auto& c : cases(builtin(), {Role::layer, Role::loss, Role::metric})) {
    reach(*c.graph(Mode::train));
    reach(*c.graph(Mode::eval));
  }
  for (auto& c : cases(builtin(), {Role::optimizer})) reach(UpdateGraph(c).graph);
  for (auto& op : builtin().ops())
    EXPECT_TRUE(reached.contains(op)) << op << " is tested by no sample";
}

// ---- what every sample must satisfy
// --------------------------------------------------------------

std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.name(); }

class Conformance : public ::testing::TestWithParam<Case> {};

TEST_P(Conformance, AgreesWithTheReferenceInTraining) {
  EXPECT_EQ(check_kernels(GetParam(), Mode::train, 5), "");
}
TEST_P(Conformance, AgreesWithTheReferenceInEvaluation) {
  EXPECT_EQ(check_kernels(GetParam(), Mode::eval, 5), "");
  EXPECT_EQ(check_kernels(GetParam(), Mode::eval, 1), "") << "for a single sample";
}
TEST_P(Conformance, DoesNotDependOnReplicas) { EXPECT_EQ(check_replicas(GetParam()), ""); }
TEST_P(Conformance, GivesEqualBitsEveryTimeAndInPlace) {
  EXPECT_EQ(check_repeatable(GetParam()), "");
}
TEST_P(Conformance, WorksInBlockedFormats) { EXPECT_EQ(check_formats(GetParam()), ""); }
TEST_P(Conformance, GivesASampleTheSameBitsInAnyCompany) {
  EXPECT_EQ(check_company(GetParam()), "");
}

INSTANTIATE_TEST_SUITE_P(Layers, Conformance,
                         ::testing::ValuesIn(cases(builtin(),
                                                   {Role::layer, Role::loss, Role::metric})),
                         name_of);

class Measured : public ::testing::TestWithParam<Case> {};

TEST_P(Measured, AddsUpOverBatches) { EXPECT_EQ(check_totals(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(Layers, Measured,
                         ::testing::ValuesIn(cases(builtin(), {Role::loss, Role::metric})),
                         name_of);

class Gradient : public ::testing::TestWithParam<Case> {};

TEST_P(Gradient, AgreesWithFiniteDifferences) { EXPECT_EQ(check_gradient(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(Layers, Gradient,
                         ::testing::ValuesIn(cases(builtin(), {Role::layer, Role::loss})), name_of);

class Optimizer : public ::testing::TestWithParam<Case> {};

TEST_P(Optimizer, AgreesWithTheReferenceOverThreeSteps) { EXPECT_EQ(check_update(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(Layers, Optimizer,
                         ::testing::ValuesIn(cases(builtin(), {Role::optimizer})), name_of);

}  // namespace
}  // namespace braid::test
