// Hooks: order, contexts, what they are shown, and that they are polite: reading changes no bit.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <mutex>

#include <braid/compiler/draw.h>
#include <braid/dsl/read.h>
#include <braid/runtime/hooks.h>
#include <braid/runtime/session.h>

#include "support/models.h"

namespace braid {
namespace {

using test::convnet;
using test::mlp;

struct Outcome {
  std::map<std::string, Array> state;
  double loss = 0;
  uint64_t hash = 0;
};

// Three steps of a model; everything that came of it.
Outcome run(const Model& model, SessionOptions options, int64_t batch = 20) {
  Session session(model, std::move(options));
  Outcome out;
  for (int step = 0; step < 3; ++step) {
    test::RandomBatch data(model, batch, 40 + uint64_t(step));
    out.loss = session.step(data.pointers, batch, 0.1).loss;
  }
  out.state = session.state().all();
  out.hash = session.plan(Mode::train, batch).program_hash;
  return out;
}

std::string message(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

Model read(const std::string& text) {
  Diagnostics found;
  Model model = read_text(text, "net.yaml", {}, found);
  found.raise();
  return model;
}

const char* const kBlocks = R"(braid: 1
name: tree
replicas: 3
inputs: {x: {shape: [N, 4], dtype: f32}}
blocks:
  part:
    layers:
      - {name: fc, type: Linear, out_features: 4, on_replicate: note}
      - {name: act, type: ReLU}
layers:
  - {name: a, use: part, from: x, on_replicate: note}
  - name: b
    on_replicate: note
    layers:
      - {name: bn, type: BatchNorm1d, on_replicate: note}
  - {name: again, share: a, from: b}
outputs: {y: again}
)";

TEST(Hooks, ReplicationWalksReplicaAfterReplicaInTraversalOrder) {
  std::vector<std::pair<CallbackContext*, int>> calls;
  Hooks hooks;
  hooks.bind("note", [&](CallbackContext& ctx, int copy) { calls.push_back({&ctx, copy}); });
  Session session(read(kBlocks), {.hooks = hooks});
  // a, a.fc, b, b.bn; the second call of a is the same module.
  ASSERT_EQ(calls.size(), 12u);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(calls[i].second, int(i / 4));
    EXPECT_EQ(calls[i].first, calls[i % 4].first) << "one context for each position";
  }
  EXPECT_NE(calls[0].first, calls[1].first);
  session.plan(Mode::eval, 5);
  session.plan(Mode::eval, 6);
  EXPECT_EQ(calls.size(), 12u) << "a program that is made later replicates nothing";
}

TEST(Hooks, PositionsArePreOrderWithTheRoot) {
  std::string order;
  for (auto& at : positions(read(kBlocks))) order += at.path + ":" + at.type + " ";
  EXPECT_EQ(order, ":Model a:part a.fc:Linear a.act:ReLU b:Sequential b.bn:BatchNorm1d ");
}

TEST(Hooks, ContextsCarryTypedValuesFromTheMasterToTheOthers) {
  struct Meeting {
    std::vector<int> seen;
  };
  std::vector<int> joined;
  Hooks hooks;
  hooks.on_replicate(of_type("BatchNorm1d"), [&](CallbackContext& ctx, int copy) {
    if (copy == 0) ctx.emplace<Meeting>();
    ctx.get<Meeting>().seen.push_back(copy);
    joined = ctx.get<Meeting>().seen;
    EXPECT_EQ(ctx.find<int>(), nullptr);
    EXPECT_THROW(ctx.get<int>(), Error);
  });
  hooks.bind("note", [](CallbackContext&, int) {});
  Session session(read(kBlocks), {.hooks = hooks});
  EXPECT_EQ(joined, (std::vector<int>{0, 1, 2}));
}

TEST(Hooks, EveryReplicationHasFreshContexts) {
  Hooks hooks;
  hooks.bind("note", [](CallbackContext& ctx, int copy) {
    EXPECT_EQ(ctx.size(), copy == 0 ? 0u : 1u);
    if (copy == 0) ctx.emplace<int>(1);
  });
  for (int i = 0; i < 3; ++i) Session session(read(kBlocks), {.hooks = hooks});
}

TEST(Hooks, NamesThatNothingAnswersToAreErrors) {
  auto text = message([] { Session session(read(kBlocks), {}); });
  EXPECT_NE(text.find("net.yaml:11:12: error[E0423]: layer 'a': on_replicate calls 'note'"),
            std::string::npos)
      << text;
  text = message([] {
    Hooks hooks;
    hooks.bind("note", [](CallbackContext&, int) {});
    hooks.bind("nite", [](CallbackContext&, int) {});
    Session session(read(kBlocks), {.hooks = hooks});
  });
  EXPECT_NE(text.find("E0424"), std::string::npos) << text;
  EXPECT_NE(text.find("nothing named 'nite' (did you mean 'note'?)"), std::string::npos) << text;
  EXPECT_NE(text.find("hooks_test.cpp:"), std::string::npos) << text;
  text = message([] {
    Hooks hooks;
    hooks.on_forward(at("bn3"), [](const HookVisit&) {});
    Session session(mlp(2), {.hooks = hooks});
  });
  EXPECT_NE(text.find("no layer 'bn3' (did you mean 'bn1'?)"), std::string::npos) << text;
}

// Counts visits of every kind at every layer.
Hooks watch_everything(std::atomic<int>& visits) {
  Hooks hooks;
  auto count = [&visits](const HookVisit& v) {
    for (auto& slice : v.slices)
      for (auto& value : slice.values) visits += value.elements() > 0;
  };
  hooks.on_forward(at("*"), count, {.inputs = true});
  hooks.on_forward(at("*"), count, {.joined = true});
  hooks.on_backward(at("*"), count, {.inputs = true});
  hooks.on_backward(at("*"), count, {.joined = true});
  hooks.on_stats(of_type("BatchNorm*"), count);
  hooks.on_step(count);
  return hooks;
}

TEST(Hooks, ThatOnlyReadChangeNoBitAndNoHash) {
  for (auto& model : {mlp(4), mlp(4, 2), convnet(3)}) {
    const Outcome plain = run(model, {});
    for (auto& devices : std::vector<std::vector<std::string>>{{"cpu"}, {"cpu:0", "cpu:1"}})
      for (const char* engine : {"tbb", "serial", "threads"}) {
        std::atomic<int> visits = 0;
        Outcome watched =
            run(model, {.devices = devices, .engine = engine, .hooks = watch_everything(visits)});
        EXPECT_GT(visits, 100);
        EXPECT_EQ(plain.state, watched.state) << engine << " on " << devices.size();
        EXPECT_EQ(plain.hash, watched.hash);
        EXPECT_EQ(plain.loss, watched.loss);
      }
  }
}

// What the hook is shown lies in blocks of channels and is a result, too, plain, at the end.
TEST(Hooks, ThatReadAnOutputOfEvalChangeNoHash) {
  std::vector<uint64_t> hashes;
  for (bool watched : {false, true}) {
    Hooks hooks;
    if (watched) hooks.on_forward(at("conv1"), [](const HookVisit&) {});
    Session session(convnet(2), {.hooks = hooks});
    hashes.push_back(session.plan(Mode::eval, 8, {"conv1", "logits"}).program_hash);
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST(Hooks, ForwardAndBackwardShowWhatIsThere) {
  Model model = convnet(4);
  std::mutex mutex;
  std::map<int, std::vector<float>> relu, bn, gradient;
  Hooks hooks;
  hooks.on_forward(at("relu1"), [&](const HookVisit& v) {
    std::lock_guard lock(mutex);
    EXPECT_EQ(v.type, "ReLU");
    EXPECT_EQ(v.values().dims, (std::vector<int64_t>{5, 16, 12, 12}));
    EXPECT_EQ(v.slices.front().first_sample, 5 * v.replica());
    relu[v.replica()].assign(v.values().f32().begin(), v.values().f32().end());
  });
  hooks.on_forward(at("bn1"), [&](const HookVisit& v) {  // fused with relu1 in the program
    std::lock_guard lock(mutex);
    bn[v.replica()].assign(v.values().f32().begin(), v.values().f32().end());
  });
  hooks.on_backward(at("fc2"),
                    [&](const HookVisit& v) {
                      std::lock_guard lock(mutex);
                      EXPECT_EQ(v.inputs().dims, (std::vector<int64_t>{5, 32}));
                      gradient[v.replica()].assign(v.values().f32().begin(),
                                                   v.values().f32().end());
                    },
                    {.inputs = true});
  Session session(model, {.hooks = hooks});
  test::RandomBatch data(model, 20, 1);
  session.step(data.pointers, 20, 0.1);
  ASSERT_EQ(relu.size(), 4u);
  for (int r = 0; r < 4; ++r) {
    ASSERT_EQ(relu[r].size(), bn[r].size());
    for (size_t i = 0; i < bn[r].size(); ++i)
      ASSERT_EQ(relu[r][i], bn[r][i] > 0 ? bn[r][i] : 0.0f) << "replica " << r << " at " << i;
    double sum = 0;  // softmax minus one-hot sums to 0 over the classes
    for (float g : gradient[r]) sum += double(g);
    EXPECT_NEAR(sum, 0, 1e-6);
  }
}

TEST(Hooks, StatsAreTheMomentsOfTheWholeBatch) {
  for (int group : {0, 2, 1}) {
    Model model = mlp(4, group);
    std::mutex mutex;
    std::map<int, double> counts;
    std::vector<double> mean;
    Hooks hooks;
    hooks.on_stats(at("bn1"), [&](const HookVisit& v) {
      std::lock_guard lock(mutex);
      counts[v.replica()] = v.count()[0];
      for (double m2 : v.m2()) EXPECT_GE(m2, 0);
      mean.assign(v.mean().begin(), v.mean().end());
    });
    Session session(model, {.hooks = hooks});
    test::RandomBatch data(model, 18, 1);  // 5, 5, 4, 4
    session.step(data.pointers, 18, 0.1);
    if (group == 0) {
      EXPECT_EQ(counts, (std::map<int, double>{{0, 18}}));
      const float* running = session.state().at<float>(0, session.state().find("bn1.running_mean"));
      for (size_t c = 0; c < mean.size(); ++c) EXPECT_NEAR(0.1 * mean[c], running[c], 1e-6);
    } else if (group == 2) {
      EXPECT_EQ(counts, (std::map<int, double>{{0, 10}, {2, 8}}));
    } else {
      EXPECT_EQ(counts, (std::map<int, double>{{0, 5}, {1, 5}, {2, 4}, {3, 4}}));
    }
  }
}

TEST(Hooks, StepSeesTheLossBeforeAnythingIsWritten) {
  Model model = mlp(3);
  double seen = 0;
  Hooks hooks;
  hooks.on_step([&](const HookVisit& v) {
    seen = v.result("loss");
    EXPECT_GE(v.result("accuracy"), 0);
    EXPECT_TRUE(std::isnan(v.result("nothing")));
    if (v.step == 1) throw std::runtime_error("enough");
  });
  Session session(model, {.hooks = hooks});
  test::RandomBatch data(model, 10, 1);
  double loss = session.step(data.pointers, 10, 0.1).loss;
  EXPECT_EQ(loss, seen);
  uint64_t before = session.state().digest(0);
  auto text = message([&] { session.step(data.pointers, 10, 0.1); });
  EXPECT_NE(text.find("hook on_step 'hooks_test.cpp:"), std::string::npos) << text;
  EXPECT_NE(text.find("enough"), std::string::npos) << text;
  EXPECT_EQ(before, session.state().digest(0));
  EXPECT_EQ(session.steps_done(), 1);
}

TEST(Hooks, StepIsCalledWhereAMicroBatchHasNoSamples) {
  Model model = mlp(2);
  model.batch.accumulate = 4;
  for (auto& layer : model.layers)  // a micro-batch of one sample has no statistics
    if (layer.type == "BatchNorm1d") layer.freeze = Freeze::stats;
  std::vector<double> seen, accuracies;
  Hooks hooks;
  hooks.on_step([&](const HookVisit& v) {
    seen.push_back(v.result("loss"));
    accuracies.push_back(v.result("accuracy"));
  });
  Session session(model, {.devices = {"cpu:0", "cpu:1"}, .hooks = hooks});
  std::vector<double> losses, reported;
  for (int64_t batch : {8, 3, 1}) {
    test::RandomBatch data(model, batch, 1);
    auto report = session.step(data.pointers, batch, 0.1);
    losses.push_back(report.loss);
    reported.push_back(report.metrics.at("accuracy"));
  }
  EXPECT_EQ(seen, losses);
  EXPECT_EQ(accuracies, reported);
}

TEST(Hooks, AJoinedOneSeesAllReplicasAtOnce) {
  Model model = mlp(4);
  std::vector<int> replicas;
  std::vector<int64_t> rows;
  int calls = 0;
  Hooks hooks;
  hooks.on_forward(at("bn1"),
                   [&](const HookVisit& v) {
                     ++calls;
                     for (auto& slice : v.slices) {
                       replicas.push_back(slice.replica);
                       rows.push_back(slice.values[0].dims[0]);
                     }
                   },
                   {.joined = true});
  Session session(model, {.devices = {"cpu:0", "cpu:1"}, .hooks = hooks});
  test::RandomBatch data(model, 3, 1);  // replica 3 is empty
  session.step(data.pointers, 3, 0.1);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(replicas, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(rows, (std::vector<int64_t>{1, 1, 1}));
}

TEST(Hooks, AMutatingOneGoesOnInPlaceOfWhatItSaw) {
  Model model = mlp(4);
  auto twice = [](const HookVisit& v) {
    for (auto& slice : v.slices)
      for (float& x : slice.values[0].edit()) x *= 2;
  };
  Hooks doubled, joined, gradient;
  doubled.on_forward(at("fc1"), twice, {.mutates = true, .name = "double"});
  joined.on_forward(at("fc1"), twice, {.joined = true, .mutates = true, .name = "double"});
  gradient.on_backward(at("fc3"), twice, {.mutates = true});
  const Outcome plain = run(model, {});
  for (auto* hooks : {&doubled, &joined, &gradient}) {
    const Outcome one = run(model, {.hooks = *hooks});
    EXPECT_NE(plain.state, one.state);
    EXPECT_NE(plain.hash, one.hash) << "what changes the arithmetic is part of the program";
    for (const char* engine : {"serial", "threads"})
      EXPECT_EQ(
          one.state,
          run(model, {.devices = {"cpu:0", "cpu:1", "cpu:2"}, .engine = engine, .hooks = *hooks})
              .state);
  }
  EXPECT_EQ(run(model, {.hooks = doubled}).state, run(model, {.hooks = joined}).state);
}

// Identity hands on its input: only where a hook wrote is its result another value.
TEST(Hooks, AMutatingOneLetsGradientsThroughALayerThatHandsOn) {
  test::Chain chain({N, 20}, 2);
  chain.add("fc1", "Linear", {{"out_features", 24}}).add("id", "Identity").add("tanh", "Tanh");
  chain.add("fc2", "Linear", {{"out_features", 10}});
  Model model = chain.done();
  auto touch = [](const HookVisit& v) {
    for (float& x : v.values().edit()) x *= 1;
  };
  const Outcome plain = run(model, {});
  for (const char* layer : {"fc1", "id"}) {
    Hooks hooks;
    hooks.on_forward(at(layer), touch, {.mutates = true});
    EXPECT_EQ(plain.state, run(model, {.hooks = hooks}).state) << layer;
  }
  int calls = 0;
  Hooks both;
  both.on_forward(at("id"), touch, {.mutates = true});
  both.on_backward(at("id"), [&](const HookVisit&) { ++calls; }, {.joined = true});
  EXPECT_EQ(plain.state, run(model, {.hooks = both}).state);
  EXPECT_EQ(calls, 3);
}

TEST(Hooks, ThatThrowEndTheStepOnAllReplicasWithTheirName) {
  Model model = convnet(4);
  for (const char* engine : {"tbb", "serial", "threads"})
    for (int culprit = 0; culprit < 4; ++culprit) {
      bool armed = true;
      Hooks hooks;
      hooks.on_forward(at("conv2"),
                       [&](const HookVisit& v) {
                         if (armed && v.replica() == culprit) throw std::runtime_error("no more");
                       },
                       {.name = "grumpy"});
      Session session(model, {.devices = {"cpu:0", "cpu:1"}, .engine = engine, .hooks = hooks});
      test::RandomBatch data(model, 8, 1);
      session.plan(Mode::train, 8);
      session.executor(Mode::train, 8);
      uint64_t before = session.state().digest(0);
      auto text = message([&] { session.step(data.pointers, 8, 0.1); });
      EXPECT_NE(text.find("E0426"), std::string::npos) << text;
      EXPECT_NE(text.find("hook on_forward 'grumpy' of layer 'conv2', replica " +
                          std::to_string(culprit)),
                std::string::npos)
          << text;
      EXPECT_NE(text.find("no more"), std::string::npos) << text;
      EXPECT_NE(text.find("bound here"), std::string::npos) << text;
      EXPECT_EQ(before, session.state().digest(0));
      armed = false;
      session.step(data.pointers, 8, 0.1);  // and the next step is fine
    }
}

TEST(Hooks, AThrowInReplicationNamesHookLayerAndReplica) {
  Hooks hooks;
  hooks.bind("note", [](CallbackContext&, int copy) {
    if (copy == 1) throw std::runtime_error("not me");
  });
  auto text = message([&] { Session session(read(kBlocks), {.hooks = hooks}); });
  EXPECT_NE(text.find("hook on_replicate 'note' of layer 'a', replica 1: not me"),
            std::string::npos)
      << text;
}

TEST(Hooks, ReadersCannotWriteAndWrongBindingsAreRefused) {
  Model model = mlp(2);
  Hooks hooks;
  hooks.on_forward(at("fc1"), [](const HookVisit& v) { v.values().edit()[0] = 1; });
  Session session(model, {.hooks = hooks});
  test::RandomBatch data(model, 8, 1);
  auto text = message([&] { session.step(data.pointers, 8, 0.1); });
  EXPECT_NE(text.find("not bound with `mutates`"), std::string::npos) << text;
  Hooks other;
  EXPECT_THROW(other.on_stats(at("bn1"), [](const HookVisit&) {}, {.mutates = true}), Error);
  EXPECT_THROW(other.on_forward(at("bn1"), {}), Error);
  Hooks stats;
  stats.on_stats(at("fc1"), [](const HookVisit&) {});
  text = message([&] { Session(model, {.hooks = stats}).plan(Mode::train, 4); });
  EXPECT_NE(text.find("E0425"), std::string::npos) << text;
  text = message([&] {  // and for gradients from outside as well
    Session(model, {.hooks = stats})
        .plan({.batch = 4, .wanted = {"logits"}, .goal = Goal::backward});
  });
  EXPECT_NE(text.find("E0425"), std::string::npos) << text;
}

TEST(Hooks, StandInThePlanAndInItsPicture) {
  Hooks hooks;
  hooks.on_replicate(
      at("bn1"), [](CallbackContext&, int) {}, "hello");
  hooks.on_forward(at("fc1"), [](const HookVisit&) {}, {.name = "watch"});
  hooks.on_stats(at("bn1"), [](const HookVisit&) {}, {.name = "moments"});
  Session session(mlp(2), {.hooks = hooks});
  auto& plan = session.plan(Mode::train, 8);
  std::string points;
  for (auto& point : plan.hook_points)
    points += std::string(to_string(plan.hooks[size_t(point.spec)].kind)) + " " + point.layer + " ";
  EXPECT_EQ(points, "on_forward fc1 on_stats bn1 on_replicate bn1 ");
  std::string dot = to_dot(draw_replicas(plan));
  for (const char* part : {"on_replicate: hello", "on_forward: watch", "on_stats: moments"})
    EXPECT_NE(dot.find(part), std::string::npos) << part;
}

TEST(Hooks, EvalVisitsForwardHooksOnly) {
  Model model = mlp(2);
  int forward = 0, other = 0;
  Hooks hooks;
  hooks.on_forward(at("fc3"), [&](const HookVisit& v) { forward += v.mode == Mode::eval; },
                   {.joined = true});
  hooks.on_backward(at("fc3"), [&](const HookVisit&) { ++other; });
  hooks.on_step([&](const HookVisit&) { ++other; });
  Session session(model, {.hooks = hooks});
  session.run({{"image", Array::zeros(DType::f32, {4, 20})}});
  EXPECT_EQ(forward, 1);
  EXPECT_EQ(other, 0);
}

}  // namespace
}  // namespace braid
