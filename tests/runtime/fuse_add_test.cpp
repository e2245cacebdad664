// A sum that goes into the batch norm before it has the bits of the operations one by one: in
// steps, gradients and evaluation, over replicas and devices, and as hooks see it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include <braid/runtime/hooks.h>

#include "support/residual.h"

namespace braid::test {
namespace {

const std::vector<int64_t> batches = {32, 13, 5, 32};

// Identity and projection, a sum of three, other activations, frozen statistics, rows; 20 channels
// fill no block.
Model blocks(int64_t replicas, int sync = 0) {
  Chain chain({N, 3, 10, 6}, replicas);
  auto add = [&](std::string path, std::string type, Dict params = {}) {
    chain.add(std::move(path), type, std::move(params));
    if (type.starts_with("BatchNorm")) chain.back().sync = sync;
    return chain.last();
  };
  auto conv_bn = [&](const std::string& name, int64_t channels, int from, int64_t size = 3) {
    Dict params = {{"out_channels", channels}, {"kernel_size", size}, {"padding", size / 2}};
    add(name, "Conv2d", params);
    if (from >= 0) chain.back().from = {Link::layer(from)};
    return add(name + "_bn", "BatchNorm2d");
  };
  auto sum = [&](const std::string& name, const std::vector<int>& of, const std::string& then) {
    add(name, "Add");
    chain.back().from.clear();
    for (int i : of) chain.back().from.push_back(Link::layer(i));
    return add(name + "_out", then);
  };
  conv_bn("stem", 16, -1);
  const int stem = add("stem_out", "ReLU");
  const int a = sum("a", {conv_bn("a_conv", 16, stem), stem}, "ReLU");
  const int main = conv_bn("b_conv", 20, a);
  const int b = sum("b", {conv_bn("b_short", 20, a, 1), main}, "ReLU");
  const int c = sum("c", {b, conv_bn("c_conv", 20, b)}, "LeakyReLU");
  const int d = sum("d", {c, conv_bn("d_conv", 20, c), b}, "ReLU");
  const int e_bn = conv_bn("e_conv", 20, d);
  chain.back().freeze = Freeze::stats;
  const int e = sum("e", {e_bn, d}, "ReLU");
  const int f_bn = conv_bn("f_conv", 20, e);
  chain.back().freeze = Freeze::all;
  sum("f", {f_bn, e}, "ReLU");
  add("tail", "Conv2d", {{"out_channels", 16}, {"kernel_size", 3}}), add("flat", "Flatten");
  add("fc1", "Linear", {{"out_features", 27}});
  const int wide = add("tanh", "Tanh");
  add("fc2", "Linear", {{"out_features", 27}});
  sum("g", {wide, add("fc2_bn", "BatchNorm1d", {{"affine", false}})}, "ReLU");
  add("fc3", "Linear", {{"out_features", 10}});
  return chain.done();
}

int64_t count(const Plan& plan, const std::string& op) {
  return std::ranges::count(plan.nodes, op, &NodeInfo::op);
}

Trace trace_of(const Model& model, SessionOptions options,
               const std::vector<int64_t>& sizes = batches) {
  options.digest = true;
  Session session(model, std::move(options));
  return run_steps(session, sizes);
}

void expect_same(const Model& model, const Trace& base, SessionOptions options,
                 const std::string& what, const std::vector<int64_t>& sizes = batches) {
  options.digest = true;
  Session session(model, std::move(options));
  EXPECT_EQ(difference(session, base, run_steps(session, sizes), false), "") << what;
}

TEST(FuseAdd, JoinsWhatItSays) {
  Session fused(blocks(2)), apart(blocks(2), {.disabled = {"fuse_add"}});
  const Plan &with = fused.plan(Mode::train, 8), &without = apart.plan(Mode::train, 8);
  EXPECT_EQ(count(without, "normalize_add") + count(without, "bn_relu_reduce"), 0);
  EXPECT_EQ(count(with, "normalize_add"), 5);       // a, b, c, d, g
  EXPECT_EQ(count(with, "normalize_eval_add"), 2);  // e, f
  EXPECT_EQ(count(with, "normalize"), 2);           // stem, one of b's
  EXPECT_EQ(count(without, "relu"), 6);
  EXPECT_EQ(count(with, "relu"), 1);  // d's is behind the second sum
  EXPECT_EQ(count(with, "bn_relu_reduce"), 4);
  EXPECT_EQ(count(with, "bn_eval_relu_reduce"), 1);
  EXPECT_EQ(count(with, "relu_grad"), 1);  // f reduces nothing
}

class FuseAddOver : public testing::TestWithParam<int> {};

TEST_P(FuseAddOver, ChangesNoBitOfTraining) {
  const int replicas = GetParam();
  for (auto& model : {blocks(replicas), residual(replicas, false), residual(replicas, true)}) {
    const Trace base =
        trace_of(model, {.devices = {"cpu"}, .engine = "serial", .disabled = {"fuse_add"}});
    for (int devices : std::set<int>{1, (replicas + 1) / 2, replicas})
      expect_same(model, base, {.devices = cpus(devices), .threads = 2},
                  std::to_string(devices) + " devices");
    expect_same(model, base, {.devices = cpus(replicas), .threads = 3, .engine = "threads"},
                "engine threads");
    expect_same(model, base, {.devices = {"cpu"}, .disabled = {"alias", "reuse"}}, "memory apart");
  }
}

// Outputs of evaluation and of training, and the gradients of the input and of all parameters.
TEST_P(FuseAddOver, ChangesNoBitOfGradientsAndOutputs) {
  const int replicas = GetParam();
  const Model model = blocks(replicas);
  for (int64_t n : {17, 5}) {
    RandomBatch batch(model, n, 5);
    Array image = Array::zeros(DType::f32, model.inputs[0].type.dims(n));
    std::ranges::copy(batch.bytes[0], image.bytes.begin());
    Array upstream = Array::zeros(DType::f32, {n, 10});
    for (int64_t i = 0; i < 10 * n; ++i)
      upstream.as<float>()[size_t(i)] = float(normal(9, uint64_t(i)));
    Session apart(model, {.devices = {"cpu"}, .disabled = {"fuse_add"}});
    const auto base = apart.backward({{"image", image}}, {{"logits", upstream}});
    const auto logits = apart.run({{"image", image}}, {"logits", "c", "e_out"});
    for (int devices : std::set<int>{1, replicas}) {
      Session fused(model, {.devices = cpus(devices)});
      const auto made = fused.backward({{"image", image}}, {{"logits", upstream}});
      EXPECT_EQ(made.outputs, base.outputs) << n << " on " << devices;
      EXPECT_EQ(made.inputs, base.inputs) << n << " on " << devices;
      EXPECT_EQ(made.parameters, base.parameters) << n << " on " << devices;
      EXPECT_EQ(fused.run({{"image", image}}, {"logits", "c", "e_out"}), logits)
          << n << " on " << devices;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Replicas, FuseAddOver, testing::Values(1, 2, 3, 4, 8));

TEST(FuseAdd, ChangesNoBitOfGroupsAndMicroBatches) {
  for (int group : {1, 2}) {
    const std::vector<int64_t> sizes = {32, 13, 9};
    const Model model = blocks(4, group);
    expect_same(model, trace_of(model, {.disabled = {"fuse_add"}}, sizes),
                {.devices = cpus(3), .threads = 2}, "groups of " + std::to_string(group), sizes);
  }
  for (int64_t micros : {2, 3}) {
    const std::vector<int64_t> sizes = {32, 13, 7};
    Model model = blocks(3);
    model.batch.accumulate = micros;
    expect_same(model, trace_of(model, {.disabled = {"fuse_add"}}, sizes),
                {.devices = cpus(2), .threads = 2}, std::to_string(micros) + " micro-batches",
                sizes);
  }
}

// Where x is computed again only when ReLU's gradient is there, that one stays by itself.
TEST(FuseAdd, ChangesNoBitWhereXComesLater) {
  Model model = blocks(3);
  const Trace base = trace_of(model, {.disabled = {"fuse_add"}});
  for (auto& item : model.layers)
    if (const size_t end = item.path.find("_conv"); end != std::string::npos)
      item.recompute = true, item.segment = item.path.substr(0, end);
  expect_same(model, base, {.devices = cpus(2), .threads = 2}, "x again");
  Session session(model, {});
  const Plan& plan = session.plan(Mode::train, 32);
  EXPECT_EQ(count(plan, "normalize_add"), 5);
  EXPECT_EQ(count(plan, "bn_relu_reduce"), 2);  // b_short and the rows of g are kept
  EXPECT_EQ(count(plan, "relu_grad"), 4);       // a, d, e, f
}

TEST(FuseAdd, ChangesNoBitOfTheReference) {
  const Model model = blocks(3);
  expect_same(model, trace_of(model, {.engine = "reference", .disabled = {"fuse_add"}}, {13}),
              {.engine = "reference"}, "reference", {13});
}

// What is masked may be anything, and is in the sum, too.
TEST(FuseAdd, TakesMasks) {
  for (int replicas : {1, 3}) {
    Chain chain({N, 4, 6}, replicas);
    chain.add("bn", "BatchNorm1d").add("add", "Add");
    chain.back().from.push_back(Link::input(0));
    chain.add("relu", "ReLU");
    chain.add("bn2", "BatchNorm1d").add("add2", "Add");
    chain.back().from.push_back(Link::layer(2));
    chain.add("relu2", "ReLU").add("flat", "Flatten").add("fc", "Linear", {{"out_features", 10}});
    Model model = chain.done();
    model.inputs.push_back({"mask", {DType::f32, {N, 6}}});
    Link mask = Link::input(2);
    mask.into = "mask";
    for (size_t bn : {0, 3}) model.layers[bn].from.push_back(mask);
    auto state = [&](std::set<std::string> disabled, int64_t joined) {
      Session session(model, {.disabled = std::move(disabled)});
      RandomBatch batch(model, 11, 3);
      auto x = reinterpret_cast<float*>(batch.bytes[0].data());
      auto w = reinterpret_cast<float*>(batch.bytes[2].data());
      for (int64_t i = 0; i < 66; ++i) {
        w[i] = i % 6 < 6 - i / 6 % 4 ? 1 : 0;
        for (int64_t c = 0; c < 4 && w[i] == 0; ++c) x[(i / 6 * 4 + c) * 6 + i % 6] = 1e30f;
      }
      session.step(batch.pointers, 11, 0.1);
      EXPECT_EQ(count(session.plan(Mode::train, 11), "normalize_add"), joined);
      EXPECT_EQ(count(session.plan(Mode::train, 11), "bn_relu_reduce"), joined);
      return session.state().digest(0);
    };
    EXPECT_EQ(state({}, 2), state({"fuse_add"}, 0)) << replicas;
  }
}

// ---- hooks ------------------------------------------------------------------------------------

struct Watched {
  std::map<std::string, std::vector<float>> seen;
  uint64_t state = 0, hash = 0;
};

Watched watch(const Model& model, const std::vector<std::string>& layers,
              std::set<std::string> disabled = {}) {
  std::mutex mutex;
  Watched w;
  Hooks hooks;
  auto note = [&](const std::string& what) {
    return [&, what](const HookVisit& v) {
      std::lock_guard lock(mutex);
      auto& value = v.values();
      w.seen[what + std::string(v.layer) + " " + std::to_string(v.replica())].assign(
          value.f32().begin(), value.f32().end());
    };
  };
  for (auto& layer : layers) {
    hooks.on_forward(at(layer), note("forward "));
    hooks.on_backward(at(layer), note("backward "));
  }
  Session session(model, {.disabled = std::move(disabled), .hooks = hooks});
  RandomBatch batch(model, 12, 4);
  session.step(batch.pointers, 12, 0.1);
  w.state = session.state().digest(0);
  w.hash = session.plan(Mode::train, 12).program_hash;
  return w;
}

TEST(FuseAdd, ShowsHooksWhatIsNoLongerThere) {
  const std::vector<std::string> layers = {"a_conv_bn", "a", "a_out", "b_short_bn", "b_conv_bn",
                                           "c_conv_bn", "c", "d",     "d_out",      "e_conv_bn"};
  const Model model = blocks(3);
  const Watched apart = watch(model, layers, {"fuse_add"}), nobody = watch(model, {});
  EXPECT_EQ(apart.seen.size(), 2 * 3 * layers.size());
  std::vector<std::vector<std::string>> groups = {layers};
  for (auto& layer : layers) groups.push_back({layer});
  for (auto& some : groups) {
    const Watched fused = watch(model, some);
    EXPECT_EQ(fused.state, apart.state);
    EXPECT_EQ(fused.hash, nobody.hash);
    EXPECT_EQ(fused.seen.size(), 6 * some.size());
    for (auto& [what, values] : fused.seen) EXPECT_EQ(values, apart.seen.at(what)) << what;
  }
}

// A hook that writes takes the result of a batch norm, a gradient: neither is joined.
TEST(FuseAdd, LeavesAloneWhatAHookMayWrite) {
  auto move_it = [](const HookVisit& v) {
    for (float& x : v.values().edit()) x += 0.25f;
  };
  auto run = [&](const std::string& layer, std::set<std::string> disabled) {
    Hooks hooks;
    hooks.on_forward(at(layer), move_it, {.mutates = true});
    hooks.on_backward(at(layer), move_it, {.mutates = true});
    Session session(blocks(2), {.disabled = std::move(disabled), .hooks = hooks});
    RandomBatch batch(session.model(), 12, 4);
    session.step(batch.pointers, 12, 0.1);
    return session.state().digest(0);
  };
  std::set<uint64_t> all;
  for (const char* layer : {"a_conv_bn", "a", "a_out", "b_short_bn"}) {
    all.insert(run(layer, {}));
    EXPECT_EQ(run(layer, {}), run(layer, {"fuse_add"})) << layer;
  }
  EXPECT_EQ(all.size(), 4u);
}

}  // namespace
}  // namespace braid::test
