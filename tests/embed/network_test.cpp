// A network written in C++ is the one of its YAML file; and training as a program controls it.
#include <gtest/gtest.h>

#include <thread>

#include <braid/core/network.h>
#include <braid/runtime/train.h>

#include "support/models.h"

namespace braid::test {
namespace {

const std::string digits = BRAID_SOURCE_DIR "/examples/digits/digits.yaml";

Network digits_network() {
  Network net("digits");
  net.replicas(2).batch(64);
  const Link image = net.input("image", DType::f32, {N, 64});
  const Link label = net.input("label", DType::i64, {N});
  Link x = net.layer("fc1", "Linear", image, {{"out_features", 32}});
  x = net.layer("bn1", "BatchNorm1d", x);
  x = net.layer("relu", "ReLU", x);
  x = net.layer("fc2", "Linear", x, {{"out_features", 10}});
  net.output("logits", x)
      .loss("CrossEntropy", {x, label})
      .metric("accuracy", "Accuracy", {x, label})
      .optimizer("SGD", {{"lr", 0.1}, {"momentum", 0.9}});
  return net;
}

TEST(Network, IsTheProgramOfItsFile) {
  Diagnostics found;
  Model file = read_text(R"(braid: 1
name: digits
replicas: 2
batch: {global: 64}
inputs:
  image: {shape: [N, 64], dtype: f32}
  label: {shape: [N], dtype: i64}
layers:
  - {name: fc1, type: Linear, from: image, out_features: 32}
  - {name: bn1, type: BatchNorm1d}
  - {name: relu, type: ReLU}
  - {name: fc2, type: Linear, out_features: 10}
outputs: {logits: fc2}
loss: {type: CrossEntropy, from: [fc2, label]}
metrics: {accuracy: {type: Accuracy, from: [fc2, label]}}
optimizer: {type: SGD, lr: 0.1, momentum: 0.9}
)",
                         "net.yaml", {}, found);
  found.raise();
  Session a(file), b(digits_network().model());
  for (auto mode : {Mode::train, Mode::eval})
    EXPECT_EQ(hex(a.plan(mode, 64).program_hash), hex(b.plan(mode, 64).program_hash));
  EXPECT_EQ(a.weights(), b.weights());
  RandomBatch batch(file, 64, 1);
  EXPECT_EQ(a.step(batch.pointers, 64, 0.1).loss, b.step(batch.pointers, 64, 0.1).loss);
  EXPECT_EQ(a.weights(), b.weights());
}

TEST(Network, ErrorsNameTheLineOfTheCall) {
  Network net("wrong");
  const Link x = net.input("x", DType::f32, {N, 4});
  const int line = __LINE__ + 1;
  const Link y = net.layer("fc", "Linear", x, {{"out_feature", 3}});
  net.output("y", y);
  try {
    Session(net.model()).run({{"x", Array::zeros(DType::f32, {1, 4})}});
    FAIL();
  } catch (const Error& e) {
    auto& d = e.diagnostics().front();
    EXPECT_EQ(to_string(d.mark), std::string(__FILE__) + ":" + std::to_string(line)) << e.what();
  }
  try {
    net.layer("fc", "ReLU", y);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics().front().code, "E0052");
  }
}

TEST(Training, EndsByRequestOfAnotherThread) {
  Session session = Session::open(digits);
  std::stop_source source;
  auto report = train(session, {.steps = 1'000'000,
                                .on_event =
                                    [&](const TrainEvent& e) {
                                      if (e.kind == TrainEvent::Kind::step && e.step == 30)
                                        std::jthread([&] { source.request_stop(); }).join();
                                    },
                                .stop_token = source.get_token()});
  EXPECT_TRUE(report.stopped);
  EXPECT_EQ(report.steps, 30);
}

TEST(Training, EndsWhenItsTimeIsOver) {
  Session session = Session::open(digits);
  std::string note;
  auto report = train(session, {.steps = 1'000'000'000,
                                .on_event =
                                    [&](const TrainEvent& e) {
                                      if (e.kind == TrainEvent::Kind::note) note = e.text;
                                    },
                                .seconds = 0.2});
  EXPECT_FALSE(report.stopped);
  EXPECT_GT(report.steps, 0);
  EXPECT_EQ(note, "0.2 seconds are over: training ends");
}

// The learning rate is far too large from the second epoch on: the best weights are older ones.
TEST(Training, TakesTheBestWeights) {
  Session session = Session::open(digits, {}, {.set = {{"lr", "3.0"}, {"train.epochs", "4"}}});
  std::map<std::string, Array> best;
  int64_t best_step = 0, last = 0;
  auto report = train(session, {.on_event =
                                    [&](const TrainEvent& e) {
                                      if (e.kind != TrainEvent::Kind::eval) return;
                                      last = e.step;
                                      if (!e.best) return;
                                      best = session.weights();
                                      best_step = e.step;
                                    },
                                .keep_best = Goodness{.metric = "loss", .larger = false},
                                .take_best = true});
  EXPECT_EQ(report.best_step, best_step);
  EXPECT_GT(last, 0);
  EXPECT_EQ(session.weights(), best);
}

}  // namespace
}  // namespace braid::test
