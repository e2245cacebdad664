// check_finite: the first value that is no number is named by layer and replica, in the same words
// on every engine and device list, and State stays as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include <braid/runtime/train.h>

#include "support/models.h"

namespace braid::test {
namespace {

float* floats(RandomBatch& batch) { return reinterpret_cast<float*>(batch.bytes[0].data()); }

// Sets a weight on all devices.
void set_weight(Session& session, const std::string& key, size_t from, size_t count, float value) {
  const int var = session.state().find(key);
  ASSERT_GE(var, 0);
  for (int d = 0; d < session.state().devices(); ++d)
    std::fill_n(static_cast<float*>(session.state().data(d, var)) + from, count, value);
}

// Finite numbers in some samples that overflow in the first layer, and that layer's weights.
void make_overflow(Session& session, RandomBatch& batch, std::vector<int64_t> samples) {
  const int64_t each = session.model().inputs[0].type.elements(1);
  for (int64_t sample : samples)
    for (int64_t i = 0; i < each; ++i) floats(batch)[sample * each + i] = 1e37f;
  set_weight(session, session.model().layers[0].path + ".weight", 0, 400, 100);
}

// What is said, without the device's name.
std::string said(Session& session, const RandomBatch& batch, int64_t n = 32) {
  std::vector<uint64_t> before;
  for (int d = 0; d < session.state().devices(); ++d) before.push_back(session.state().digest(d));
  const int64_t steps = session.steps_done();
  try {
    session.step(batch.pointers, n, 0.1);
    return "nothing";
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::run);
    for (int d = 0; d < session.state().devices(); ++d)
      EXPECT_EQ(session.state().digest(d), before[size_t(d)]);
    EXPECT_EQ(session.steps_done(), steps);
    return std::regex_replace(std::string(e.what()), std::regex(", cpu(:[0-9]+)?"), "");
  }
}

std::vector<SessionOptions> deployments() {
  std::vector<SessionOptions> all;
  for (int devices : {1, 2, 3, 4})
    all.push_back({.devices = cpus(devices), .threads = 2, .check_finite = true});
  for (const char* engine : {"serial", "threads"})
    for (int devices : {1, 4})
      all.push_back(
          {.devices = cpus(devices), .threads = 3, .engine = engine, .check_finite = true});
  return all;
}

TEST(CheckFinite, NamesInputReplicaAndSample) {
  for (float bad : {float(NAN), float(INFINITY)})
    for (const Model& model : {mlp(4), convnet(4)}) {
      std::set<std::string> messages;
      for (auto& options : deployments()) {
        Session session(model, options);
        RandomBatch batch(model, 32, 7);
        session.step(batch.pointers, 32, 0.1);
        const int64_t each = model.inputs[0].type.elements(1);
        floats(batch)[27 * each + 5] = floats(batch)[29 * each] = bad;
        messages.insert(said(session, batch));
      }
      ASSERT_EQ(messages.size(), 1u) << *messages.begin() << *messages.rbegin();
      const std::string& text = *messages.begin();
      EXPECT_NE(text.find("error[E0414]: input 'image', replica 3, sample 27, step 2: not finite: "
                          "1 " +
                          std::string(std::isnan(bad) ? "NaN" : "infinite")),
                std::string::npos)
          << text;
    }
}

TEST(CheckFinite, NamesTheDeviceOfTheReplica) {
  Model model = mlp(4);
  Session session(model, {.devices = cpus(2), .check_finite = true});
  RandomBatch batch(model, 30, 7);  // slices of 8, 8, 7, 7
  floats(batch)[22 * 20] = NAN;
  try {
    session.step(batch.pointers, 30, 0.1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("replica 2, cpu:1, sample 22"), std::string::npos)
        << e.what();
  }
}

TEST(CheckFinite, NamesTheLayerThatMadeIt) {
  for (const Model& model : {mlp(4), convnet(4)}) {
    std::set<std::string> messages;
    for (auto& options : deployments()) {
      Session session(model, options);
      RandomBatch batch(model, 32, 7);
      session.step(batch.pointers, 32, 0.1);
      make_overflow(session, batch, {25, 9});  // of replicas 3 and 1
      messages.insert(said(session, batch));
    }
    ASSERT_EQ(messages.size(), 1u) << *messages.begin() << *messages.rbegin();
    const std::string& text = *messages.begin();
    EXPECT_NE(text.find("net.yaml:10:5: error[E0413]: "), std::string::npos) << text;
    EXPECT_NE(text.find(model.layers[0].path + " ("), std::string::npos) << text;
    EXPECT_NE(text.find("replica 1, step 2: its result is not finite: "), std::string::npos)
        << text;
    EXPECT_NE(text.find("infinite"), std::string::npos) << text;
  }
}

TEST(CheckFinite, NamesTheWeightThatWasNoNumberBefore) {
  Model model = mlp(4);
  std::set<std::string> messages;
  for (auto& options : deployments()) {
    Session session(model, options);
    RandomBatch batch(model, 32, 7);
    session.step(batch.pointers, 32, 0.1);
    set_weight(session, "fc2.weight", 3, 1, NAN);
    messages.insert(said(session, batch));
  }
  ASSERT_EQ(messages.size(), 1u) << *messages.begin() << *messages.rbegin();
  EXPECT_NE(messages.begin()->find("fc2 ("), std::string::npos) << *messages.begin();
  EXPECT_NE(messages.begin()->find("replica 0"), std::string::npos) << *messages.begin();
  EXPECT_NE(messages.begin()->find("'fc2.weight' was not before: 1 NaN"), std::string::npos)
      << *messages.begin();
}

TEST(CheckFinite, IsAskedForInEvaluationToo) {
  Model model = convnet(2);
  Session session(model, {.devices = {"cpu"}, .check_finite = true});
  Array image = Array::zeros(DType::f32, model.inputs[0].type.dims(5));
  EXPECT_NO_THROW(session.run({{"image", image}}));
  image.as<float>()[4 * 144] = INFINITY;
  try {
    session.run({{"image", image}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("input 'image', replica 1, cpu, sample 4"),
              std::string::npos)
        << e.what();
  }
}

TEST(CheckFinite, OffLetsThemTravelAndOnChangesNoBit) {
  for (const Model& model : {mlp(4), convnet(3)}) {
    auto trace = [&](bool on) {
      Session session(model, {.devices = cpus(2), .digest = true, .check_finite = on});
      return run_steps(session, {32, 13, 5, 32});
    };
    Session any(model, {.devices = cpus(2)});
    EXPECT_EQ(difference(any, trace(false), trace(true)), "");
    RandomBatch batch(model, 32, 7);
    floats(batch)[0] = NAN;
    EXPECT_TRUE(std::isnan(any.step(batch.pointers, 32, 0.1).loss));
  }
}

TEST(CheckFinite, IsTurnedOnAndOffForExecutorsThatAreThere) {
  Model model = mlp(2);
  Session session(model, {.devices = {"cpu"}});
  RandomBatch batch(model, 32, 7);
  session.step(batch.pointers, 32, 0.1);
  floats(batch)[0] = NAN;
  session.check_finite(true);
  EXPECT_NE(said(session, batch).find("E0414"), std::string::npos);
  session.check_finite(false);
  EXPECT_EQ(said(session, batch), "nothing");
}

// A step that fails otherwise is still reported, and the first of both by node order.
TEST(CheckFinite, GoesBeforeWhatFailsBehindIt) {
  Model model = mlp(4);
  Session session(model, {.devices = cpus(2), .check_finite = true});
  RandomBatch batch(model, 32, 7);
  session.step(batch.pointers, 32, 0.1);
  reinterpret_cast<int64_t*>(batch.bytes[1].data())[21] = 12;  // no such class
  make_overflow(session, batch, {9});
  const std::string text = said(session, batch);
  EXPECT_NE(text.find("fc1 ("), std::string::npos) << text;
  EXPECT_NE(text.find("E0413"), std::string::npos) << text;
}

}  // namespace
}  // namespace braid::test
