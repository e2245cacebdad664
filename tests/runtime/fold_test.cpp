// Folded networks give what the unfolded ones give: outputs compared norm-wise, on small networks
// of every kind and on ResNet-18; and what folding refuses.
#include <braid/runtime/fold.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

#include "runtime/parity.h"
#include "support/models.h"

namespace braid::test {
namespace {

// Statistics and parameters as they are after training: none is 0 or 1.
Tensors lively(Tensors weights) {
  uint64_t stream = 1000;
  for (auto& [key, array] : weights) {
    ++stream;
    if (array.dtype != DType::f32 || array.dims.size() > 1) continue;
    bool positive = key.ends_with("running_var") || key.ends_with(".weight");
    auto values = array.as<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      double z = normal(stream, i);
      values[i] = float(positive ? std::exp(0.4 * z) : 0.5 * z);
    }
  }
  return weights;
}

Array input(const Type& type, int64_t n) {
  Array array = Array::zeros(type.dtype, type.dims(n));
  auto values = array.as<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(normal(77, i));
  return array;
}

double largest_difference(const Array& a, const Array& b) {
  EXPECT_EQ(a.dims, b.dims);
  auto x = to_doubles(a), y = to_doubles(b);
  double apart = 0, most = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    apart = std::max(apart, std::abs(x[i] - y[i]));
    most = std::max(most, std::abs(y[i]));
  }
  EXPECT_GT(most, 0);
  return std::isfinite(apart) ? apart / most : INFINITY;
}

// Norm-wise distance of the first declared output, folded and not.
double apart(Session& session, FoldedSession& folded, int64_t n) {
  auto& first = session.model().inputs[0];
  auto name = session.model().outputs.at(0).name;
  Tensors in = {{first.name, input(first.type, n)}};
  auto want = session.run(in), got = folded.session.run(in);
  return largest_difference(got.at(name), want.at(name));
}

Session lively_session(const Model& model, SessionOptions options = {.devices = {"cpu"}}) {
  Session session(model, std::move(options));
  session.set_weights(lively(session.weights()));
  return session;
}

// Grouped, strided, depthwise, transposed and plain convolutions, two batch norms in a row, clamp,
// no affine.
Model every_kind() {
  Chain chain({N, 4, 9, 9}, 3);
  chain.add("conv1", "Conv2d", {{"out_channels", 8}, {"kernel_size", 3}, {"groups", 2}});
  chain.add("bn1", "BatchNorm2d", {{"eps_mode", "clamp"}, {"eps", 0.7}}).add("relu1", "ReLU");
  chain.add("deep", "Conv2d",
            {{"out_channels", 8}, {"kernel_size", 3}, {"groups", 8}, {"bias", false}});
  chain.add("bn2", "BatchNorm2d", {{"affine", false}, {"eps", 0.01}});
  chain.add("bn3", "BatchNorm2d").add("tanh", "Tanh");
  chain.back().freeze = Freeze::none;
  chain.add("conv2", "Conv2d", {{"out_channels", 20}, {"kernel_size", 2}, {"stride", 2}});
  chain.add("bn4", "BatchNorm2d");
  chain.back().freeze = Freeze::all;
  chain.add("up", "ConvTranspose2d",
            {{"out_channels", 6}, {"kernel_size", 2}, {"stride", 2}, {"groups", 2}});
  chain.add("bn6", "BatchNorm2d").add("relu2", "ReLU");
  chain.add("flat", "Flatten").add("fc", "Linear", {{"out_features", 10}, {"bias", false}});
  chain.add("bn5", "BatchNorm1d", {{"momentum", Attr()}});
  chain.back().sync = 1;
  return chain.done();
}

TEST(Fold, OutputsAgreeOnEveryKindOfLayer) {
  for (const Model& model : {every_kind(), mlp(4), convnet(2)}) {
    Session session = lively_session(model);
    auto folded = fold_batch_norms(session);
    EXPECT_GT(folded.report.folds.size(), 0u);
    for (int64_t n : {1, 7}) EXPECT_LT(apart(session, folded, n), 1e-5);
  }
}

// With both networks computed in f64, what is left is the rounding of the folded weights.
TEST(Fold, TheReferenceEngineSeesOnlyTheRoundingOfTheWeights) {
  Session session = lively_session(every_kind(), {.engine = "reference"});
  auto folded = fold_batch_norms(session);
  EXPECT_EQ(folded.report.folds.size(), 6u);
  EXPECT_LT(apart(session, folded, 4), 5e-7);
}

TEST(Fold, OnlyTheBatchNormsTensorsGo) {
  Session session = lively_session(every_kind());
  auto before = session.weights();
  auto after = fold_batch_norms(session).session.weights();
  for (auto& [key, array] : before) EXPECT_EQ(after.contains(key), !key.starts_with("bn")) << key;
  for (auto& [key, array] : after)
    EXPECT_TRUE(before.contains(key) || key == "deep.bias" || key == "fc.bias") << key;
  EXPECT_EQ(session.weights(), before);
}

TEST(Fold, RoundsOnce) {
  Session session = lively_session(convnet(1));
  auto before = session.weights(), after = fold_batch_norms(session).session.weights();
  auto of = [](const Tensors& t, const char* key) { return t.at(key).as<float>(); };
  auto w = of(before, "conv2.weight"), folded = of(after, "conv2.weight");
  size_t each = w.size() / 20;
  for (size_t i = 0; i < w.size(); ++i) {
    size_t c = i / each;
    double scale = double(of(before, "bn2.weight")[c]) /
                   std::sqrt(double(of(before, "bn2.running_var")[c]) + 1e-5);
    EXPECT_EQ(folded[i], float(double(w[i]) * scale));
  }
}

// [in, out / groups, ...], as transposed convolutions keep it: y[g, j] = sum over i of group g.
TEST(Fold, TransposedWeightsKeepTheirChannelsInTheSecondDimension) {
  constexpr int64_t in = 6, per_group = 2, groups = 3, area = 4, out = per_group * groups;
  Tensors weights = {{"up.weight", Array::zeros(DType::f32, {in, per_group, 2, 2})}};
  for (const char* key : {"up.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"})
    weights[key] = Array::zeros(DType::f32, {out});
  weights["bn.num_batches_tracked"] = Array::zeros(DType::i64, {});
  auto w = weights.at("up.weight").as<float>();
  for (size_t i = 0; i < w.size(); ++i) w[i] = float(normal(3, i));
  weights = lively(weights);
  Fold fold{.layer = "up", .norm = "bn", .weight_axis = 1, .groups = groups, .eps = 1e-3};
  auto folded = fold_weights({fold}, weights);
  EXPECT_EQ(folded.size(), 2u);

  auto at = [](const Tensors& t, const char* key, int64_t i) {
    return double(t.at(key).as<float>()[size_t(i)]);
  };
  for (int64_t o = 0; o < out; ++o)
    for (int64_t k = 0; k < area; ++k) {
      double raw = at(weights, "up.bias", o), got = at(folded, "up.bias", o);
      for (int64_t i = o / per_group * 2; i < o / per_group * 2 + 2; ++i) {  // of its group
        double x = normal(4, uint64_t(i));
        int64_t element = (i * per_group + o % per_group) * area + k;
        raw += x * at(weights, "up.weight", element);
        got += x * at(folded, "up.weight", element);
      }
      double want = (raw - at(weights, "bn.running_mean", o)) * at(weights, "bn.weight", o) /
                        std::sqrt(at(weights, "bn.running_var", o) + 1e-3) +
                    at(weights, "bn.bias", o);
      EXPECT_NEAR(got, want, 1e-6 * (1 + std::abs(want))) << o << " " << k;
    }
}

TEST(Fold, ResNet18Agrees) {
  Diagnostics found;
  Model model =
      read_file(std::string(BRAID_SOURCE_DIR) + "/examples/networks/resnet18.yaml", {}, found);
  found.raise();
  model.inputs[0].type.shape = {N, 3, 64, 64};
  Session session = lively_session(model);
  auto folded = fold_batch_norms(session);
  EXPECT_EQ(folded.report.folds.size(), 20u);
  EXPECT_TRUE(folded.report.left.empty());
  EXPECT_LT(apart(session, folded, 2), 1e-5);
}

// The example's network after some training, on noise: the images may not be installed.
TEST(Fold, FashionAgreesAfterTraining) {
  Diagnostics found;
  Model model =
      read_file(std::string(BRAID_SOURCE_DIR) + "/examples/fashion/fashion.yaml", {}, found);
  found.raise();
  Session session(model, {.devices = {"cpu"}});
  for (int i = 0; i < 8; ++i) {
    RandomBatch batch(model, 64, uint64_t(i));
    session.step(batch.pointers, 64, 0.05);
  }
  auto folded = fold_batch_norms(session);
  EXPECT_EQ(folded.report.folds.size(), 2u);
  EXPECT_LT(apart(session, folded, 16), 1e-5);
}

// ---- what is refused ----------------------------------------------------------------------------

template <class F>
std::string refusal(Fault fault, F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), fault) << e.what();
    return e.what();
  }
  return "nothing was refused";
}

void expect_says(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Fold, TrainingGoesOnWithTheNetworkAsItWas) {
  Session session = lively_session(convnet(2)), twin = lively_session(convnet(2));
  auto folded = fold_batch_norms(session);
  RandomBatch batch(session.model(), 32, 1);
  Tensors in = {{"image", input(session.model().inputs[0].type, 4)}};
  const std::function<void()> uses[] = {[&] { folded.session.step(batch.pointers, 32, 0.1); },
                                        [&] { folded.session.checkpoint(); },
                                        [&] { folded.session.run(in, {}, {.mode = Mode::train}); }};
  for (auto& use : uses)
    expect_says(refusal(Fault::model, use), "error[E0293]: 'chain' cannot be trained");
  EXPECT_EQ(session.step(batch.pointers, 32, 0.1).loss, twin.step(batch.pointers, 32, 0.1).loss);
  EXPECT_EQ(session.state().digest(0), twin.state().digest(0));
}

TEST(Fold, NamesOfFoldedLayersGiveTheNormedValue) {
  Session session = lively_session(convnet(2));
  Tensors in = {{"image", input(session.model().inputs[0].type, 3)}};
  auto want = session.run(in, {"bn2", "conv1"});
  auto kept = fold_batch_norms(session, {"bn2", "conv1"});
  EXPECT_TRUE(kept.report.folds.empty());
  EXPECT_EQ(kept.session.run(in, {"conv1"}).at("conv1"), want.at("conv1"));
  auto folded = fold_batch_norms(session);
  EXPECT_LT(largest_difference(folded.session.run(in, {"conv2"}).at("conv2"), want.at("bn2")),
            1e-5);
  expect_says(refusal(Fault::model, [&] { folded.session.run(in, {"bn2"}); }), "E0219");
}

TEST(Fold, WhatHooksWatchStays) {
  Hooks hooks;
  int seen = 0;
  hooks.on_forward(at("bn1"), [&](const HookVisit&) { ++seen; });
  Session session = lively_session(convnet(1), {.devices = {"cpu"}, .hooks = hooks});
  auto folded = fold_batch_norms(session);
  ASSERT_EQ(folded.report.folds.size(), 1u);
  EXPECT_EQ(folded.report.folds[0].norm, "bn2");
  ASSERT_EQ(folded.report.left.size(), 1u);
  EXPECT_EQ(folded.report.left[0].why, "it is named by an output or a hook");
  folded.session.run({{"image", input(session.model().inputs[0].type, 3)}});
  EXPECT_EQ(seen, 1);
}

TEST(Fold, WeightsThatDoNotFitAreRefusedAndLeftAsTheyWere) {
  Session session = lively_session(convnet(1));
  Model original = session.model();
  const Tensors good = session.weights();
  auto message = [&](Tensors weights) {
    Model model = original;
    const Tensors given = weights;
    auto text = refusal(Fault::data, [&] { fold_batch_norms(model, weights, session.registry()); });
    EXPECT_EQ(weights, given);
    EXPECT_EQ(model.layers.size(), original.layers.size());
    EXPECT_EQ(model.eval_only, "");
    return text;
  };
  Tensors weights = good;
  weights.erase("bn2.running_var");
  expect_says(message(weights),
              "error[E0294]: 'bn2' cannot be folded into 'conv2': there is no tensor "
              "'bn2.running_var'");
  weights = good;
  weights["bn1.bias"] = Array::zeros(DType::f32, {15});
  expect_says(message(weights), "'bn1.bias' is f32 [15], and the layer has 16 channels");
  weights = good;
  weights["conv1.weight"] = Array::zeros(DType::f64, {16, 1, 5, 5});
  expect_says(message(weights), "'conv1.weight' is f64 [16, 1, 5, 5], and f32 is needed");
  weights = good;
  weights["conv1.weight"] = Array::zeros(DType::f32, {});
  expect_says(message(weights), "'conv1.weight' is f32 []");
}

TEST(Session, WeightsAreThereBeforeAnythingRan) {
  Session session(convnet(2), {.devices = {"cpu"}}), other(convnet(2), {.devices = cpus(2)});
  auto weights = session.weights();
  EXPECT_EQ(weights.size(), 17u);  // 4 weights, 3 biases, two batch norms' five
  for (float v : std::as_const(weights.at("bn1.running_var")).as<float>()) EXPECT_EQ(v, 1);
  weights = lively(weights);
  other.set_weights(weights);
  EXPECT_EQ(other.weights(), weights);
  EXPECT_EQ(other.state().digest(0), other.state().digest(1));
  weights.erase("fc1.bias");
  expect_says(refusal(Fault::data, [&] { other.set_weights(weights, "mine"); }),
              "mine does not fit the model");
}

}  // namespace
}  // namespace braid::test
