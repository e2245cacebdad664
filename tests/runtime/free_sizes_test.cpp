// Dimensions that have a name in the file and a size when the network runs; tied parameters;
// callbacks of the file.
#include <braid/compiler/sizes.h>
#include <braid/dsl/read.h>
#include <gtest/gtest.h>

#include <mutex>

#include "support/models.h"

namespace braid::test {
namespace {

Model read(const std::string& text, const ReadOptions& options = {}) {
  Diagnostics found;
  Model model = read_text(text, "net.yaml", options, found);
  found.raise();
  return model;
}

const std::string rows = R"(braid: 1
replicas: 2
batch: {global: 4}
inputs: {x: {shape: [N, L, 3]}, y: {shape: [N, L, 3]}, label: {shape: [N], dtype: i64}}
layers:
  - {name: sum, type: Add, from: [x, y], expect: [N, L, 3]}
  - {name: flat, type: Reshape, shape: [N, 3*L]}
  - {name: back, type: Reshape, shape: [N, L, 3]}
  - {name: mean, type: Mean, dim: 1}
  - {name: fc, type: Linear, out_features: 2}
outputs: {fc: fc}
loss: {type: CrossEntropy, from: [fc, label]}
optimizer: {type: SGD, lr: 0.1}
)";

TEST(FreeSizes, FollowTheArrays) {
  Session session(read(rows), {.devices = cpus(2)});
  auto weights = session.weights();
  for (int64_t size : {5, 1, 64, 5}) {
    Array x = Array::zeros(DType::f32, {3, size, 3}), label = Array::zeros(DType::i64, {3});
    for (size_t i = 0; i < x.as<float>().size(); ++i) x.as<float>()[i] = float(normal(9, i));
    auto out = session.run({{"x", x}, {"y", x}}, {"fc", "sum"});
    EXPECT_EQ(out.at("sum").dims, (std::vector<int64_t>{3, size, 3}));
    Session fixed(with_sizes(read(rows), {size}), {});
    auto same = fixed.run({{"x", x}, {"y", x}}, {"fc", "sum"});
    EXPECT_EQ(out.at("fc").bytes, same.at("fc").bytes);
  }
}

TEST(FreeSizes, TrainWithAnyOfThem) {
  Session session(read(rows), {.devices = cpus(2)}), fixed(with_sizes(read(rows), {6}), {});
  Array x = Array::zeros(DType::f32, {4, 6, 3}), label = Array::zeros(DType::i64, {4});
  for (size_t i = 0; i < x.as<float>().size(); ++i) x.as<float>()[i] = float(normal(9, i));
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(session.step({{"x", x}, {"y", x}, {"label", label}}).loss,
              fixed.step({{"x", x}, {"y", x}, {"label", label}}).loss);
  EXPECT_EQ(session.state().digest(0), fixed.state().digest(0));
}

TEST(FreeSizes, MustAgreeAndBeKnown) {
  Session session(read(rows));
  auto code = [](auto call) {
    try {
      call();
    } catch (const Error& e) {
      return e.diagnostics().front().code;
    }
    return std::string();
  };
  Array five = Array::zeros(DType::f32, {3, 5, 3}), six = Array::zeros(DType::f32, {3, 6, 3});
  EXPECT_EQ(code([&] { session.run({{"x", five}, {"y", six}}, {"fc"}); }), "E0352");
  EXPECT_EQ(code([&] { session.plan(Mode::train, 4); }), "E0151");
  Session known(read(rows, {.set = {{"L", "6"}}}));
  EXPECT_EQ(code([&] { known.plan(Mode::train, 4); }), "");
  EXPECT_EQ(code([&] { known.run({{"x", five}, {"y", five}}, {"fc"}); }), "E0352");
}

TEST(FreeSizes, MayBeFewerThanAreUsuallyTried) {
  const std::string positions = R"(braid: 1
inputs: {tokens: {shape: [N, L], dtype: i64}}
layers:
  - {name: embed, type: Embedding, from: tokens, num_embeddings: 5, embedding_dim: 4}
  - {name: pos, type: Parameter, shape: [1, 20, 4]}
  - {name: seen, type: Slice, end: L}
  - {name: sum, type: Add, from: [embed, seen]}
outputs: {sum: sum}
)";
  Session session(read(positions));
  for (int64_t size : {3, 20}) {
    Array tokens = Array::zeros(DType::i64, {2, size});
    EXPECT_EQ(session.run({{"tokens", tokens}}, {"sum"}).at("sum").dims,
              (std::vector<int64_t>{2, size, 4}));
  }
  try {
    session.run({{"tokens", Array::zeros(DType::i64, {2, 21})}}, {"sum"});
    ADD_FAILURE() << "21 positions of 20";
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics().front().code, "E0274");
  }
}

const std::string tied = R"(braid: 1
replicas: 4
batch: {global: 8}
inputs: {x: {shape: [N, 10]}, label: {shape: [N], dtype: i64}}
layers:
  - {name: a, type: Linear, from: x, out_features: 10}
  - ReLU
  - {name: b, type: Linear, out_features: 10}
outputs: {b: b}
loss: {type: CrossEntropy, from: [b, label]}
optimizer: {type: SGD, lr: 0.1}
)";

/// One tensor, one gradient: the sum of both uses, as a shared layer has it.
TEST(Tie, IsWhatShareIs) {
  Model model = read(tied + "tie: {b.weight: a.weight, b.bias: a.bias}\n"), shared = read(tied);
  shared.layers[2].share = 0;
  Session one(model, {.devices = cpus(3)}), two(shared, {});
  EXPECT_EQ(one.weights().size(), 2u);
  for (int64_t batch : {8, 5, 2}) {
    RandomBatch random(model, batch, uint64_t(batch));
    EXPECT_EQ(one.step(random.pointers, batch, 0.1).loss,
              two.step(random.pointers, batch, 0.1).loss);
  }
  EXPECT_EQ(one.state().digest(0), two.state().digest(0));
}

TEST(Tie, WeightsMayNameTheTensorTwiceIfItIsOne) {
  Session session(read(tied + "tie: {b.weight: a.weight}\n"));
  auto weights = session.weights();
  EXPECT_FALSE(weights.contains("b.weight"));
  weights["b.weight"] = weights.at("a.weight");
  session.set_weights(weights);
  weights["b.weight"].as<float>()[0] += 1;
  EXPECT_THROW(session.set_weights(weights), Error);
}

TEST(Callback, SeesTheValueAndChangesNothing) {
  std::string text = tied;
  text.insert(text.find("  - {name: b,"), "  - {name: watch, type: Callback, call: see}\n");
  Model model = read(text), plain = read(tied);
  std::mutex guard;
  int64_t seen = 0;
  Hooks hooks;
  hooks.bind("see", [&](const HookVisit& v) {
    std::scoped_lock lock(guard);
    for (float value : v.values().f32()) seen += value >= 0;
  });
  Session one(model, {.devices = cpus(2), .hooks = hooks}), two(plain, {});
  RandomBatch batch(model, 8, 1);
  EXPECT_EQ(one.step(batch.pointers, 8, 0.1).loss, two.step(batch.pointers, 8, 0.1).loss);
  EXPECT_EQ(seen, 80);  // behind a ReLU
  EXPECT_EQ(one.state().digest(0), two.state().digest(0));
}

TEST(Callback, ANameThatNobodyBoundIsAnError) {
  std::string text = tied;
  text.insert(text.find("  - {name: b,"), "  - {name: watch, type: Callback, call: see}\n");
  auto said = [&](const Hooks& hooks) {
    try {
      Session session(read(text), {.hooks = hooks});
    } catch (const Error& e) {
      return e.diagnostics().front().code + " " + e.diagnostics().front().message;
    }
    return std::string();
  };
  EXPECT_EQ(said({}), "E0423 layer 'watch' calls 'see', and nothing is bound under that name");
  Hooks other;
  other.bind("seen", [](const HookVisit&) {});
  EXPECT_EQ(
      said(other),
      "E0424 hook on_forward 'seen': the model calls nothing named 'seen' (did you mean 'see'?)");
}

}  // namespace
}  // namespace braid::test
