// What `train` says beside its length: clipped gradients, averaged weights, the best evaluation,
// patience, minutes. Each goes on after a checkpoint as if nothing had been.
#include <gtest/gtest.h>

#include <cmath>

#include <braid/runtime/safetensors.h>
#include <braid/runtime/train.h>

#include "with_data.h"

namespace braid::test {
namespace {

Dict plain_sgd() { return {{"lr", 0.5}}; }

std::map<std::string, Array> after_one_step(Model model, std::vector<std::string> devices = {"cpu"},
                                            const std::string& engine = "tbb") {
  Session session(std::move(model), {.devices = std::move(devices), .engine = engine});
  RandomBatch batch(session.model(), 32, 10);
  session.step(batch.pointers, 32, 0.5);
  return session.state().all();
}

/// The steps of all parameters, end to end.
std::vector<double> moved(const Model& model) {
  Session session(model, {.devices = {"cpu"}});
  session.plan(Mode::train, 32);
  auto before = session.weights(), after = after_one_step(model);
  std::vector<double> steps;
  for (auto& var : session.plan(Mode::train, 32).states) {
    if (!var.trainable) continue;
    auto a = std::as_const(before.at(var.key)).as<float>(),
         b = std::as_const(after.at(var.key)).as<float>();
    for (size_t i = 0; i < a.size(); ++i) steps.push_back(double(a[i]) - double(b[i]));
  }
  return steps;
}

double norm(const std::vector<double>& x) {
  double sum = 0;
  for (double v : x) sum += v * v;
  return std::sqrt(sum);
}

TEST(Clip, ScalesAllGradientsByOneFactor) {
  Model model = mlp(4);
  model.optimizer->params = plain_sgd();
  auto free = moved(model);
  const double whole = norm(free) / 0.5;  // of the gradients
  model.train.clip_norm = whole / 8;
  auto clipped = moved(model);
  EXPECT_NEAR(norm(clipped) / 0.5, whole / 8, 1e-4 * whole);
  ASSERT_EQ(clipped.size(), free.size());
  for (size_t i = 0; i < free.size(); ++i) EXPECT_NEAR(clipped[i], free[i] / 8, 1e-6) << i;
}

TEST(Clip, ANormBelowTheBoundChangesNoBit) {
  Model model = mlp(2);
  auto free = after_one_step(model);
  model.train.clip_norm = 1e6;
  EXPECT_EQ(after_one_step(model), free);
}

TEST(Clip, HasTheSameBitsOnAnyDevices) {
  Model model = mlp(4);
  model.batch.accumulate = 2;
  model.train.clip_norm = 0.01;
  model.train.ema = 0.9;
  auto expected = after_one_step(model);
  for (int devices : {2, 3, 4}) EXPECT_EQ(after_one_step(model, cpus(devices)), expected);
  EXPECT_EQ(after_one_step(model, cpus(2), "threads"), expected);
  EXPECT_EQ(after_one_step(model, {"cpu"}, "serial"), expected);
}

TEST(Ema, AveragesTheWeightsFromTheFirstStepOn) {
  Model model = mlp(2);
  model.train.ema = 0.75;
  Session session(model, {.devices = cpus(2)});
  std::vector<double> average;
  for (int i = 0; i < 4; ++i) {
    RandomBatch batch(session.model(), 32, uint64_t(i));
    session.step(batch.pointers, 32, 0.1);
    auto state = session.state().all();
    auto weight = std::as_const(state.at("fc1.weight")).as<float>();
    auto kept = std::as_const(state.at("optimizer.fc1.weight.ema")).as<float>();
    if (i == 0) average.assign(weight.begin(), weight.end());
    for (size_t k = 0; k < average.size(); ++k) {
      if (i > 0) average[k] = 0.75 * average[k] + 0.25 * double(weight[k]);
      ASSERT_NEAR(kept[k], average[k], 1e-6) << i;
    }
  }
  auto before = session.state().all();
  session.exchange_averages();
  auto weights = session.weights();
  EXPECT_EQ(weights.at("fc1.weight"), before.at("optimizer.fc1.weight.ema"));
  EXPECT_EQ(weights.at("bn1.running_mean"), before.at("bn1.running_mean"));
  EXPECT_EQ(session.state().digest(0), session.state().digest(1));
  session.exchange_averages();
  EXPECT_EQ(session.state().all(), before);
}

TEST(Ema, IsEvaluatedAndSaved) {
  TempFolder folder;
  Model model = with_data(2, folder);
  Session plain(model, {.devices = {"cpu"}});
  auto without = train(plain, {.steps = 12, .out = folder / "plain"});
  model.train.ema = 0.9;
  Session session(model, {.devices = {"cpu"}});
  auto with = train(session, {.steps = 12, .out = folder / "ema"});
  EXPECT_EQ(with.loss, without.loss);  // what is trained is the same
  EXPECT_NE(with.metrics, without.metrics);
  auto saved = read_safetensors(with.weights).tensors;
  EXPECT_EQ(session.weights(), plain.weights());
  EXPECT_EQ(saved.at("fc1.weight"), session.state().all().at("optimizer.fc1.weight.ema"));
}

struct Run {
  std::vector<int64_t> evaluations, best;
  std::string notes;
  TrainReport report;
};

Run run(Session& session, TrainOptions options) {
  Run out;
  options.on_event = [&](const TrainEvent& e) {
    if (e.kind == TrainEvent::Kind::eval) out.evaluations.push_back(e.step);
    if (e.kind == TrainEvent::Kind::eval && e.best) out.best.push_back(e.step);
    if (e.kind == TrainEvent::Kind::note) out.notes += e.text + "\n";
  };
  out.report = train(session, options);
  return out;
}

/// Data that no network learns, trained too fast: evaluations go up and down.
Model restless(const TempFolder& folder) {
  Model model = with_data(4, folder);
  model.batch.global = 35;  // 2 steps an epoch
  model.schedule.reset();
  model.optimizer->params = {{"lr", 0.4}, {"momentum", 0.9}};
  model.train.checkpoint_every = 1;
  model.train.keep_best = Goodness{.metric = "loss"};
  return model;
}

TEST(KeepBest, SavesTheWeightsOfTheBestEvaluation) {
  TempFolder folder;
  Model model = restless(folder);
  Session session(model, {.devices = {"cpu"}});
  auto done = run(session, {.out = folder / "run"});
  ASSERT_FALSE(done.best.empty());
  EXPECT_EQ(done.report.best_step, done.best.back());
  EXPECT_EQ(done.report.best_weights, folder / "run/best.safetensors");
  Session again(model, {.devices = {"cpu"}});
  again.load_weights(done.report.best_weights);
  auto measured =
      again.evaluate(DataSource::open(*model.test_data, model.inputs, model.folder, model.seed));
  EXPECT_EQ(measured.loss, done.report.best);
}

TEST(KeepBest, GoesOnFromAnyStepAsIfNothingHadBeen) {
  TempFolder folder;
  Model model = restless(folder);
  model.train.ema = 0.8;
  model.train.clip_norm = 0.5;
  Session whole(model, {.devices = {"cpu"}});
  auto expected = run(whole, {.out = folder / "whole"});
  for (int cut : {1, 2, 7, 16, 39}) {
    auto out = folder / ("cut" + std::to_string(cut));
    Session first(model, {.devices = cpus(2)});
    int steps = 0;
    auto begun = run(first, {.out = out, .stop = [&] { return ++steps == cut; }});
    Session second(model, {.devices = {"cpu"}});
    auto ended = run(second, {.out = out, .resume = true, .exact = true});
    auto evaluations = begun.evaluations, best = begun.best;
    evaluations.insert(evaluations.end(), ended.evaluations.begin(), ended.evaluations.end());
    best.insert(best.end(), ended.best.begin(), ended.best.end());
    EXPECT_EQ(evaluations, expected.evaluations) << cut;
    EXPECT_EQ(best, expected.best) << cut;
    EXPECT_EQ(ended.report.best, expected.report.best) << cut;
    EXPECT_EQ(slurp(out + "/best.safetensors"), slurp(folder / "whole/best.safetensors")) << cut;
    EXPECT_EQ(ended.report.sha256, expected.report.sha256) << cut;
    EXPECT_EQ(slurp(out + "/checkpoints/step-00000040.safetensors"),
              slurp(folder / "whole/checkpoints/step-00000040.safetensors"))
        << cut;
  }
}

TEST(Plateau, GoesOnFromAnyStepAsIfNothingHadBeen) {
  TempFolder folder;
  Model model = restless(folder);
  model.train.keep_best.reset();
  model.schedule = TypedDict{.type = "plateau", .params = {{"patience", 0}, {"factor", 0.5}}};
  auto rates = [](Session& session, TrainOptions options, std::vector<double>& all) {
    options.on_event = [&](const TrainEvent& e) {
      if (e.kind == TrainEvent::Kind::step) all.push_back(e.lr);
    };
    return train(session, options);
  };
  Session whole(model, {.devices = {"cpu"}});
  std::vector<double> expected;
  auto done = rates(whole, {.out = folder / "whole"}, expected);
  ASSERT_EQ(expected.front(), 0.4);
  ASSERT_LT(expected.back(), 0.4 / 3);  // it has fallen twice or more
  for (int cut : {1, 2, 7, 16, 39}) {
    auto out = folder / ("cut" + std::to_string(cut));
    Session first(model, {.devices = cpus(2)});
    std::vector<double> all;
    if (cut % 2)
      rates(first, {.steps = cut, .out = out}, all);  // it ends, with an evaluation of its own
    else
      rates(first, {.out = out, .stop = [&] { return int(all.size()) == cut; }}, all);
    Session second(model, {.devices = {"cpu"}});
    auto ended = rates(second, {.out = out, .resume = true, .exact = true}, all);
    EXPECT_EQ(all, expected) << cut;
    EXPECT_EQ(ended.sha256, done.sha256) << cut;
    EXPECT_EQ(slurp(out + "/checkpoints/step-00000040.safetensors"),
              slurp(folder / "whole/checkpoints/step-00000040.safetensors"))
        << cut;
  }
}

TEST(Plateau, NeedsEvaluations) {
  TempFolder folder;
  Model model = restless(folder);
  model.train.keep_best.reset();
  model.schedule = TypedDict{.type = "plateau"};
  model.test_data.reset();
  Session session(model, {.devices = {"cpu"}});
  EXPECT_TRUE(error_of(folder, [&] { train(session); }).starts_with("E0083: "));
}

TEST(StopAfter, EndsARunThatGainsNothing) {
  TempFolder folder;
  Model model = restless(folder);
  model.train.keep_best.reset();
  model.train.stop_after = 2;
  model.train.steps = 100000;
  Session session(model, {.devices = {"cpu"}});
  auto done = run(session, {.out = folder / "run"});
  EXPECT_LT(done.report.steps, 100000);
  EXPECT_FALSE(done.report.stopped);
  EXPECT_EQ(done.report.steps, done.best.back() + 4);  // two evaluations, two steps each
  EXPECT_NE(done.notes.find("no gain in 2 evaluations"), std::string::npos) << done.notes;
  // It has ended: taking it up again runs nothing.
  Session second(model, {.devices = {"cpu"}});
  auto again = run(second, {.out = folder / "run", .resume = true});
  EXPECT_EQ(again.report.steps_run, 0);
  EXPECT_EQ(again.report.sha256, done.report.sha256);
}

TEST(Minutes, EndARunBetweenSteps) {
  TempFolder folder;
  Model model = with_data(2, folder);
  model.schedule.reset();
  model.train.steps.reset();
  model.train.minutes = 1e-9;
  Session session(model, {.devices = {"cpu"}});
  auto done = run(session, {.out = folder / "run"});
  EXPECT_EQ(done.report.steps, 1);
  EXPECT_FALSE(done.report.stopped);
  EXPECT_NE(done.notes.find("minutes are over"), std::string::npos) << done.notes;
  EXPECT_FALSE(done.evaluations.empty());
  Session other(model, {.devices = {"cpu"}});
  EXPECT_EQ(train(other, {.steps = 5}).steps, 5);  // asked for steps, it makes them
}

TEST(Minutes, AScheduleThatFallsToTheEndNeedsOne) {
  TempFolder folder;
  Model model = with_data(2, folder);  // cosine
  model.train.minutes = 1;
  model.train.steps.reset();
  Session session(model, {.devices = {"cpu"}});
  EXPECT_TRUE(error_of(folder, [&] { train(session); }).starts_with("E0084: "));
  model.train.steps = 3;
  Session both(model, {.devices = {"cpu"}});
  EXPECT_EQ(train(both).steps, 3);
}

}  // namespace
}  // namespace braid::test
