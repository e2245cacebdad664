// What a trace says, of random networks on every engine.
#include <gtest/gtest.h>

#include <braid/runtime/trace.h>

#include "support/models.h"
#include "support/trace_check.h"

namespace braid::test {
namespace {

using Json = nlohmann::json;
using Recording = braid::Trace;

/// Up to six layers of random kinds, some with a shortcut, over one to five replicas.
Model random_model(uint64_t key) {
  uint64_t at = 0;
  auto draw = [&](uint64_t below) { return int64_t(uniform_below(key, at++, below)); };
  Chain chain({N, 8}, 1 + draw(5));
  chain.add("in", "Linear", {{"out_features", 8}});
  for (int64_t i = 0, layers = 1 + draw(6); i < layers; ++i) {
    const auto path = "layer" + std::to_string(i);
    const int before = chain.last();
    switch (draw(5)) {
      case 0:
        chain.add(path, "BatchNorm1d");
        break;
      case 1:
        chain.add(path, "ReLU");
        break;
      case 2:
        chain.add(path, "Dropout", {{"p", 0.5}});
        break;
      case 3:
        chain.add(path, "Linear", {{"out_features", 8}});
        break;
      default:
        chain.add(path + "_fc", "Linear", {{"out_features", 8}}).add(path, "Add");
        chain.back().from.push_back(Link::layer(before));
    }
  }
  chain.add("out", "Linear", {{"out_features", 10}});
  return chain.done();
}

class Traces : public ::testing::TestWithParam<const char*> {};

TEST_P(Traces, NeverOverlapOnATrackAndKeepTheOrderOfThePlan) {
  for (uint64_t key = 1; key <= 12; ++key) {
    const Model model = random_model(key);
    auto trace = std::make_shared<Recording>();
    Session session(model, {.devices = cpus(1 + int(key % 3) % int(model.replicas)),
                            .threads = 3,
                            .engine = GetParam(),
                            .trace = trace});
    for (int64_t batch : {17, 8, 17}) {
      const RandomBatch data(model, batch, key);
      session.step(data.pointers, batch, 0.1);
    }
    const TraceCheck check(trace->json("random"));
    EXPECT_EQ(check.faults(), std::vector<std::string>{}) << "network " << key;
    EXPECT_EQ(trace->runs(), 3);
    EXPECT_GT(check.events(), 3 * session.plan(Mode::train, 17).strands.size() / 2);
    EXPECT_EQ(check.arrow_count() > 0, model.replicas > 1) << "network " << key;
  }
}

TEST_P(Traces, DoNotChangeBits) {
  const Model model = convnet(3);
  SessionOptions options{.devices = cpus(2), .threads = 2, .engine = GetParam()};
  Session plain(model, options);
  options.trace = std::make_shared<Recording>();
  Session traced(model, options);
  const RandomBatch data(model, 20, 4);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(plain.step(data.pointers, 20, 0.1).loss, traced.step(data.pointers, 20, 0.1).loss);
  EXPECT_EQ(plain.state().digest(0), traced.state().digest(0));
}

INSTANTIATE_TEST_SUITE_P(Engines, Traces, ::testing::Values("tbb", "serial", "threads"));

/// Steps of convnet on one device, one after the other.
struct Steps {
  explicit Steps(TraceOptions options)
      : trace(std::make_shared<Recording>(options)),
        session(convnet(2), {.devices = {"cpu"}, .engine = "serial", .trace = trace}),
        data(session.model(), 16, 9) {}
  void step() { session.step(data.pointers, 16, 0.1); }

  std::shared_ptr<Recording> trace;
  Session session;
  RandomBatch data;
};

TEST(TraceOf, AStepNamesLayerReplicaPlaceAndBytes) {
  Steps steps({});
  steps.step();
  const TraceCheck check(steps.trace->json("name"));
  bool convolution = false, merge = false, update = false;
  for (auto& event : check.trace().at("traceEvents")) {
    if (event.at("ph") != "X" || !event.at("args").contains("op")) continue;
    auto& args = event.at("args");
    convolution |= args.at("op") == "conv2d" && args.value("layer", "") == "conv1" &&
                   args.value("replica", -1) == 1 && args.at("phase") == "forward" &&
                   args.at("bytes").get<int64_t>() >= 8 * 16 * 12 * 12 * 4 &&
                   args.at("yaml") == "net.yaml:10" && args.at("step") == 1;
    merge |= args.at("phase") == "sync" && args.value("layer", "") == "bn1" &&
             args.value("replicas", Json()) == Json({0, 2});
    update |= args.at("phase") == "update" && args.value("layer", "") == "fc2.weight";
  }
  EXPECT_TRUE(convolution && merge && update) << check.trace().dump(1);
  EXPECT_EQ(check.names().at(0), "steps");
  EXPECT_EQ(check.names().at(1), "worker 0");
}

TEST(TraceOf, SyncPointsKnowsWhoMakesTheirParts) {
  Steps steps({});
  steps.step();
  const auto trace = Json::parse(steps.trace->json("name"));
  std::set<std::string> names;
  for (auto& sync : trace.at("otherData").at("programs").at(0).at("syncs")) {
    names.insert(sync.at("name"));
    ASSERT_EQ(sync.at("from").size(), 2u);
    for (auto& from : sync.at("from")) EXPECT_FALSE(from.empty()) << sync;
  }
  EXPECT_TRUE(names.contains("bn1") && names.contains("bn1, backward")) << trace.dump(1);
}

TEST(TraceOf, ChosenStepsHasNoOthers) {
  Steps steps({.first = 2, .last = 3});
  for (int i = 0; i < 5; ++i) steps.step();
  EXPECT_EQ(steps.trace->runs(), 2);
  EXPECT_TRUE(steps.session.executor(Mode::train, 16).times().empty()) << "the clock is off again";
  const TraceCheck check(steps.trace->json("name"));
  EXPECT_EQ(check.faults(), std::vector<std::string>{});
  EXPECT_EQ(check.trace().dump().find("\"step\":4"), std::string::npos);
}

TEST(TraceOf, ManyStepsEndsWhenItIsFull) {
  Steps steps({.events = 1});
  steps.step();
  EXPECT_EQ(steps.trace->full_after(), -1);
  steps.step();
  EXPECT_EQ(steps.trace->full_after(), 1);
  EXPECT_EQ(steps.trace->runs(), 1);
}

TEST(TraceOf, NothingIsATrace) {
  const Recording none;
  const TraceCheck check(none.json("nothing"));
  EXPECT_EQ(check.events(), 0u);
  EXPECT_EQ(check.faults(), std::vector<std::string>{});
}

TEST(TraceOf, AFailedStepShowsHowFarItCame) {
  Steps steps({});
  auto& executor = steps.session.executor(Mode::train, 16);
  const int middle = int(executor.plan().steps.size()) / 2;
  executor.on_step([&](int step) {
    if (step == middle) throw std::runtime_error("no");
  });
  EXPECT_THROW(steps.step(), Error);
  const TraceCheck check(steps.trace->json("name"));
  EXPECT_EQ(check.faults(), std::vector<std::string>{});
  EXPECT_GT(check.events(), 1u);
  EXPECT_NE(check.trace().dump().find("\"failed\":true"), std::string::npos);
}

TEST(TraceOf, PassesAndEvaluationsAreTold) {
  Steps steps({});
  steps.step();
  auto image = Array::zeros(DType::f32, {3, 1, 12, 12});
  steps.session.run({{"image", image}});
  const auto text = steps.trace->json("name");
  EXPECT_NE(text.find("\"name\":\"train 1\""), std::string::npos);
  EXPECT_NE(text.find("\"name\":\"run 1\""), std::string::npos);
  EXPECT_EQ(TraceCheck(text).faults(), std::vector<std::string>{});
}

}  // namespace
}  // namespace braid::test
