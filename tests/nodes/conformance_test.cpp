// Every layer of the registry, by its own samples: shapes, the CPU's kernels against the f64
// reference, the reference's gradients against finite differences, replicas, memory formats, and
// bits that must not depend on the batch. A new layer is tested by being registered.
#include <cmath>
#include <set>

#include "support/kernels.h"
#include "support/layer_graph.h"

namespace braid::testing {
namespace {

struct Case {
  const LayerDef* def;
  size_t index;
  const Sample& sample() const { return def->samples[index]; }
};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  return info.param.def->name + "_" + std::to_string(info.param.index);
}
void PrintTo(const Case& c, std::ostream* out) { *out << c.def->name << ' ' << c.sample().note; }

std::vector<Case> cases(std::set<Role> roles) {
  std::vector<Case> found;
  for (Role role : roles)
    for (auto& name : builtin().layers(role)) {
      const LayerDef* def = builtin().layer(name);
      for (size_t i = 0; i < def->samples.size(); ++i) found.push_back({def, i});
    }
  return found;
}

const std::set<Role> every_role{Role::layer, Role::loss, Role::metric, Role::optimizer};

double largest(const Numbers& numbers) {
  double most = 0;
  for (double v : numbers) most = std::max(most, std::abs(v));
  return most;
}

/// max|a - b| <= tolerance * max|b|, with a floor for tensors that are zero but for rounding.
void expect_close(const Numbers& a, const Numbers& b, double tolerance, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  const double allowed = tolerance * std::max(largest(b), 0.05);
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_LE(std::abs(a[i] - b[i]), allowed)
        << what << "[" << i << "]: " << a[i] << " instead of " << b[i];
}

/// All that a layer makes of its inputs, by name.
using Outcome = std::map<std::string, Numbers>;

struct Experiment {
  LayerGraph g;
  std::map<int, Numbers> drawn;
  int64_t batch;

  Experiment(const Case& c, Mode mode, int64_t n = 5)
      : g(builtin(), *c.def, c.sample(), mode),
        drawn(draw_inputs(g, n, c.sample().classes)),
        batch(n) {}

  Outcome run(InterpreterOptions options) const {
    options.batch = batch;
    Interpreter run(g.graph, builtin(), std::move(options));
    run.start();
    for (auto& [v, numbers] : drawn) run.set(v, numbers);
    run.run();
    Outcome made;
    for (size_t i = 0; i < g.outputs.size(); ++i)
      made["output " + std::to_string(i)] = run.get(g.outputs[i]);
    for (auto& [v, gradient] : g.gradient_of) made["gradient of " + name(v)] = run.get(gradient);
    for (int v : g.graph.state_values) made["after the step: " + name(v)] = run.get(v);
    return made;
  }

  std::string name(int v) const {
    const Value& value = g.graph.values[size_t(v)];
    return value.state >= 0 ? g.graph.states[size_t(value.state)].key
                            : g.graph.inputs[size_t(value.input)].name;
  }
};

void expect_close(const Outcome& a, const Outcome& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (auto& [what, numbers] : b) expect_close(a.at(what), numbers, tolerance, what);
}

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

// ---- layers, losses and metrics
// ------------------------------------------------------------------

class Conformance : public ::testing::TestWithParam<Case> {};

TEST_P(Conformance, AgreesWithTheReferenceInTraining) {
  Experiment e(GetParam(), Mode::train);
  auto judge = e.run({.device = "reference"});
  expect_close(e.run({}), judge, 2e-5);
}

TEST_P(Conformance, AgreesWithTheReferenceInEvaluation) {
  Experiment e(GetParam(), Mode::eval);
  expect_close(e.run({}), e.run({.device = "reference"}), 2e-5);
}

TEST_P(Conformance, HandlesASingleSample) {
  Experiment e(GetParam(), Mode::eval, 1);
  expect_close(e.run({}), e.run({.device = "reference"}), 2e-5);
}

// 5 samples over 4 replicas are 2, 1, 1, 1; 3 samples leave one replica without any.
TEST_P(Conformance, DoesNotDependOnReplicas) {
  for (int64_t batch : {5, 3}) {
    Experiment e(GetParam(), Mode::train, batch);
    auto judge = e.run({.device = "reference"});
    for (int replicas : {2, 4}) {
      SCOPED_TRACE(std::to_string(replicas) + " replicas, batch " + std::to_string(batch));
      expect_close(e.run({.replicas = replicas}), judge, 2e-5);
      expect_close(e.run({.device = "reference", .replicas = replicas}), judge, 1e-11);
    }
  }
}

TEST_P(Conformance, GivesEqualBitsEveryTimeAndInPlace) {
  Experiment e(GetParam(), Mode::train);
  auto first = e.run({});
  EXPECT_EQ(e.run({}), first);
  EXPECT_EQ(e.run({.in_place = true}), first) << "a kernel reads what it has written over";
}

TEST_P(Conformance, WorksInBlockedFormats) {
  Experiment e(GetParam(), Mode::train);
  auto judge = e.run({.device = "reference"});
  for (const char* format : {"aBcd16b", "aBcd8b"}) {
    SCOPED_TRACE(format);
    expect_close(e.run({.channels = format}), judge, 2e-5);
  }
}

// What `run` gives for a sample must not depend on its company.
TEST_P(Conformance, ASamplesBitsDoNotDependOnTheBatch) {
  Experiment seven(GetParam(), Mode::eval, 7);
  auto whole = seven.run({});
  for (int64_t at : {0, 4}) {
    Experiment one(GetParam(), Mode::eval, 1);
    for (auto& [v, numbers] : one.drawn) {
      const size_t each = numbers.size();
      auto& all = seven.drawn.at(v);
      if (one.g.graph.values[size_t(v)].type.batched())
        numbers.assign(all.begin() + at * ptrdiff_t(each),
                       all.begin() + (at + 1) * ptrdiff_t(each));
    }
    auto alone = one.run({});
    for (size_t i = 0; i < one.g.outputs.size(); ++i) {
      if (!one.g.graph.values[size_t(one.g.outputs[i])].type.batched()) continue;
      const std::string what = "output " + std::to_string(i);
      auto& mine = alone.at(what);
      for (size_t k = 0; k < mine.size(); ++k)
        ASSERT_EQ(mine[k], whole.at(what)[size_t(at) * mine.size() + k])
            << what << "[" << k << "] of sample " << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, Conformance,
                         ::testing::ValuesIn(cases({Role::layer, Role::loss, Role::metric})),
                         name_of);

// ---- gradients
// -----------------------------------------------------------------------------------

class Gradient : public ::testing::TestWithParam<Case> {};

/// The scalar whose gradient the layer's rule gives, computed in f64.
class Objective {
 public:
  explicit Objective(const Experiment& e)
      : e_(e), run_(e.g.graph, builtin(), {.device = "reference", .batch = e.batch}) {
    reset();
  }

  void reset() {
    run_.start();
    for (auto& [v, numbers] : e_.drawn) run_.set(v, numbers);
  }

  /// With `moved` in place of the value v.
  double operator()(int v, const Numbers& moved) {
    reset();
    run_.set(v, moved);
    run_.run();
    double sum = 0;
    if (e_.g.def.role == Role::loss) {
      auto pair = run_.get(e_.g.outputs[0]);
      return pair[1] > 0 ? factor() * pair[0] / pair[1] : 0;
    }
    for (size_t i = 0; i < e_.g.outputs.size(); ++i) {
      auto y = run_.get(e_.g.outputs[i]);
      auto& g = e_.drawn.at(e_.g.upstream[i]);
      for (size_t k = 0; k < y.size(); ++k) sum += y[k] * g[k];
    }
    return sum;
  }

  Numbers start_of(int v) {
    reset();
    return run_.get(v);
  }
  Numbers gradient(int v) {
    reset();
    run_.run();
    return run_.get(e_.g.gradient_of.at(v));
  }

 private:
  double factor() const { return get_double(e_.g.graph.calls[0].params, "factor", 1); }

  const Experiment& e_;
  Interpreter run_;
};

/// Along one direction: a single element, or all of them at once.
double slope(Objective& objective, int v, const Numbers& at, const Numbers& direction) {
  constexpr double h = 1e-6;
  Numbers up = at, down = at;
  for (size_t i = 0; i < at.size(); ++i) {
    up[i] += h * direction[i];
    down[i] -= h * direction[i];
  }
  return (objective(v, up) - objective(v, down)) / (2 * h);
}

void check_gradient(Objective& objective, int v, const std::string& what) {
  const Numbers at = objective.start_of(v), gradient = objective.gradient(v);
  ASSERT_EQ(at.size(), gradient.size()) << what;
  const double allowed = 1e-5 * std::max(largest(gradient), 0.01);
  for (uint64_t k = 0; k < 12; ++k) {  // some elements ...
    Numbers direction(at.size());
    const size_t i = size_t(uniform_below(17, k, at.size()));
    direction[i] = 1;
    ASSERT_NEAR(gradient[i], slope(objective, v, at, direction), allowed)
        << what << "[" << i << "]";
  }
  for (uint64_t k = 0; k < 3; ++k) {  // ... and all of them together
    Numbers direction(at.size());
    double along = 0, length = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      direction[i] = normal(23 + k, i);
      along += direction[i] * gradient[i];
      length += std::abs(direction[i]);
    }
    ASSERT_NEAR(along, slope(objective, v, at, direction), allowed * std::sqrt(length)) << what;
  }
}

TEST_P(Gradient, AgreesWithFiniteDifferences) {
  const Case& c = GetParam();
  Experiment e(c, Mode::train);
  Objective objective(e);
  for (int v : e.g.inputs) {
    const bool floating = is_floating(e.g.graph.values[size_t(v)].type.dtype);
    EXPECT_EQ(e.g.gradient_of.contains(v), floating) << "gradient for " << e.name(v);
  }
  for (auto& [v, gradient] : e.g.gradient_of) {
    auto &of = e.g.graph.values[size_t(v)].type, &is = e.g.graph.values[size_t(gradient)].type;
    ASSERT_EQ(to_string(of), to_string(is)) << "gradient of " << e.name(v);
    if (c.sample().smooth) check_gradient(objective, v, "gradient of " + e.name(v));
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, Gradient, ::testing::ValuesIn(cases({Role::layer, Role::loss})),
                         name_of);

// ---- optimizers
// ----------------------------------------------------------------------------------

class Optimizer : public ::testing::TestWithParam<Case> {};

/// A weight and its optimizer state after some steps with gradients of their own.
Outcome optimize(const Case& c, const std::string& device) {
  Graph graph;
  Builder b(graph, builtin(), Mode::train);
  graph.calls.push_back({.path = "fc", .owner = "fc"});
  b.enter(0);
  const Type& type = c.sample().inputs.at(0);
  const int weight = b.param("weight", type.shape, Init::normal(0, 1));
  graph.inputs.push_back({"gradient", type});
  const int gradient = b.input(0, 0);
  Diagnostics found;
  Dict params = check_params(c.def->params, c.sample().params, c.def->name, {}, found);
  found.raise();
  c.def->update(b, params, weight, gradient);

  Numbers before;
  std::map<int, Numbers> state;
  for (int step = 0; step < 3; ++step) {
    Scalars scalars{.lr = get_double(params, "lr"), .step = step, .seed = 11};
    Interpreter run(graph, builtin(), {.device = device, .scalars = scalars});
    run.start();
    if (step == 0) before = run.get(weight);
    for (auto& [v, numbers] : state) run.set(v, numbers);
    run.set(gradient, draw(type, 0, 0, uint64_t(step) + 1));
    run.run();
    for (int v : graph.state_values) state[v] = run.get(v);
  }
  EXPECT_NE(state.at(weight), before) << "the weight did not move";
  Outcome made;
  for (size_t i = 0; i < graph.states.size(); ++i)
    made[graph.states[i].key] = state.at(graph.state_values[i]);
  return made;
}

TEST_P(Optimizer, AgreesWithTheReferenceOverThreeSteps) {
  expect_close(optimize(GetParam(), "cpu"), optimize(GetParam(), "reference"), 2e-6);
}

INSTANTIATE_TEST_SUITE_P(Layers, Optimizer, ::testing::ValuesIn(cases({Role::optimizer})), name_of);

// ---- coverage
// ------------------------------------------------------------------------------------

TEST(Registry, EveryOperationIsReachedByTheSamplesOfSomeLayer) {
  std::set<std::string> reached{"reorder"};  // the compiler's own
  for (auto& c : cases({Role::layer, Role::loss, Role::metric}))
    for (Mode mode : {Mode::train, Mode::eval}) {
      LayerGraph g(builtin(), *c.def, c.sample(), mode);
      for (auto& node : g.graph.nodes) {
        reached.insert(node.op->name);
        if (!node.op->merge.empty()) reached.insert("merge_" + node.op->merge);
      }
    }
  for (auto& c : cases({Role::optimizer})) {
    Graph graph;
    Builder b(graph, builtin(), Mode::train);
    graph.calls.push_back({.path = "fc", .owner = "fc"});
    b.enter(0);
    int weight = b.param("weight", {2}, Init::constant(0));
    c.def->update(b, c.sample().params, weight, weight);
    for (auto& node : graph.nodes) reached.insert(node.op->name);
  }
  for (auto& op : builtin().ops())
    EXPECT_TRUE(reached.contains(op)) << op << " is tested by no sample";
}

}  // namespace
}  // namespace braid::testing
