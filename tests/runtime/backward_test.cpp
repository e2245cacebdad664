// Gradients from outside: what Session::backward() gives is what a step of training would use, is
// the derivative of the outputs, and has the same bits on every deployment.
#include <gtest/gtest.h>

#include <cmath>

#include <braid/nodes/builtin.h>

#include "support/models.h"

namespace braid::test {
namespace {

using Arrays = std::map<std::string, Array>;

Array random(DType dtype, std::vector<int64_t> dims, uint64_t key) {
  Array array = Array::zeros(dtype, std::move(dims));
  for (int64_t i = 0; i < array.elements(); ++i)
    if (dtype == DType::f64)
      array.as<double>()[size_t(i)] = normal(key, uint64_t(i));
    else
      array.as<float>()[size_t(i)] = float(normal(key, uint64_t(i)));
  return array;
}

Arrays image(const Model& model, int64_t n, DType dtype = DType::f32) {
  return {{"image", random(dtype, model.inputs[0].type.dims(n), 5)}};
}

Arrays upstream(int64_t n, DType dtype = DType::f32) {
  return {{"logits", random(dtype, {n, 10}, 6)}};
}

template <class F>
void expect_error(Fault fault, const std::string& code, const std::string& part, F&& f) {
  try {
    f();
    ADD_FAILURE() << "no error that says: " << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), fault) << e.what();
    EXPECT_EQ(e.diagnostics()[0].code, code);
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

// ---- against a step of training -----------------------------------------------------------------

// The gradient of the mean cross entropy with respect to the logits, in f64.
Array cross_entropy_gradient(const Array& logits, const Array& labels) {
  int64_t n = logits.dims[0], classes = logits.dims[1];
  Array gradient = logits;
  auto g = gradient.as<double>();
  for (int64_t i = 0; i < n; ++i) {
    auto row = g.subspan(size_t(i * classes), size_t(classes));
    double sum = 0;
    for (double& v : row) sum += v = std::exp(v);
    for (double& v : row) v /= sum * double(n);
    row[size_t(labels.as<int64_t>()[size_t(i)])] -= 1 / double(n);
  }
  return gradient;
}

TEST(Backward, GivesTheGradientsOfATrainingStep) {
  for (Model model : {mlp(4), convnet(3)}) {
    set(model.optimizer->params, "momentum", 0.0);
    set(model.optimizer->params, "nesterov", false);
    set(model.optimizer->params, "weight_decay", 0.0);
    Session trained(model, {.engine = "reference"}), asked(model, {.engine = "reference"});
    Arrays in = image(model, 13, DType::f64);
    std::vector<int64_t> classes;
    for (uint64_t i = 0; i < 13; ++i) classes.push_back(int64_t(uniform_below(9, i, 10)));
    in["label"] = Array::of<int64_t>({13}, classes);

    auto logits = asked.run(in, {}, {.mode = Mode::train}).at("logits");
    auto g = cross_entropy_gradient(logits, in.at("label"));
    auto result = asked.backward(in, {{"logits", g}});
    EXPECT_EQ(result.outputs.at("logits"), logits);
    EXPECT_EQ(result.inputs.size(), 1u);  // labels have none

    std::map<std::string, std::vector<double>> before;
    for (auto& [key, gradient] : result.parameters) {
      auto* w = asked.state().at<double>(0, asked.state().find(key));
      before[key] = {w, w + gradient.elements()};
    }
    trained.step(in);
    for (auto& [key, gradient] : result.parameters) {
      auto* w = trained.state().at<double>(0, trained.state().find(key));
      double most = 0;
      for (double v : before.at(key)) most = std::max(most, std::abs(v));
      for (size_t i = 0; i < size_t(gradient.elements()); ++i)
        ASSERT_NEAR(w[i], before.at(key)[i] - 0.1 * gradient.as<double>()[i], 1e-14 * (1 + most))
            << key;
    }
    auto statistics = asked.state().weights(), theirs = trained.state().weights();
    for (auto& [key, array] : statistics) {
      if (result.parameters.contains(key)) continue;
      EXPECT_EQ(array, theirs.at(key)) << key;  // written by both
    }
  }
}

// ---- against finite differences -----------------------------------------------------------------

double objective(Session& session, const Arrays& in, const Array& g, Mode mode) {
  auto y = session.run(in, {}, {.mode = mode}).at("logits");
  double sum = 0;
  for (size_t i = 0; i < y.as<double>().size(); ++i) sum += y.as<double>()[i] * g.as<double>()[i];
  return sum;
}

TEST(Backward, IsTheDerivativeOfTheOutputs) {
  Model model = mlp(3);
  for (Mode mode : {Mode::train, Mode::eval}) {
    Session session(model, {.engine = "reference"});
    Arrays in = image(model, 7, DType::f64);
    Array g = upstream(7, DType::f64).at("logits");
    auto result = session.backward(in, {{"logits", g}}, {.mode = mode, .write_state = false});
    constexpr double h = 1e-6;
    auto check = [&](double& at, double expected, const std::string& what) {
      const double old = at;
      at = old + h;
      double up = objective(session, in, g, mode);
      at = old - h;
      double down = objective(session, in, g, mode);
      at = old;
      EXPECT_NEAR((up - down) / (2 * h), expected, 1e-7 * (1 + std::abs(expected))) << what;
    };
    auto& x = in.at("image");
    for (size_t i = 0; i < x.as<double>().size(); i += 3)
      check(x.as<double>()[i], result.inputs.at("image").as<double>()[i], "image");
    for (auto& [key, gradient] : result.parameters)
      for (int64_t i = 0; i < gradient.elements(); i += 17)
        check(session.state().at<double>(0, session.state().find(key))[i],
              gradient.as<double>()[size_t(i)], key);
  }
}

// Layers that hand their input on are not there for gradients.
TEST(Backward, WhatIsPassedOnIsNotCountedTwice) {
  auto gradients = [](bool with) {
    Chain chain({N, 20}, 2);
    chain.add("fc", "Linear", {{"out_features", 10}});
    if (with) chain.add("same", "Identity").add("drop", "Dropout", {{"p", 0.0}});
    Session session(chain.done(), {.devices = {"cpu"}});
    return session.backward(image(session.model(), 4), upstream(4)).parameters;
  };
  EXPECT_EQ(gradients(true), gradients(false));
}

// ---- equal bits ---------------------------------------------------------------------------------

struct Bits {
  std::vector<Backward> results;
  std::vector<std::vector<SyncDigest>> syncs;
  uint64_t program = 0;
};

Bits bits_of(const Model& model, SessionOptions options, const std::vector<int64_t>& batches) {
  options.digest = true;
  Session session(model, std::move(options));
  Bits bits;
  for (int64_t n : batches) {
    ProgramKey key{.batch = n, .wanted = {"logits"}, .goal = Goal::backward};
    bits.results.push_back(session.backward(image(model, n), upstream(n)));
    bits.syncs.push_back(session.executor(key).digests());
    bits.program = session.plan(key).program_hash;
  }
  auto digest = session.state().digest(0);
  for (int d = 1; d < session.state().devices(); ++d) EXPECT_EQ(session.state().digest(d), digest);
  return bits;
}

void expect_same_everywhere(const Model& model, const std::vector<int64_t>& batches) {
  auto base = bits_of(model, {.devices = {"cpu"}, .engine = "serial"}, batches);
  auto compare = [&](SessionOptions options, const std::string& what) {
    auto other = bits_of(model, std::move(options), batches);
    EXPECT_EQ(other.program, base.program) << what;
    EXPECT_EQ(other.syncs, base.syncs) << what;
    for (size_t i = 0; i < batches.size(); ++i) {
      EXPECT_EQ(other.results[i].outputs, base.results[i].outputs) << what;
      EXPECT_EQ(other.results[i].inputs, base.results[i].inputs) << what;
      EXPECT_EQ(other.results[i].parameters, base.results[i].parameters) << what;
    }
  };
  int replicas = int(model.replicas);
  for (int devices = 1; devices <= replicas; ++devices)
    compare({.devices = cpus(devices), .threads = 1 + devices % 2},
            std::to_string(devices) + " devices");
  compare({.devices = cpus(replicas), .threads = 3, .engine = "threads"}, "engine threads");
  for (auto& pass : optional_passes())
    compare({.devices = cpus(std::min(2, replicas)), .disabled = {pass}}, "without " + pass);
}

TEST(BackwardEqualBits, UnevenAndEmptySlices) {
  for (int replicas : {1, 3, 4, 7})
    for (const Model& model : {mlp(replicas), convnet(replicas)})
      expect_same_everywhere(model, {32, 13, 3, 2});
}

TEST(BackwardEqualBits, SyncGroups) {
  for (int group : {1, 2}) {
    expect_same_everywhere(mlp(4, group), {32, 13, 9});
    expect_same_everywhere(convnet(4, group), {13, 5});
  }
}

// ---- what is given and returned -----------------------------------------------------------------

TEST(Backward, LayersAreOutputsToo) {
  Model model = mlp(2);
  Session session(model, {.engine = "reference"});
  Arrays in = image(model, 6), g;
  g["bn1"] = random(DType::f32, {6, 24}, 7);
  BackwardOptions options{.outputs = {"bn1"}, .write_state = false};
  auto first = session.backward(in, g, options);
  EXPECT_EQ(first.outputs.at("bn1").dims, (std::vector<int64_t>{6, 24}));
  g["logits"] = Array::zeros(DType::f32, {6, 10});
  options.outputs = {"logits", "bn1"};
  auto both = session.backward(in, g, options);
  EXPECT_EQ(both.inputs, first.inputs);  // a gradient of zeros adds nothing
  EXPECT_EQ(both.parameters.at("fc1.weight"), first.parameters.at("fc1.weight"));
  for (auto* result : {&first, &both})  // behind bn1 there is none
    EXPECT_EQ(result->parameters.at("fc3.weight"), Array::zeros(DType::f64, {10, 24}));
}

TEST(Backward, TwoOutputsAddUp) {
  Model model = mlp(3);
  model.outputs.push_back({"same", model.outputs[0].from});
  Session session(model, {.engine = "reference"});
  Arrays in = image(model, 5);
  Array a = random(DType::f64, {5, 10}, 1), b = random(DType::f64, {5, 10}, 2), sum = a;
  for (size_t i = 0; i < 50; ++i) sum.as<double>()[i] += b.as<double>()[i];
  Array none = Array::zeros(DType::f64, {5, 10});
  auto apart = session.backward(in, {{"logits", a}, {"same", b}}, {.write_state = false});
  auto one = session.backward(in, {{"logits", none}, {"same", sum}}, {.write_state = false});
  EXPECT_EQ(apart.inputs, one.inputs);
  EXPECT_EQ(apart.parameters, one.parameters);
}

// A table that all samples share, with an output of its own: common to all replicas.
TEST(Backward, WithoutABatchDimensionThereIsOneGradient) {
  Model model = mlp(3);
  model.inputs.push_back({"table", {DType::f32, {4, 20}}});
  LayerItem head{.path = "head", .type = "Linear", .params = {{"out_features", 2}}};
  head.from = {Link::input(2)};
  model.layers.push_back(head);
  model.outputs.push_back({"rows", Link::layer(int(model.layers.size()) - 1)});
  model.inputs.push_back({"unused", {DType::f32, {3}}});
  for (auto& [engine, devices] : std::map<std::string, int>{{"reference", 1}, {"tbb", 3}}) {
    Session session(model, {.devices = cpus(devices), .engine = engine});
    Arrays in = image(model, 5), g = upstream(5);
    in["table"] = random(DType::f32, {4, 20}, 3);
    g["rows"] = random(DType::f32, {4, 2}, 4);
    auto result = session.backward(in, g);
    DType dtype = engine == "tbb" ? DType::f32 : DType::f64;
    EXPECT_EQ(result.outputs.at("rows").dims, (std::vector<int64_t>{4, 2}));
    EXPECT_EQ(result.inputs.at("unused"), Array::zeros(dtype, {3}));
    auto element = [](const Array& array, int64_t i) {
      return array.dtype == DType::f64 ? array.as<double>()[size_t(i)]
                                       : double(array.as<float>()[size_t(i)]);
    };
    for (int64_t j = 0; j < 2; ++j)  // dW[j][k] = sum over rows of g[r][j] * table[r][k], once
      for (int64_t k = 0; k < 20; ++k) {
        double sum = 0;
        for (int64_t r = 0; r < 4; ++r)
          sum += element(g.at("rows"), r * 2 + j) * element(in.at("table"), r * 20 + k);
        EXPECT_NEAR(element(result.parameters.at("head.weight"), j * 20 + k), sum, 1e-5);
      }
  }
}

TEST(Backward, WritesStateOnlyWhereItIsAskedTo) {
  Model model = convnet(2);
  Session session(model, {.devices = cpus(2)});
  Arrays in = image(model, 8), g = upstream(8);
  session.backward(in, g, {.write_state = false});
  auto before = session.state().digest(1);
  session.backward(in, g, {.write_state = false});
  session.run(in, {}, {.mode = Mode::train});
  EXPECT_EQ(session.state().digest(1), before);
  Session twin(model, {.devices = cpus(2)});
  twin.backward(in, g);
  session.run(in, {}, {.mode = Mode::train, .write_state = true});
  EXPECT_NE(session.state().digest(1), before);
  EXPECT_EQ(session.state().digest(1), twin.state().digest(0));
  EXPECT_EQ(session.steps_done(), 0);
}

TEST(Backward, FrozenParametersHaveNoGradient) {
  Model model = mlp(2);
  model.layers[0].freeze = Freeze::all;
  Session session(model, {.devices = {"cpu"}});
  auto result = session.backward(image(model, 4), upstream(4));
  EXPECT_EQ(result.parameters.count("fc1.weight"), 0u);
  EXPECT_EQ(result.parameters.count("fc2.weight"), 1u);
  double most = 0;
  for (float v : result.inputs.at("image").as<float>()) most = std::max(most, double(std::abs(v)));
  EXPECT_GT(most, 0);
}

TEST(Backward, MicroBatchesPlayNoPart) {
  Model model = mlp(2), split = model;
  split.batch.accumulate = 2;
  Session a(model, {.devices = {"cpu"}}), b(split, {.devices = {"cpu"}});
  EXPECT_EQ(a.backward(image(model, 9), upstream(9)).parameters,
            b.backward(image(model, 9), upstream(9)).parameters);
}

TEST(TrainingForward, UsesTheBatchAndDrawsDropoutByStep) {
  Model model = mlp(3);
  Session session(model, {.devices = {"cpu"}});
  Arrays in = image(model, 9);
  auto at = [&](int64_t step) {
    return session.run(in, {"bn1", "drop"}, {.mode = Mode::train, .step = step});
  };
  auto y = at(0).at("bn1");
  for (size_t c = 0; c < 24; ++c) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < 9; ++i) {
      double v = double(y.as<float>()[i * 24 + c]);
      sum += v, squares += v * v;
    }
    EXPECT_NEAR(sum / 9, 0, 1e-6);
    EXPECT_NEAR(squares / 9, 1, 2e-3);
  }
  EXPECT_EQ(at(3).at("drop"), at(3).at("drop"));
  EXPECT_NE(at(3).at("drop"), at(4).at("drop"));
  EXPECT_EQ(at(0).at("drop"), session.run(in, {"drop"}, {.mode = Mode::train}).at("drop"));
  EXPECT_NE(session.run(in, {"bn1"}).at("bn1"), y);  // eval: running statistics
}

// ---- what is refused ----------------------------------------------------------------------------

TEST(Backward, WrongGradientsAreNamed) {
  Model model = mlp(2);
  Session session(model, {.devices = {"cpu"}});
  Arrays in = image(model, 4);
  auto with = [&](Arrays g, std::vector<std::string> outputs = {}) {
    return [&session, &in, g, outputs] { session.backward(in, g, {.outputs = outputs}); };
  };
  Array good = random(DType::f32, {4, 10}, 1);
  expect_error(Fault::data, "E0390", "'logit', which is no output of floating type (did you mean",
               with({{"logit", good}, {"logits", good}}));
  expect_error(Fault::data, "E0391", "gradient of output 'logits' is missing", with({}));
  expect_error(Fault::data, "E0392", "is f32 [4, 9], the output is f32 [N, 10] with N = 4",
               with({{"logits", random(DType::f32, {4, 9}, 1)}}));
  expect_error(Fault::data, "E0392", "is f64 [4, 10]",
               with({{"logits", random(DType::f64, {4, 10}, 1)}}));
  expect_error(Fault::model, "E0219", "no output or layer 'bn3' (did you mean",
               with({{"bn3", good}}, {"bn3"}));
  Model silent = model;
  silent.outputs.clear();
  Session without(silent, {.devices = {"cpu"}});
  expect_error(Fault::model, "E0218", "no `outputs`", [&] { without.backward(in, {}); });
  session.backward(in, {{"logits", good}});  // and still works
}

TEST(Backward, ALayerWithoutAGradientIsRefused) {
  Registry registry;
  register_builtin(registry);
  LayerDef def = *registry.layer("ReLU");
  def.name = "Opaque";
  def.gradient = nullptr;
  registry.add(def);
  Model model = mlp(2);
  model.layers[2].type = "Opaque";
  Session session(model, {.devices = {"cpu"}}, registry);
  expect_error(Fault::model, "E0245", "relu1: Opaque has no gradient",
               [&] { session.backward(image(model, 4), upstream(4)); });
}

TEST(Backward, AFailureLeavesStateAndTheNextOneIsFine) {
  Model model = convnet(4);
  Session session(model, {.devices = cpus(2), .threads = 2}), twin(model, {.devices = {"cpu"}});
  Arrays in = image(model, 10), g = upstream(10);
  auto& executor = session.executor({.batch = 10, .wanted = {"logits"}, .goal = Goal::backward});
  auto before = session.state().digest(0);
  auto& plan = executor.plan();
  for (size_t at = 0; at < plan.steps.size(); at += 7) {
    if (plan.steps[at].gated) continue;
    executor.on_step([at](int s) {
      if (s == int(at)) throw std::runtime_error("injected");
    });
    expect_error(Fault::run, "E0402", "injected", [&] { session.backward(in, g); });
    ASSERT_EQ(session.state().digest(0), before);
  }
  executor.on_step({});
  EXPECT_EQ(session.backward(in, g).parameters, twin.backward(in, g).parameters);
  EXPECT_EQ(session.state().digest(1), twin.state().digest(0));
}

}  // namespace
}  // namespace braid::test
