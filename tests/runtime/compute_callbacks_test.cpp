// Callbacks with ports: the user's own functions as layers. What they make has the bits of a
// built-in layer on any number of replicas and devices; what goes wrong has a name, a place and no
// effect.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include <braid/dsl/read.h>
#include <braid/runtime/session.h>

#include "support/models.h"

namespace braid {
namespace {

// `act` stands between two layers with weights, behind a batch norm that all replicas share.
Model network(const std::string& act, int64_t replicas, const std::string& behind = "",
              const std::string& before = "") {
  std::string text = "braid: 1\nname: net\nseed: 5\nreplicas: " + std::to_string(replicas) + R"(
batch: {global: 12}
inputs: {x: {shape: [N, 6]}, label: {shape: [N], dtype: i64}}
layers:
  - {name: fc1, type: Linear, from: x, out_features: 8}
  - {name: bn, type: BatchNorm1d}
)" + before + "  - {name: act, " +
                     act + "}\n" + behind + R"(
  - {name: fc2, type: Linear, out_features: 10}
outputs: {logits: fc2}
loss: {type: CrossEntropy, from: [fc2, label]}
optimizer: {type: SGD, lr: 0.1, momentum: 0.9}
)";
  Diagnostics found;
  Model model = read_text(text, "net.yaml", {}, found);
  found.raise();
  return model;
}

const std::string own_relu =
    "type: Callback, call: relu, backward: relu_back, ports: {in: [x], out: {y: [N, 8]}}";

void relu(const HookVisit& v) {
  std::ranges::transform(v["x"].f32(), v["y"].edit().begin(),
                         [](float x) { return x > 0 ? x : 0; });
}
void relu_back(const HookVisit& v) {
  std::ranges::transform(v["y"].f32(), v["grad:y"].f32(), v["grad:x"].edit().begin(),
                         [](float y, float g) { return y > 0 ? g : 0; });
}
Hooks relus() {
  Hooks hooks;
  hooks.bind("relu", relu).bind("relu_back", relu_back);
  return hooks;
}

std::string message(const std::function<void()>& f, Fault fault) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), fault) << e.what();
    return e.what();
  }
  return "nothing was thrown";
}

std::map<std::string, Array> trained(const Model& model, SessionOptions options) {
  Session session(model, std::move(options));
  for (uint64_t step = 0; step < 3; ++step) {
    test::RandomBatch data(model, 11, 40 + step);  // slices of two sizes
    session.step(data.pointers, 11, 0.1);
  }
  return session.state().all();
}

TEST(ComputeCallbacks, AReluOfYourOwnHasTheBitsOfTheBuiltIn) {
  for (int64_t replicas : {1, 2, 4}) {
    const auto built_in = trained(network("type: ReLU", replicas), {});
    std::vector<std::string> devices;
    for (int64_t d = 0; d < replicas; ++d) {
      devices.push_back("cpu:" + std::to_string(d));
      for (const char* engine : {"tbb", "serial", "threads"})
        EXPECT_EQ(built_in, trained(network(own_relu, replicas),
                                    {.devices = devices, .engine = engine, .hooks = relus()}))
            << replicas << " replicas on " << devices.size() << ", " << engine;
    }
  }
}

TEST(ComputeCallbacks, StandInMicroBatchesAndRecomputedSegments) {
  for (const char* behind : {"", "  - {name: tanh, type: Tanh, recompute: true}\n"})
    for (int64_t accumulate : {1, 3}) {
      Model own = network(own_relu + ", recompute: true", 2, behind);
      Model built_in = network("type: ReLU", 2, behind);
      own.batch.accumulate = built_in.batch.accumulate = accumulate;
      EXPECT_EQ(trained(built_in, {}), trained(own, {.hooks = relus()})) << accumulate;
    }
}

TEST(ComputeCallbacks, AreCalledOnceForEachReplicaThatHasSamples) {
  Model model = network(own_relu, 4);
  std::atomic<int> calls = 0, gradients = 0, rows = 0;
  Hooks hooks;
  hooks.bind("relu", [&](const HookVisit& v) {
    EXPECT_EQ(v.kind, HookKind::compute);
    EXPECT_EQ(v.layer, "act");
    EXPECT_EQ(v.slices.front().first_sample, v.replica());  // one row each
    EXPECT_EQ(v.step, 0);
    ++calls, rows += int(v["x"].dims[0]);
    relu(v);
  });
  hooks.bind("relu_back", [&](const HookVisit& v) {
    EXPECT_EQ(v.kind, HookKind::gradient);
    ++gradients;
    relu_back(v);
  });
  Session session(model, {.hooks = hooks});
  test::RandomBatch data(model, 3, 1);
  session.step(data.pointers, 3, 0.1);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(rows, 3);
  EXPECT_EQ(gradients, 3);
}

// y = a * gain, where gain has no N: its gradient is a sum over all replicas.
const std::string gain = "  - {name: gain, type: Parameter, shape: [8], init: {weight: 0.5}}\n";
const std::string own_product =
    "type: Callback, from: {a: bn, gain: gain}, call: product, backward: product_back, "
    "ports: {in: {a: [N, 8], gain: [8]}, out: {y: [N, 8], unused: [N, 2]}}";

Hooks products() {
  Hooks hooks;
  hooks.bind("product", [](const HookVisit& v) {
    auto a = v["a"].f32(), gain = v["gain"].f32();
    auto y = v["y"].edit();
    for (size_t i = 0; i < y.size(); ++i) y[i] = a[i] * gain[i % gain.size()];
  });
  hooks.bind("product_back", [](const HookVisit& v) {
    auto a = v["a"].f32(), gain = v["gain"].f32(), g = v["grad:y"].f32();
    auto of_a = v["grad:a"].edit(), of_gain = v["grad:gain"].edit();
    EXPECT_TRUE(std::ranges::all_of(v["grad:unused"].f32(), [](float x) { return x == 0; }));
    for (size_t i = 0; i < g.size(); ++i) {
      of_a[i] = g[i] * gain[i % gain.size()];
      of_gain[i % gain.size()] += g[i] * a[i];  // it begins as zeros
    }
  });
  return hooks;
}

struct Samples {
  Array x = Array::zeros(DType::f32, {7, 6}), up = Array::zeros(DType::f32, {7, 10});
  Samples() {
    for (size_t i = 0; i < x.as<float>().size(); ++i) x.as<float>()[i] = float(normal(3, i));
    for (size_t i = 0; i < up.as<float>().size(); ++i) up.as<float>()[i] = float(normal(4, i));
  }
};

TEST(ComputeCallbacks, GradientsReachEveryInput) {
  const Samples samples;
  for (int64_t replicas : {1, 3}) {
    Session own(network(own_product, replicas, "", gain), {.hooks = products()});
    Session math(
        network("type: Math, from: {a: bn, gain: gain}, expr: a * gain", replicas, "", gain));
    auto one = own.backward({{"x", samples.x}}, {{"logits", samples.up}});
    auto two = math.backward({{"x", samples.x}}, {{"logits", samples.up}});
    ASSERT_TRUE(one.parameters.contains("gain.weight"));
    for (auto* pair : {&one.inputs, &one.parameters})
      for (auto& [key, gradient] : *pair) {
        auto& expected = (pair == &one.inputs ? two.inputs : two.parameters).at(key);
        for (size_t i = 0; i < gradient.as<float>().size(); ++i)
          ASSERT_NEAR(gradient.as<float>()[i], expected.as<float>()[i], 1e-5) << key << " " << i;
      }
  }
}

TEST(ComputeCallbacks, TheirGradientIsTheSlopeOfWhatTheyMake) {
  Samples samples;
  Session session(network(own_product, 2, "", gain), {.hooks = products()});
  auto objective = [&] {
    auto y = session.run({{"x", samples.x}}, {}).at("logits");
    double sum = 0;
    for (size_t i = 0; i < y.as<float>().size(); ++i)
      sum += double(y.as<float>()[i]) * double(samples.up.as<float>()[i]);
    return sum;
  };
  auto gradient = session.backward({{"x", samples.x}}, {{"logits", samples.up}},
                                   {.mode = Mode::eval, .write_state = false});
  for (size_t i = 0; i < samples.x.as<float>().size(); i += 5) {
    float& x = samples.x.as<float>()[i];
    const float old = x, h = 1e-2f;
    x = old + h;
    const double up = objective();
    x = old - h;
    const double down = objective();
    x = old;
    EXPECT_NEAR((up - down) / double(2 * h), gradient.inputs.at("x").as<float>()[i], 2e-3) << i;
  }
}

// Two outputs of two dtypes; one is a layer's input, the other a result.
TEST(ComputeCallbacks, HaveSeveralOutputsOfSeveralTypes) {
  Hooks hooks;
  hooks.bind("rank", [](const HookVisit& v) {
    auto x = v["x"].f32();
    auto y = v["y"].edit();
    auto largest = v["largest"].edit_i64();
    const size_t columns = x.size() / largest.size();
    for (size_t row = 0; row < largest.size(); ++row) {
      auto cells = x.subspan(row * columns, columns);
      largest[row] = std::ranges::max_element(cells) - cells.begin();
      y[row * columns + size_t(largest[row])] = 1;  // the others stay 0
    }
  });
  Session session(network("type: Callback, call: rank, ports: {in: [x], "
                          "out: {y: [N, 8], largest: {shape: [N], dtype: i64}}}",
                          2,
                          "  - {name: which, type: Identity, from: act.largest}\n"
                          "  - {name: one_hot, type: Identity, from: act.y}\n"),
                  {.hooks = hooks});
  auto out = session.run({{"x", Samples().x}}, {"bn", "which", "act"});
  auto x = out.at("bn").as<float>(), y = out.at("act").as<float>();
  for (size_t row = 0; row < 7; ++row) {
    auto cells = std::span(x).subspan(row * 8, 8);
    const auto largest = std::ranges::max_element(cells) - cells.begin();
    EXPECT_EQ(out.at("which").as<int64_t>()[row], largest);
    for (long c = 0; c < 8; ++c) EXPECT_EQ(y[row * 8 + size_t(c)], float(c == largest));
  }
}

TEST(ComputeCallbacks, AreNotCalledWhereNobodyNeedsThem) {
  int calls = 0;
  Hooks hooks = relus();
  hooks.bind("relu", [&](const HookVisit&) { ++calls; });
  Session session(network(own_relu, 1), {.hooks = hooks});
  session.run({{"x", Samples().x}}, {"bn"});
  EXPECT_EQ(calls, 0);
  session.run({{"x", Samples().x}}, {"act"});
  EXPECT_EQ(calls, 1);
}

TEST(ComputeCallbacks, OneThatThrowsIsNamedAndChangesNothing) {
  Model model = network(own_relu, 4);
  for (const char* engine : {"tbb", "serial", "threads"})
    for (const char* culprit : {"relu", "relu_back"}) {
      std::atomic<bool> armed = true;
      Hooks hooks = relus();
      const bool back = std::string(culprit) == "relu_back";
      hooks.bind(culprit, [&, back](const HookVisit& v) {
        if (armed && v.replica() >= 2) throw std::runtime_error("not today");
        back ? relu_back(v) : relu(v);
      });
      Session session(model, {.devices = {"cpu:0", "cpu:1"}, .engine = engine, .hooks = hooks});
      const auto before = session.weights();
      test::RandomBatch data(model, 12, 1);
      auto text = message([&] { session.step(data.pointers, 12, 0.1); }, Fault::run);
      EXPECT_NE(text.find("net.yaml:10:"), std::string::npos) << text;
      EXPECT_NE(text.find(std::string(back ? "backward callback" : "callback") + " '" + culprit +
                          "' of layer 'act', replica 2"),
                std::string::npos)
          << text;
      EXPECT_NE(text.find("not today"), std::string::npos) << text;
      EXPECT_TRUE(before == session.weights());
      armed = false;
      session.step(data.pointers, 12, 0.1);
      EXPECT_EQ(session.steps_done(), 1);
      EXPECT_FALSE(before == session.weights());
    }
}

TEST(ComputeCallbacks, NamesAreAnsweredBeforeAnythingRuns) {
  auto open = [](Hooks hooks) {
    return message([&] { Session session(network(own_relu, 2), {.hooks = std::move(hooks)}); },
                   Fault::model);
  };
  EXPECT_NE(open({}).find("net.yaml:10:12: error[E0423]: layer 'act' calls 'relu'"),
            std::string::npos)
      << open({});
  Hooks near;
  near.bind("relu", relu);
  EXPECT_NE(open(near).find("calls 'relu_back', and nothing is bound"), std::string::npos)
      << open(near);
  Hooks surplus = relus();
  surplus.bind("rely", relu);
  auto text =
      message([&] { Session session(network(own_relu, 2), {.hooks = surplus}); }, Fault::usage);
  EXPECT_NE(text.find("nothing named 'rely' (did you mean 'relu'?)"), std::string::npos) << text;
}

TEST(ComputeCallbacks, WithoutBackwardNothingIsTrainedThroughThem) {
  const std::string one_way = "type: Callback, call: relu, ports: {in: [x], out: {y: [N, 8]}}";
  Hooks hooks;
  hooks.bind("relu", relu);
  auto text = message([&] { trained(network(one_way, 2), {.hooks = hooks}); }, Fault::model);
  EXPECT_NE(text.find("error[E0245]"), std::string::npos) << text;
  EXPECT_NE(text.find("backward: name"), std::string::npos) << text;
  Session session(network(one_way, 2), {.hooks = hooks});
  session.run({{"x", Samples().x}}, {});
  Model frozen = network(one_way, 2);
  frozen.layers[0].freeze = frozen.layers[1].freeze = Freeze::all;
  Model built_in = network("type: ReLU", 2);
  built_in.layers[0].freeze = built_in.layers[1].freeze = Freeze::all;
  EXPECT_EQ(trained(frozen, {.hooks = hooks}), trained(built_in, {}));
}

TEST(ComputeCallbacks, SeeTensorsByNameAndWriteOnlyWhatTheyMake) {
  Model model = network(own_relu, 1);
  auto says = [&](Hooks::Visit call) {
    Hooks hooks = relus();
    hooks.bind("relu", std::move(call));
    Session session(model, {.hooks = hooks});
    return message([&] { session.run({{"x", Samples().x}}, {}); }, Fault::run);
  };
  auto text = says([](const HookVisit& v) { v["yy"].edit(); });
  EXPECT_NE(text.find("it is shown no 'yy'"), std::string::npos) << text;
  EXPECT_NE(text.find("help: it is shown y, x"), std::string::npos) << text;
  text = says([](const HookVisit& v) { v["x"].edit(); });
  EXPECT_NE(text.find("'x' is shown to read"), std::string::npos) << text;
  text = says([](const HookVisit& v) { v["y"].edit_i64(); });
  EXPECT_NE(text.find("'y' holds f32, not i64"), std::string::npos) << text;
}

TEST(ComputeCallbacks, ArePartOfTheProgramAndWatchersOfThemAreNot) {
  auto hash = [](const Model& model, const Hooks& hooks) {
    return Session(model, {.hooks = hooks}).plan(Mode::train, 8).program_hash;
  };
  Hooks watched = relus();
  watched.on_forward(at("act"), [](const HookVisit&) {});
  EXPECT_EQ(hash(network(own_relu, 2), relus()), hash(network(own_relu, 2), watched));
  EXPECT_NE(hash(network(own_relu, 2), relus()), hash(network("type: ReLU", 2), {}));
}

}  // namespace
}  // namespace braid
