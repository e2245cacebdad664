// The façade: batches of any size with the same bits, resuming on other devices, and what is
// refused.
#include <braid/runtime/session.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include <braid/runtime/train.h>

#include "support/models.h"
#include "with_data.h"

namespace braid::test {
namespace {

Array images(const Model& model, int64_t n) {
  Array array = Array::zeros(DType::f32, model.inputs[0].type.dims(n));
  auto values = array.as<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(normal(5, i));
  return array;
}

std::vector<float> logits(Session& session, const Array& batch) {
  auto out = session.run({{"image", batch}}, {"logits"});
  auto values = std::as_const(out.at("logits")).as<float>();
  return {values.begin(), values.end()};
}

void train_a_little(Session& session) {
  for (int i = 0; i < 3; ++i) {
    RandomBatch batch(session.model(), 32, uint64_t(i));
    session.step(batch.pointers, 32, 0.05);
  }
}

// In eval mode a sample's bits do not depend on the batch size, its place in the batch, or what
// else is in it.
TEST(Session, ASamplesBitsDoNotDependOnTheBatch) {
  for (const Model& model : {mlp(4), convnet(4)}) {
    Session session(model, {.devices = cpus(2)});
    train_a_little(session);
    Array all = images(model, 64);
    auto whole = logits(session, all);
    int64_t sample = all.elements() / 64;
    for (int64_t n : {1, 2, 7, 63})
      for (int64_t first : {int64_t{0}, int64_t{1}, 64 - n}) {
        Array part = Array::zeros(DType::f32, model.inputs[0].type.dims(n));
        std::memcpy(part.bytes.data(), all.bytes.data() + first * sample * 4, part.bytes.size());
        auto got = logits(session, part);
        std::vector<float> expected(whole.begin() + first * 10, whole.begin() + (first + n) * 10);
        EXPECT_EQ(got, expected) << "N = " << n << " from " << first;
      }
  }
}

TEST(Session, EvalDoesNotDependOnTheReplicas) {
  std::vector<float> first;
  for (int replicas : {1, 2, 3, 8}) {
    Session session(convnet(replicas), {.devices = {"cpu"}});
    auto out = logits(session, images(session.model(), 13));
    if (first.empty()) first = out;
    EXPECT_EQ(out, first) << replicas;
  }
}

TEST(Session, AnyLayersNameIsAnOutput) {
  Session session(convnet(2), {.devices = {"cpu"}});
  auto out = session.run({{"image", images(session.model(), 5)}}, {"conv1", "logits", "flat"});
  EXPECT_EQ(out.at("conv1").dims, (std::vector<int64_t>{5, 16, 12, 12}));
  EXPECT_EQ(out.at("flat").dims, (std::vector<int64_t>{5, 180}));
}

TEST(Session, TheReferenceEngineJudgesTheFastOne) {
  Model frozen = convnet(2);
  frozen.layers[1].freeze = Freeze::stats;  // its ReLU is fused, too
  for (const Model& model : {mlp(4), convnet(3), frozen}) {
    Session fast(model, {.devices = {"cpu"}}), reference(model, {.engine = "reference"});
    RandomBatch batch(model, 22, 9);
    double a = fast.step(batch.pointers, 22, 0.1).loss;
    double b = reference.step(batch.pointers, 22, 0.1).loss;
    EXPECT_NEAR(a, b, 1e-5 * std::abs(b));
    auto ours = fast.state().weights(), truth = reference.state().weights();
    for (auto& [key, array] : truth) {
      if (array.dtype != DType::f32) continue;
      auto t = std::as_const(array).as<float>();
      auto o = std::as_const(ours.at(key)).as<float>();
      double worst = 0, most = 1e-3;
      for (size_t i = 0; i < t.size(); ++i) {
        worst = std::max(worst, double(std::abs(o[i] - t[i])));
        most = std::max(most, double(std::abs(t[i])));
      }
      EXPECT_LT(worst / most, 2e-5) << key;
    }
  }
}

template <class F>
void expect_error(Fault fault, const std::string& part, F&& f) {
  try {
    f();
    ADD_FAILURE() << "no error that says: " << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), fault) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Session, WrongInputsAreNamed) {
  Session session(convnet(2), {.devices = {"cpu"}});
  auto run = [&](std::map<std::string, Array> in, std::vector<std::string> out = {"logits"}) {
    return [&session, in, out] { session.run(in, out); };
  };
  Array good = images(session.model(), 3);
  expect_error(Fault::data, "no input 'imgae' (did you mean 'image'?)", run({{"imgae", good}}));
  expect_error(Fault::data, "f32 [3, 1, 12, 11]",
               run({{"image", Array::zeros(DType::f32, {3, 1, 12, 11})}}));
  expect_error(Fault::data, "input 'image' is f64",
               run({{"image", Array::zeros(DType::f64, {3, 1, 12, 12})}}));
  expect_error(Fault::data, "no input with samples",
               run({{"image", Array::zeros(DType::f32, {0, 1, 12, 12})}}));
  expect_error(Fault::data, "'label' is needed and not given", [&] {
    session.step(std::map<std::string, Array>{{"image", good}});
  });
  expect_error(Fault::model, "no output or layer 'logit' (did you mean 'logits'?)",
               run({{"image", good}}, {"logit"}));
}

TEST(Session, WeightsThatDoNotFitAreListed) {
  TempFolder folder;
  Session session(convnet(2), {.devices = {"cpu"}});
  session.plan(Mode::train, 32);
  auto path = folder / "w.safetensors";
  session.save_weights(path);
  auto file = read_safetensors(path);
  file.tensors["fc2.weight"] = Array::zeros(DType::f32, {9, 32});
  file.tensors["extra"] = Array::zeros(DType::f32, {2});
  file.tensors.erase("conv1.weight");
  write_safetensors(path, file);
  auto before = session.state().digest(0);
  expect_error(Fault::data, "conv1.weight", [&] { session.load_weights(path); });
  expect_error(Fault::data, "fc2.weight: file f32 [9, 32], model f32 [10, 32]",
               [&] { session.load_weights(path); });
  expect_error(Fault::data, "extra f32 [2]", [&] { session.load_weights(path); });
  EXPECT_EQ(session.state().digest(0), before);
}

TEST(Session, APlanLargerThanTheMachineIsRefusedBeforeMemoryIsTaken) {
  Chain chain({N, 1, 4096, 4096}, 2);
  chain.add("conv", "Conv2d", {{"out_channels", 64}, {"kernel_size", 1}}).add("relu", "ReLU");
  chain.add("pool", "AdaptiveAvgPool2d", {{"output_size", 1}}).add("flat", "Flatten");
  chain.add("fc", "Linear", {{"out_features", 10}});
  Session session(chain.done(), {.devices = {"cpu"}});
  expect_error(Fault::run, "a single tensor takes 16.0 TiB, the machine has",
               [&] { session.executor(Mode::train, 4096); });
}

TEST(Session, OptimizerGroupsScaleAndReplace) {
  Chain chain({N, 20}, 2);
  chain.add("fc1", "Linear", {{"out_features", 24}}).add("tanh", "Tanh");
  chain.add("fc2", "Linear", {{"out_features", 10}});
  Model model = chain.done(0);
  set(model.optimizer->params, "nesterov", false);
  set(model.optimizer->params, "weight_decay", 0.0);
  auto change = [](const Model& m, const std::string& key) {  // of one weight in one step
    Session session(m, {.devices = {"cpu"}});
    session.plan(Mode::train, 32);
    session.executor(Mode::train, 32);
    int var = session.state().find(key);
    float before = session.state().at<float>(0, var)[5];
    RandomBatch batch(m, 32, 3);
    session.step(batch.pointers, 32, 0.1);
    return session.state().at<float>(0, var)[5] - before;
  };
  auto whole = change(model, "fc1.weight"), other = change(model, "fc2.weight");
  model.groups = {{.match = {"fc1.*"}, .params = {{"lr_scale", 0.5}}},
                  {.types = {"Linear"}, .params = {{"lr", 0.2}}}};
  EXPECT_NEAR(change(model, "fc1.weight"), whole, 1e-7);  // 0.5 * 0.2 / 0.1
  EXPECT_NEAR(change(model, "fc2.weight"), 2 * other, 1e-6);
  model.groups = {{.match = {"*.weight"}, .params = {{"weight_decay", 1.0}}}};
  EXPECT_GT(std::abs(change(model, "fc1.weight") - whole), 1e-4);
}

// ---- training and resuming ----------------------------------------------------------------------

TEST(Train, SavedAtStep20AndResumedOnOtherDevicesIsTheUninterruptedRun) {
  TempFolder folder;
  Model model = with_data(4, folder);
  Session whole(model, {.devices = {"cpu"}});
  auto expected = train(whole, {.out = folder / "whole"});
  EXPECT_EQ(expected.steps, 40);
  for (int devices : {1, 2, 3, 4}) {
    auto out = folder / ("cut" + std::to_string(devices));
    {
      Session first(model, {.devices = cpus(devices)});
      int steps = 0;
      auto report = train(first, {.out = out, .stop = [&] { return ++steps == 20; }});
      EXPECT_TRUE(report.stopped);
      EXPECT_EQ(report.steps, 20);
    }
    Session second(model,
                   {.devices = cpus(5 - devices), .engine = devices == 2 ? "serial" : "tbb"});
    auto report = train(second, {.out = out, .resume = true, .exact = true});
    EXPECT_EQ(report.steps, 40);
    EXPECT_EQ(report.sha256, expected.sha256) << devices;
    EXPECT_EQ(report.metrics, expected.metrics);
    EXPECT_EQ(second.state().digest(0), whole.state().digest(0));
  }
}

TEST(Train, ResumingUnderAnotherProgramSaysWhatDiffersAndExactRefuses) {
  TempFolder folder;
  Model model = with_data(4, folder);
  Session first(model, {.devices = {"cpu"}});
  train(first, {.steps = 4, .out = folder / "run"});
  model.replicas = 2;
  Session second(model, {.devices = {"cpu"}});
  expect_error(Fault::data, "replicas: checkpoint 4, now 2", [&] {
    train(second, {.steps = 6, .out = folder / "run", .resume = true, .exact = true});
  });
  std::string notes;
  auto report = train(
      second,
      {.steps = 6, .out = folder / "run", .resume = true, .on_event = [&](const TrainEvent& e) {
         if (e.kind == TrainEvent::Kind::note) notes += e.text + "\n";
       }});
  EXPECT_EQ(report.steps, 6);
  EXPECT_NE(notes.find("replicas: checkpoint 4, now 2"), std::string::npos) << notes;
}

TEST(Train, LearnsAndLosesNothingWhenTheFolderCannotBeWritten) {
  TempFolder folder;
  Model model = with_data(3, folder);
  Session session(model, {.devices = cpus(3)});
  std::vector<double> losses;
  train(session, {.steps = 200, .on_event = [&](const TrainEvent& e) {
                    if (e.kind == TrainEvent::Kind::step) losses.push_back(e.loss);
                  }});
  ASSERT_EQ(losses.size(), 200u);
  EXPECT_LT(losses.back(), 0.5 * losses.front());
  Session other(model, {.devices = {"cpu"}});
  expect_error(Fault::output, "/proc/nowhere", [&] { train(other, {.out = "/proc/nowhere"}); });
}

}  // namespace
}  // namespace braid::test
