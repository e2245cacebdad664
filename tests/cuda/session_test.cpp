// Sessions on CUDA devices: the same networks, the same promises as on the CPU. On an emulated
// device, what is enqueued runs in an order drawn at random among those that queues and events
// allow, so that an edge that is missing shows as another result.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "backend.h"
#include "cuda/machine.h"
#include "support/models.h"

namespace braid::test {
namespace {

std::vector<std::string> gpus(int count) {
  return std::vector<std::string>(size_t(count), "cuda:0");
}

/// No batch norm: Linear, Dropout, a shared layer.
Model plain(int64_t replicas) {
  Chain chain({N, 20}, replicas);
  chain.add("fc1", "Linear", {{"out_features", 24}}).add("relu1", "ReLU");
  chain.add("drop", "Dropout", {{"p", 0.25}});
  chain.add("fc2", "Linear", {{"out_features", 24}}).add("tanh", "Tanh");
  chain.add("again", "Linear");
  chain.back().share = 3;
  chain.add("fc3", "Linear", {{"out_features", 10}});
  return chain.done();
}

/// What the compiler adds around the updates: all gradients meet in one norm.
Model clipped(int64_t replicas) {
  Model model = mlp(replicas);
  model.train.clip_norm = 0.05;
  model.train.ema = 0.9;
  return model;
}

struct Network {
  std::string name;
  Model (*model)(int64_t replicas);
};
std::ostream& operator<<(std::ostream& out, const Network& n) { return out << n.name; }

const std::vector<Network> networks = {{"plain", plain},
                                       {"mlp", [](int64_t r) { return mlp(r); }},
                                       {"groups", [](int64_t r) { return mlp(r, 2); }},
                                       {"clipped", clipped},
                                       {"convnet", [](int64_t r) { return convnet(r); }},
                                       {"unet", [](int64_t r) { return unet(r); }},
                                       {"residual", [](int64_t r) { return residual(r); }}};

SessionOptions on(std::vector<std::string> devices, std::set<std::string> disabled = {}) {
  SessionOptions options{.devices = std::move(devices), .engine = "serial"};
  options.disabled = std::move(disabled);
  options.digest = true;
  if (options.devices[0].starts_with("cuda")) options.backend = {cuda::make_backend()};
  return options;
}

class OnCudaSession : public ::testing::TestWithParam<Network> {
 protected:
  void SetUp() override {
    machine::reset();
    machine::protect(false);  // others look for host code that touches device memory
  }
  Model model(int64_t replicas) const { return GetParam().model(replicas); }
  /// Convolutions take long on an emulated device.
  bool quick() const { return GetParam().model(1).inputs[0].type.rank() == 2; }
};

double largest_difference(const Array& a, const Array& b) {
  auto x = a.as<float>();
  auto y = b.as<float>();
  double most = 0, scale = 1e-3;
  for (size_t i = 0; i < x.size(); ++i) {
    most = std::max(most, std::abs(double(x[i]) - y[i]));
    scale = std::max(scale, std::abs(double(y[i])));
  }
  return most / scale;
}

// One step from common weights: every parameter, buffer and the loss.
TEST_P(OnCudaSession, AStepIsTheReferences) {
  for (int64_t replicas : quick() ? std::vector<int64_t>{1, 4, 8} : std::vector<int64_t>{1, 8}) {
    Session judge(model(replicas), {.engine = "reference"});
    Session session(model(replicas), on(gpus(1)));
    RandomBatch batch(session.model(), 19, 7);
    const double expected = judge.step(batch.pointers, 19, 0.1).loss;
    EXPECT_NEAR(session.step(batch.pointers, 19, 0.1).loss, expected, 1e-4 * std::abs(expected));
    auto weights = session.weights();
    for (auto& [key, truth] : judge.weights()) {
      if (truth.dtype != DType::f32) continue;
      EXPECT_LE(largest_difference(weights.at(key), truth), 1e-4)
          << key << ", " << replicas << " replicas";
    }
  }
}

// After some steps, uneven and smaller than the replicas among them.
TEST_P(OnCudaSession, BitsDoNotDependOnPlacements) {
  // Groups of two need two samples each.
  const int64_t small = GetParam().name == "groups" ? 17 : 5;
  const std::vector<int64_t> batches =
      quick() ? std::vector<int64_t>{32, 19, 32, small, 32} : std::vector<int64_t>{19, 5};
  Session one(model(8), on(gpus(1)));
  const Trace trace = run_steps(one, batches);
  for (int devices : {2, 3, 4, 8}) {
    machine::seed(uint64_t(devices));
    Session session(model(8), on(gpus(devices)));
    EXPECT_EQ(difference(session, trace, run_steps(session, batches)), "") << devices;
  }
}

TEST_P(OnCudaSession, BitsDoNotDependOnTheOrderInWhichAnythingEnds) {
  const std::vector<int64_t> batches =
      quick() ? std::vector<int64_t>{19, 19, 32} : std::vector<int64_t>{9, 9};
  Session first(model(4), on(gpus(2)));
  const Trace trace = run_steps(first, batches);
  for (uint64_t seed = 1; seed <= (quick() ? 12 : 5); ++seed) {
    machine::seed(seed);
    Session session(model(4), on(gpus(2)));
    ASSERT_EQ(difference(session, trace, run_steps(session, batches)), "") << "seed " << seed;
  }
}

TEST_P(OnCudaSession, BitsDoNotDependOnEnginesAndPasses) {
  const std::vector<int64_t> batches =
      quick() ? std::vector<int64_t>{19, 32} : std::vector<int64_t>{9};
  Session first(model(4), on(gpus(2)));
  const Trace trace = run_steps(first, batches);
  for (const char* engine : {"tbb", "threads"}) {
    auto options = on(gpus(2));
    options.engine = engine;
    Session session(model(4), options);
    EXPECT_EQ(difference(session, trace, run_steps(session, batches)), "") << engine;
  }
  for (auto& pass : optional_passes()) {
    Session session(model(4), on(gpus(2), {pass}));
    EXPECT_EQ(difference(session, trace, run_steps(session, batches), pass != "fuse_add"), "")
        << "without " << pass;
  }
}

// A recording freezes what is launched, not what kernels read: rate, step and momentum go on.
TEST_P(OnCudaSession, ReplayedStepsHaveTheBitsOfPlainLaunches) {
  auto run = [&](int devices, bool replay) {
    auto options =
        on(gpus(devices), replay ? std::set<std::string>{} : std::set<std::string>{"replay"});
    options.digest = false;
    Session session(model(4), options);
    std::vector<double> losses;
    for (int i = 0; i < (quick() ? 8 : 5); ++i) {
      const int64_t n = i == 3 ? 7 : quick() ? 20 : 9;
      RandomBatch batch(session.model(), n, uint64_t(40 + i));
      losses.push_back(session.step(batch.pointers, n, 0.1 * (1 + std::cos(i / 8.0))).loss);
    }
    EXPECT_EQ(session.executor(Mode::train, quick() ? 20 : 9).replayed() > 0, replay);
    return std::pair(session.state().digest(devices - 1), losses);
  };
  const int64_t before = machine::emulated() ? machine::launches() : 0;
  const auto plainly = run(1, false);
  if (machine::emulated()) {
    EXPECT_GT(machine::launches(), before);
  }
  EXPECT_EQ(run(1, true), plainly);
  EXPECT_EQ(run(4, true), plainly);
}

// The inputs of the next step come while this one runs; one that is announced and not taken is of
// no use and does no harm.
TEST_P(OnCudaSession, InputsThatAreBroughtAheadGiveTheSameBits) {
  auto run = [&](bool ahead, bool replay) {
    auto options = on(gpus(2), replay ? std::set<std::string>{} : std::set<std::string>{"replay"});
    options.digest = false;
    Session session(model(4), options);
    std::vector<RandomBatch> batches;
    for (int i = 0; i < 7; ++i) batches.emplace_back(session.model(), 20, uint64_t(70 + i));
    std::vector<double> losses;
    for (size_t i = 0; i < (quick() ? 6 : 5); ++i) {
      auto& next = batches[i == 3 ? 6 : i + 1].pointers;
      losses.push_back(
          session.step(batches[i].pointers, 20, 0.1, ahead ? next : std::vector<const void*>{})
              .loss);
    }
    return std::pair(session.state().digest(1), losses);
  };
  const auto without = run(false, false);
  EXPECT_EQ(run(true, false), without);
  EXPECT_EQ(run(true, true), without);
}

TEST_P(OnCudaSession, OutputsAreTheReferencesInEvaluation) {
  Session judge(model(4), {.engine = "reference"});
  Session session(model(4), on(gpus(2)));
  RandomBatch batch(session.model(), 7, 5);
  Array image = Array::zeros(DType::f32, session.model().inputs[0].type.dims(7));
  std::copy(batch.bytes[0].begin(), batch.bytes[0].end(), image.bytes.begin());
  auto expected = judge.run({{"image", image}}).at("logits");
  auto outputs = session.run({{"image", image}}).at("logits");
  ASSERT_EQ(outputs.dims, expected.dims);
  auto wide = expected.as<double>();
  auto got = outputs.as<float>();
  double scale = 0;
  for (double v : wide) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wide[i], 1e-4 * scale);
}

INSTANTIATE_TEST_SUITE_P(Networks, OnCudaSession, ::testing::ValuesIn(networks),
                         [](auto& info) { return info.param.name; });

// ---- what goes wrong

class CudaFaults : public ::testing::Test {
 protected:
  void SetUp() override { machine::reset(); }
  void TearDown() override { machine::reset(); }
  static std::string message(const std::function<void()>& run) {
    try {
      run();
    } catch (const Error& e) {
      fault = e.fault();
      return e.diagnostics().front().code + ": " + e.diagnostics().front().message;
    }
    return "nothing was thrown";
  }
  inline static Fault fault = Fault::run;
};

// The same words as on the CPU, the same State as before, and the session goes on.
TEST_F(CudaFaults, ABadLabelIsNamedAsOnTheCpuAndChangesNothing) {
  for (bool replay : {false, true}) {
    auto options = on(gpus(2), replay ? std::set<std::string>{} : std::set<std::string>{"replay"});
    options.digest = false;
    Session session(plain(4), options), host(plain(4), {});
    RandomBatch good(session.model(), 20, 3), bad(session.model(), 20, 3);
    for (int i = 0; i < 3; ++i) {
      session.step(good.pointers, 20, 0.1);
      host.step(good.pointers, 20, 0.1);
    }
    reinterpret_cast<int64_t*>(bad.bytes[1].data())[13] = 77;
    reinterpret_cast<int64_t*>(bad.bytes[1].data())[17] = -3;
    const auto before = session.state().digest(0);
    auto expected = message([&] { host.step(bad.pointers, 20, 0.1); });
    auto found = message([&] { session.step(bad.pointers, 20, 0.1); });
    for (auto* text : {&expected, &found})
      for (auto device : {"cpu", "cuda:0"})
        if (auto at = text->find(device); at != text->npos)
          text->replace(at, std::string(device).size(), "DEVICE");
    EXPECT_EQ(found, expected);
    EXPECT_NE(found.find("E0420"), found.npos) << found;
    EXPECT_EQ(session.state().digest(0), before);
    EXPECT_EQ(session.state().digest(1), before);
    session.step(good.pointers, 20, 0.1);
    EXPECT_NE(session.state().digest(0), before);
  }
}

// Values that are long overwritten when the step has ended: it is run once more.
TEST_F(CudaFaults, ASingleValueForAChannelIsNamedAsOnTheCpu) {
  Session session(mlp(4, 2), on(gpus(2))), host(mlp(4, 2), {});
  RandomBatch batch(session.model(), 3, 3);
  auto expected = message([&] { host.step(batch.pointers, 3, 0.1); });
  auto found = message([&] { session.step(batch.pointers, 3, 0.1); });
  EXPECT_NE(found.find("E0410"), found.npos) << found;
  expected.replace(expected.find("cpu"), 3, "cuda:0");
  EXPECT_EQ(found, expected);
}

TEST_F(CudaFaults, ADeviceThatDoesNotExistIsNamed) {
  EXPECT_EQ(message([] { Session(plain(4), on({"cuda:97"})); }).substr(0, 5), "E0509");
  EXPECT_EQ(fault, Fault::device);
}

TEST_F(CudaFaults, AMachineWithoutGpusIsNamed) {
  ONLY_EMULATED("there are no devices");
  machine::no_devices();
  EXPECT_EQ(message([] { Session(plain(4), on({"cuda:0"})); }).substr(0, 5), "E0508");
  EXPECT_EQ(fault, Fault::device);
}

TEST_F(CudaFaults, MemoryThatRunsOutIsAnErrorThatLeavesTheSessionUsable) {
  const int64_t left = machine::emulated() ? 3 << 20 : 256 << 20, many = left / 150;
  machine::set_memory(left);
  Session session(plain(4), on(gpus(2)));
  RandomBatch small(session.model(), 8, 3), large(session.model(), many, 3);
  session.step(small.pointers, 8, 0.1);
  auto text = message([&] { session.step(large.pointers, many, 0.1); });
  EXPECT_TRUE(text.starts_with("E0401") || text.starts_with("E0403")) << text;
  session.step(small.pointers, 8, 0.1);
}

TEST_F(CudaFaults, APoisonedDeviceEndsTheSessionAtOnce) {
  machine::ruin([]() -> std::string {
    Session session(plain(4), on(gpus(2)));
    RandomBatch batch(session.model(), 20, 3);
    session.step(batch.pointers, 20, 0.1);
    machine::fail_launch(5);
    auto text = message([&] { session.step(batch.pointers, 20, 0.1); });
    if (!text.starts_with("E0520") || fault != Fault::device) return text;
    text = message([&] { session.step(batch.pointers, 20, 0.1); });
    return text.starts_with("E0524") ? "" : text;
  });
}

TEST_F(CudaFaults, ADeviceThatHangsIsGivenUpAfterTheDeadline) {
  auto options = on(gpus(1), {"replay"});
  options.deadline = 0.2;
  Session session(plain(4), options);
  RandomBatch batch(session.model(), 20, 3);
  session.step(batch.pointers, 20, 0.1);
  machine::hang_launch(5);
  auto text = message([&] { session.step(batch.pointers, 20, 0.1); });
  EXPECT_TRUE(text.starts_with("E0523")) << text;
  EXPECT_NE(text.find("step 2"), text.npos) << text;
  EXPECT_NE(text.find("the first that has not ended: "), text.npos) << text;
  EXPECT_NE(text.find(", strand "), text.npos) << text;
  EXPECT_EQ(fault, Fault::device);
}

TEST_F(CudaFaults, WhatIsNotFiniteIsNamed) {
  auto options = on(gpus(2));
  options.check_finite = true;
  Session session(plain(4), options);
  RandomBatch batch(session.model(), 20, 3);
  session.step(batch.pointers, 20, 0.1);
  auto weights = session.weights();
  weights.at("fc2.weight").as<float>()[3] = INFINITY;
  session.set_weights(weights);
  const auto before = session.state().digest(1);
  auto text = message([&] { session.step(batch.pointers, 20, 0.1); });
  EXPECT_TRUE(text.starts_with("E0413")) << text;
  EXPECT_NE(text.find("fc2"), text.npos) << text;
  EXPECT_EQ(session.state().digest(1), before);
}

// ---- hooks

// What a hook sees, by replica; hooks of several replicas come in any order.
struct Seen {
  std::mutex mutex;
  std::map<int, double> sums = {};

  Hooks hooks(HookOptions options = {}) {
    Hooks h;
    h.on_forward(
        at("relu1"),
        [this](const HookVisit& v) {
          std::lock_guard lock(mutex);
          for (auto& slice : v.slices)
            for (float x : slice.values[0].f32()) sums[slice.replica] += double(x);
        },
        options);
    return h;
  }
};

class CudaHooks : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { machine::reset(); }
  SessionOptions options(int devices, Hooks hooks) const {
    auto o =
        on(gpus(devices), GetParam() ? std::set<std::string>{} : std::set<std::string>{"replay"});
    o.digest = false;
    o.hooks = std::move(hooks);
    return o;
  }
  static std::vector<double> steps(Session& session, int count = 4) {
    std::vector<double> losses;
    for (int i = 0; i < count; ++i) {
      RandomBatch batch(session.model(), 20, uint64_t(60 + i));
      losses.push_back(session.step(batch.pointers, 20, 0.1).loss);
    }
    return losses;
  }
};

TEST_P(CudaHooks, ThatOnlyReadSeeEveryReplicaAndChangeNoBit) {
  Session without(plain(4), options(2, {}));
  const auto losses = steps(without);
  for (const char* engine : {"serial", "tbb", "threads"}) {
    Seen seen, host;
    auto o = options(2, seen.hooks());
    o.engine = engine;
    Session watched(plain(4), o);
    EXPECT_EQ(steps(watched), losses);
    EXPECT_EQ(watched.state().digest(1), without.state().digest(0));
    Session cpu(plain(4), {.engine = "serial", .hooks = host.hooks()});
    steps(cpu);
    ASSERT_EQ(seen.sums.size(), size_t(4));
    for (auto& [replica, sum] : host.sums) EXPECT_NEAR(seen.sums[replica], sum, 1e-3 * sum);
  }
}

TEST_P(CudaHooks, AJoinedOneSeesAllReplicasAtOnce) {
  Seen joined, each;
  Session a(plain(4), options(2, joined.hooks({.joined = true})));
  Session b(plain(4), options(2, each.hooks()));
  EXPECT_EQ(steps(a), steps(b));
  EXPECT_EQ(joined.sums, each.sums);
}

TEST_P(CudaHooks, AMutatingOneGoesOnInPlaceOfWhatItSaw) {
  Hooks hooks;
  hooks.on_forward(at("fc1"),
                   [](const HookVisit& v) {
                     for (float& x : v.values().edit()) x *= 2;
                   },
                   {.mutates = true, .name = "double"});
  Session cuda(plain(4), options(2, hooks)), cpu(plain(4), {.hooks = hooks}), none(plain(4));
  const auto expected = steps(cpu), plainly = steps(none), found = steps(cuda);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4);
  EXPECT_GT(std::abs(found[0] - plainly[0]), 1e-4);
}

TEST_P(CudaHooks, OneThatThrowsBetweenLaunchesChangesNothing) {
  for (const char* engine : {"serial", "tbb"}) {
    bool grumpy = false;
    Hooks hooks;
    hooks.on_forward(at("tanh"),
                     [&](const HookVisit& v) {
                       if (grumpy && v.replica() == 2) throw std::runtime_error("not today");
                     },
                     {.name = "grumpy"});
    hooks.on_step([](const HookVisit& v) { EXPECT_GT(v.result("loss"), 0); });
    auto o = options(2, hooks);
    o.engine = engine;
    Session session(plain(4), o);
    steps(session);
    const auto before = session.state().digest(0);
    grumpy = true;
    RandomBatch batch(session.model(), 20, 9);
    try {
      session.step(batch.pointers, 20, 0.1);
      FAIL() << "nothing was thrown";
    } catch (const Error& e) {
      const std::string text = e.what();
      EXPECT_NE(text.find("grumpy"), text.npos) << text;
      EXPECT_NE(text.find("not today"), text.npos) << text;
      EXPECT_NE(text.find("replica 2"), text.npos) << text;
    }
    for (int d : {0, 1}) EXPECT_EQ(session.state().digest(d), before);
    grumpy = false;
    session.step(batch.pointers, 20, 0.1);
    EXPECT_NE(session.state().digest(0), before);
  }
}

// Inputs come to the host, results go back; what is made there has the bits of the device's ReLU.
TEST_P(CudaHooks, OneThatComputesIsALayer) {
  Hooks hooks;
  hooks.bind("relu", [](const HookVisit& v) {
    std::ranges::transform(v["x"].f32(), v["y"].edit().begin(),
                           [](float x) { return x > 0 ? x : 0; });
  });
  hooks.bind("relu_back", [](const HookVisit& v) {
    std::ranges::transform(v["y"].f32(), v["grad:y"].f32(), v["grad:x"].edit().begin(),
                           [](float y, float g) { return y > 0 ? g : 0; });
  });
  Model own = plain(4);
  own.layers[1].type = "Callback";
  own.layers[1].params = {
      {"call", "relu"},
      {"backward", "relu_back"},
      {"ports", Dict{{"in", Attr::List{"x"}}, {"out", Dict{{"y", Attr::List{"N", 24}}}}}}};
  Session built_in(plain(4), options(1, {}));
  const auto losses = steps(built_in);
  for (int devices : {1, 2, 4}) {
    Session session(own, options(devices, hooks));
    EXPECT_EQ(steps(session), losses) << devices;
    EXPECT_EQ(session.state().digest(devices - 1), built_in.state().digest(0)) << devices;
  }
}

INSTANTIATE_TEST_SUITE_P(Launches, CudaHooks, ::testing::Bool(),
                         [](auto& info) { return info.param ? "replayed" : "plain"; });

// ---- checkpoints

TEST(CudaCheckpoint, ContinuesOnOtherPlacementsWithTheSameBits) {
  machine::reset();
  auto options = [](int devices) {
    auto o = on(gpus(devices));
    o.digest = false;
    return o;
  };
  Session whole(plain(4), options(1)), first(plain(4), options(4)), second(plain(4), options(2));
  auto step = [](Session& s, int i) {
    RandomBatch batch(s.model(), 32, uint64_t(60 + i));
    return s.step(batch.pointers, 32, 0.1).loss;
  };
  for (int i = 0; i < 6; ++i) step(whole, i);
  for (int i = 0; i < 3; ++i) step(first, i);
  EXPECT_EQ(second.restore(first.checkpoint(), true), "");
  for (int i = 3; i < 6; ++i) step(second, i);
  EXPECT_EQ(second.state().digest(1), whole.state().digest(0));
}

}  // namespace
}  // namespace braid::test
