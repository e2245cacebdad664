// A conversion changes what a network does with its variables and none of the variables: weights,
// running statistics, counters and momentum go through it bit for bit, and back again.
#include <braid/compiler/convert.h>
#include <gtest/gtest.h>

#include <braid/nodes/builtin.h>

#include "support/models.h"
#include "temp_folder.h"

namespace braid::test {
namespace {

// Every kind of batch norm that conversions must leave intact.
Model model_of(int replicas) {
  Chain chain({N, 3, 8, 8}, replicas);
  chain.add("conv1", "Conv2d", {{"out_channels", 8}, {"kernel_size", 3}});
  chain.add("grouped", "BatchNorm2d", {{"momentum", Attr()}});
  chain.back().sync = 2;
  chain.add("tanh1", "Tanh").add("conv2", "Conv2d", {{"out_channels", 6}, {"kernel_size", 3}});
  chain.add("frozen", "BatchNorm2d", {{"running_var", "biased"}});
  chain.back().freeze = Freeze::stats;
  chain.add("tanh2", "Tanh").add("flat", "Flatten");
  chain.add("local", "BatchNorm1d", {{"eps_mode", "clamp"}, {"eps", 0.1}});
  chain.back().sync = 1;
  chain.add("plain", "BatchNorm1d", {{"affine", false}});
  chain.add("fc", "Linear", {{"out_features", 10}});
  return chain.done();
}

void train_steps(Session& session, uint64_t first, uint64_t count) {
  for (uint64_t i = first; i < first + count; ++i) {
    RandomBatch batch(session.model(), 30, 50 + 7 * i);
    session.step(batch.pointers, 30, 0.05);
  }
}

Session with_state_of(Session& session, Model model) {
  Session other(std::move(model), {.devices = cpus(2)});
  other.restore(session.checkpoint());
  return other;
}

int64_t counter(Session& session, const std::string& layer) {
  return session.state().at<int64_t>(0, session.state().find(layer + ".num_batches_tracked"))[0];
}

struct Kind {
  const char* name;
  ConversionReport (*convert)(Model&, const Registry&);
};

class Converted : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(
    Kinds, Converted,
    testing::Values(
        Kind{"all", [](Model& m, const Registry& r) { return convert_sync_batchnorm(m, r); }},
        Kind{"pairs", [](Model& m, const Registry& r) { return convert_sync_batchnorm(m, r, 2); }},
        Kind{"local", revert_sync_batchnorm}, Kind{"freeze", freeze_batchnorm},
        Kind{"thaw", thaw_batchnorm}),
    [](auto& info) { return info.param.name; });

TEST_P(Converted, StateSurvivesAndTheWayBackIsTheIdentity) {
  TempFolder folder;
  Registry registry;
  register_builtin(registry);
  const Model original = model_of(4);
  Session session(original, {.devices = {"cpu"}});
  train_steps(session, 0, 3);
  EXPECT_EQ(counter(session, "grouped"), 3);
  EXPECT_EQ(counter(session, "frozen"), 0);
  auto sha = session.save_weights(folder / "before.safetensors");
  auto everything = session.state().all();

  Model model = original;
  auto report = GetParam().convert(model, registry);
  EXPECT_GT(report.changed(), 0u);
  Session converted = with_state_of(session, model);
  EXPECT_EQ(converted.save_weights(folder / "after.safetensors"), sha);
  EXPECT_EQ(converted.state().all(), everything);
  EXPECT_EQ(converted.steps_done(), 3);

  revert(model, report);
  Session back = with_state_of(converted, model);
  train_steps(back, 3, 3);
  train_steps(session, 3, 3);
  EXPECT_EQ(back.state().all(), session.state().all());
  EXPECT_EQ(back.state().digest(0), session.state().digest(0));
  EXPECT_EQ(back.plan(Mode::train, 30).program_hash, session.plan(Mode::train, 30).program_hash);

  train_steps(converted, 3, 3);  // and it was another network in between
  EXPECT_NE(converted.state().digest(0), session.state().digest(0));
}

TEST(Convert, FrozenStatisticsStandStillAndThawedOnesMove) {
  Registry registry;
  register_builtin(registry);
  Model model = model_of(2);
  Session session(model, {.devices = {"cpu"}});
  train_steps(session, 0, 2);
  freeze_batchnorm(model, registry);
  Session frozen = with_state_of(session, model);
  train_steps(frozen, 2, 2);
  for (const char* layer : {"grouped", "local", "plain"}) EXPECT_EQ(counter(frozen, layer), 2);
  auto before = session.weights(), after = frozen.weights();
  EXPECT_EQ(before.at("plain.running_mean"), after.at("plain.running_mean"));
  EXPECT_NE(before.at("local.weight"), after.at("local.weight"));
  thaw_batchnorm(model, registry);
  Session thawed = with_state_of(frozen, model);
  train_steps(thawed, 4, 1);
  for (const char* layer : {"grouped", "local", "plain"}) EXPECT_EQ(counter(thawed, layer), 3);
  EXPECT_EQ(counter(thawed, "frozen"), 1);
}

// Synchronized over all, R replicas see what one sees; with local statistics they do not.
TEST(Convert, SynchronizedReplicasSeeTheWholeBatch) {
  Registry registry;
  register_builtin(registry);
  auto loss = [&](int replicas, bool synchronized) {
    Model model = model_of(replicas);
    thaw_batchnorm(model, registry);
    synchronized ? convert_sync_batchnorm(model, registry) : revert_sync_batchnorm(model, registry);
    Session session(model, {.devices = {"cpu"}});
    RandomBatch batch(model, 30, 5);
    return session.step(batch.pointers, 30, 0.05).loss;
  };
  double one = loss(1, true);
  EXPECT_NEAR(loss(4, true), one, 1e-5 * one);
  EXPECT_GT(std::abs(loss(4, false) - one), 1e-3 * one);
}

}  // namespace
}  // namespace braid::test
