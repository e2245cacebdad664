// Two optimizers over one State: what each of them moves, how often statistics are written, and
// the same bits on any devices.
#include <braid/compiler/phases.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>
#include <gtest/gtest.h>

#include "support/models.h"
#include "support/square_loss.h"

namespace braid::test {
namespace {

Model read(const std::string& text) {
  Diagnostics found;
  Model model = read_text(text, "net.yaml", {}, found);
  found.raise();
  return model;
}

Registry registry() {
  Registry all;
  register_builtin(all);
  test::register_square_loss(all);
  return all;
}

const std::string gan = R"(braid: 1
replicas: 4
batch: {global: 16}
inputs: {z: {shape: [N, 5]}, real: {shape: [N, 3]}}
blocks:
  net:
    params: {out: int}
    layers:
      - {name: fc1, type: Linear, out_features: 8, bias: false}
      - {name: bn, type: BatchNorm1d}
      - ReLU
      - {name: fc2, type: Linear, out_features: $out}
layers:
  - {name: G, use: net, out: 3, from: z}
  - {name: D, use: net, out: 1, from: real}
  - {name: D_fake, share: D, from: G}
outputs: {fake: G, score: D}
phases:
  d:
    loss:
      real: {type: Squares, from: D, target: 1}
      fake: {type: Squares, from: D_fake, target: 0}
    optimizer: {type: Adam, lr: 0.01}
    update: ["D.*"]
  g:
    loss: {type: Squares, from: D_fake, target: 1, factor: 2}
    optimizer: {type: Adam, lr: 0.02}
    update: ["G.*"]
)";

std::map<std::string, Array> after(const Model& model, int steps, SessionOptions options = {}) {
  Session session(model, std::move(options), registry());
  for (int i = 0; i < steps; ++i) {
    RandomBatch batch(model, i == 1 ? 7 : 16, uint64_t(i));
    session.step(batch.pointers, i == 1 ? 7 : 16, std::vector<double>{0.01, 0.02});
  }
  return session.weights();
}

std::string moved(const std::map<std::string, Array>& a, const std::map<std::string, Array>& b) {
  std::string keys;
  for (auto& [key, array] : a)
    if (b.at(key).bytes != array.bytes) keys += key + " ";
  return keys;
}

TEST(Phases, EachMovesItsOwn) {
  Model model = read(gan), d = in_phase(model, registry(), 0, {}),
        g = in_phase(model, registry(), 1, {0});
  EXPECT_EQ(d.losses.size(), 2u);
  EXPECT_EQ(g.losses.size(), 1u);
  auto start = after(model, 0);
  EXPECT_EQ(moved(start, after(d, 1)),
            "D.bn.bias D.bn.num_batches_tracked D.bn.running_mean D.bn.running_var D.bn.weight "
            "D.fc1.weight D.fc2.bias D.fc2.weight G.bn.num_batches_tracked G.bn.running_mean "
            "G.bn.running_var ");
  // The generator ran in phase d, on the same batch: its statistics are not written again. The
  // discriminator has changed since.
  EXPECT_EQ(moved(start, after(g, 1)),
            "D.bn.num_batches_tracked D.bn.running_mean D.bn.running_var G.bn.bias G.bn.weight "
            "G.fc1.weight G.fc2.bias G.fc2.weight ");
}

int64_t tracked(const std::map<std::string, Array>& weights, const std::string& layer) {
  return weights.at(layer + ".bn.num_batches_tracked").as<int64_t>()[0];
}

// As the usual loop in PyTorch: the fake images are made once, judged before and after the step.
TEST(Phases, StatisticsMoveOncePerForwardPassOfTheUsualLoop) {
  auto weights = after(read(gan), 3);
  EXPECT_EQ(tracked(weights, "G"), 3);
  EXPECT_EQ(tracked(weights, "D"), 9);
}

TEST(Phases, WhatIsDueRunsEverySoManyBatches) {
  std::string text = gan;
  text.insert(text.find("    update: [\"D.*\"]"), "    every: 2\n");
  auto weights = after(read(text), 3);
  EXPECT_EQ(tracked(weights, "G"), 3);
  EXPECT_EQ(tracked(weights, "D"), 7);  // 2 * 2 in phase d, 3 in phase g
}

TEST(Phases, OneStepIsThatOfTheParts) {
  Model model = read(gan);
  Session whole(model, {}, registry());
  RandomBatch batch(model, 16, 4);
  auto report = whole.step(batch.pointers, 16, std::vector<double>{0.01, 0.02});
  Session d(in_phase(model, registry(), 0, {}), {}, registry());
  auto first = d.step(batch.pointers, 16, 0.01);
  Session g(in_phase(model, registry(), 1, {0}), {}, registry());
  g.set_weights(d.weights());
  auto second = g.step(batch.pointers, 16, 0.02);
  EXPECT_EQ(moved(whole.weights(), g.weights()), "");
  EXPECT_EQ(report.losses.at("d.real"), first.losses.at("d.real"));
  EXPECT_EQ(report.losses.at("g"), second.losses.at("g"));
  EXPECT_EQ(report.loss,
            first.losses.at("d.real") + first.losses.at("d.fake") + 2 * report.losses.at("g"));
}

TEST(Phases, EqualBitsOverDevicesAndEngines) {
  Model model = read(gan);
  auto base = after(model, 4, {.engine = "serial"});
  for (int devices : {1, 2, 3, 4})
    EXPECT_EQ(moved(base, after(model, 4, {.devices = cpus(devices), .threads = 2})), "")
        << devices;
  EXPECT_EQ(moved(base, after(model, 4, {.devices = cpus(2), .threads = 3, .engine = "threads"})),
            "");
}

TEST(Phases, ResumeGoesOnWithTheSameBits) {
  Model model = read(gan);
  Session one(model, {}, registry()), two(model, {.devices = cpus(2)}, registry());
  auto step = [&](Session& session, int i) {
    RandomBatch batch(model, 16, uint64_t(i));
    session.step(batch.pointers, 16, std::vector<double>{0.01, 0.02});
  };
  step(one, 0);
  EXPECT_EQ(two.restore(one.checkpoint()), "");
  step(one, 1);
  step(two, 1);
  EXPECT_EQ(moved(one.weights(), two.weights()), "");
  EXPECT_EQ(two.steps_done(), 2);
}

TEST(Phases, EvalHasTheLossesOfAll) {
  Session session(read(gan), {}, registry());
  auto& plan = session.plan({.mode = Mode::eval, .batch = 4});
  std::string names;
  for (auto& result : plan.results) names += result.name + " ";
  EXPECT_EQ(names, "d.real d.fake g fake score ");
  EXPECT_THROW(session.plan(Mode::train, 4), Error);
}

}  // namespace
}  // namespace braid::test
