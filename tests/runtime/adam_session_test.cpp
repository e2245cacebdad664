// Adam in a whole network: its state under PyTorch's names, frozen layers, groups, going on after a
// checkpoint, and bits that do not depend on devices.
#include <gtest/gtest.h>

#include "support/models.h"

namespace braid::test {
namespace {

Model with_adam(Model model, Dict params = {}) {
  set(params, "lr", 0.01);
  model.optimizer = TypedDict{.type = "Adam", .params = std::move(params)};
  return model;
}

void steps(Session& session, int first, int last) {
  for (int i = first; i < last; ++i) {
    RandomBatch batch(session.model(), 32, 10 + uint64_t(i));
    session.step(batch.pointers, 32, 0.01);
  }
}

TEST(Adam, KeepsItsStateUnderPyTorchsNames) {
  Session session(with_adam(mlp(2), {{"amsgrad", true}}));
  steps(session, 0, 1);
  auto state = session.state().all();
  for (const char* name : {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}) {
    auto found = state.find("optimizer.fc1.weight." + std::string(name));
    ASSERT_NE(found, state.end()) << name;
    EXPECT_EQ(found->second.dims, state.at("fc1.weight").dims);
  }
}

TEST(Adam, LeavesFrozenParametersAlone) {
  Model model = with_adam(mlp(2));
  model.layers[0].freeze = Freeze::all;
  Session session(model);
  session.plan(Mode::train, 32);
  auto before = session.state().all();
  steps(session, 0, 3);
  auto after = session.state().all();
  EXPECT_EQ(after.at("fc1.weight").bytes, before.at("fc1.weight").bytes);
  EXPECT_NE(after.at("fc3.weight").bytes, before.at("fc3.weight").bytes);
  EXPECT_FALSE(after.contains("optimizer.fc1.weight.exp_avg"));
  EXPECT_TRUE(after.contains("optimizer.fc3.weight.exp_avg"));
}

TEST(Adam, AGroupsRateIsAFactor) {
  Model model = with_adam(mlp(1));
  model.groups.push_back({.match = {"fc1.*"}, .params = {{"lr_scale", 0.5}}});
  Session session(model);
  session.plan(Mode::train, 32);
  auto before = session.state().all();
  steps(session, 0, 1);
  auto after = session.state().all();
  // The first step is lr, whatever the gradient, where that is not tiny.
  auto largest = [&](const std::string& key) {
    auto a = std::as_const(before.at(key)).as<float>(),
         b = std::as_const(after.at(key)).as<float>();
    float most = 0;
    for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
    return most;
  };
  EXPECT_NEAR(largest("fc3.weight"), 0.01, 1e-5);
  EXPECT_NEAR(largest("fc1.weight"), 0.005, 1e-5);
}

TEST(Adam, GoesOnAfterACheckpointAsIfNothingHadHappened) {
  Session whole(with_adam(mlp(2)));
  steps(whole, 0, 4);
  Session first(with_adam(mlp(2)));
  steps(first, 0, 2);
  Session second(with_adam(mlp(2)), {.devices = cpus(2)});
  EXPECT_EQ(second.restore(first.checkpoint(), true), "");
  steps(second, 2, 4);
  EXPECT_EQ(second.state().digest(1), whole.state().digest(0));
}

TEST(Adam, GivesTheSameBitsOnAnyDevices) {
  const Model model = with_adam(convnet(3), {{"weight_decay", 0.01}});
  Session one(model, {.digest = true});
  Session three(model, {.devices = cpus(3), .engine = "threads", .digest = true});
  auto expected = run_steps(one, {32, 7, 32});
  EXPECT_EQ(difference(one, expected, run_steps(three, {32, 7, 32})), "");
}

}  // namespace
}  // namespace braid::test
