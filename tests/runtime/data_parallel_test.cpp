// The replication API: order, contexts, forward, backward, conversion, and its bad inputs.
#include <gtest/gtest.h>

#include <cmath>

#include <braid/compiler/draw.h>
#include <braid/core/random.h>
#include <braid/runtime/data_parallel.h>

#include "support/models.h"

namespace braid {
namespace {

Array random(std::vector<int64_t> dims, uint64_t key, double mean = 0) {
  Array array = Array::zeros(DType::f32, std::move(dims));
  for (size_t i = 0; i < array.as<float>().size(); ++i)
    array.as<float>()[i] = float(mean + normal(key, i));
  return array;
}

double distance(const Array& a, const Array& b) {
  double most = 0, largest = 1e-30;
  for (size_t i = 0; i < a.as<float>().size(); ++i) {
    most = std::max(most, std::abs(double(a.as<float>()[i]) - double(b.as<float>()[i])));
    largest = std::max(largest, std::abs(double(b.as<float>()[i])));
  }
  return a.dims == b.dims ? most / largest : 1e30;
}

std::string message(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

using Calls = std::vector<std::tuple<std::string, CallbackContext*, int>>;

struct Probe : Layer, OnReplicate {
  Probe(std::string name, Calls& calls) : Layer("Identity"), name(std::move(name)), calls(calls) {}
  void on_replicate(CallbackContext& context, int copy_id) override {
    calls.emplace_back(name, &context, copy_id);
  }
  std::string name;
  Calls& calls;
};

// A module with a hook of its own around two layers with hooks; they are called in the other order.
struct Tree : Module, OnReplicate {
  explicit Tree(Calls& calls)
      : a(register_module("a", std::make_shared<Probe>("a", calls))),
        b(register_module("b", std::make_shared<Probe>("b", calls))),
        unused(register_module("unused", std::make_shared<Probe>("unused", calls))),
        calls(calls) {}
  Symbol forward(Symbol x) override { return (*a)((*b)(x)) + (*a)(x); }
  void on_replicate(CallbackContext& context, int copy_id) override {
    calls.emplace_back("tree", &context, copy_id);
  }
  std::shared_ptr<Probe> a, b, unused;
  Calls& calls;
};

TEST(DataParallel, CallsBackReplicaAfterReplicaInTheOrderOfRegistration) {
  Calls calls;
  DataParallelWithCallback parallel(std::make_shared<Tree>(calls), {0, 1, 2});
  parallel.forward(random({6, 4}, 1));
  ASSERT_EQ(calls.size(), 12u);
  const char* order[] = {"tree", "a", "b", "unused"};
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(std::get<0>(calls[i]), order[i % 4]);
    EXPECT_EQ(std::get<1>(calls[i]), std::get<1>(calls[i % 4]));
    EXPECT_EQ(std::get<2>(calls[i]), int(i / 4));
  }
  auto first = calls;
  parallel.forward(random({6, 4}, 1));
  ASSERT_EQ(calls.size(), 24u) << "it replicates at every call";
}

TEST(DataParallel, MethodsOfModulesStandInThePlanAndInItsPicture) {
  Calls calls;
  DataParallelWithCallback parallel(std::make_shared<Tree>(calls), {0, 1});
  parallel.forward(random({4, 3}, 1));
  auto& plan = parallel.plan();
  std::string points;
  for (auto& point : plan.hook_points)
    points += plan.hooks[size_t(point.spec)].name + " of " + point.layer + "; ";
  EXPECT_NE(points.find("Tree::on_replicate of module; "), std::string::npos) << points;
  EXPECT_NE(points.find("Probe::on_replicate of module.b; "), std::string::npos) << points;
  EXPECT_NE(points.find("Probe::on_replicate of module.unused; "), std::string::npos) << points;
  std::string dot = to_dot(draw_replicas(plan));
  EXPECT_NE(dot.find("on_replicate: Tree::on_replicate"), std::string::npos) << dot;
}

TEST(DataParallel, ContextsAreFreshForEveryReplication) {
  struct Counting : Layer, OnReplicate {
    Counting() : Layer("Identity") {}
    void on_replicate(CallbackContext& context, int copy_id) override {
      EXPECT_EQ(context.size(), copy_id ? 1u : 0u);
      context.get_or<int>([] { return 0; })++;
    }
  };
  DataParallelWithCallback parallel(std::make_shared<Counting>(), {0, 1});
  for (int i = 0; i < 3; ++i) parallel.forward(random({4, 2}, 1));
}

TEST(DataParallel, WithoutCallbacksNobodyIsCalled) {
  Calls calls;
  DataParallel parallel(std::make_shared<Tree>(calls), {0, 1});
  parallel.forward(random({4, 4}, 1));
  EXPECT_TRUE(calls.empty());
  patch_replication_callback(parallel);
  patch_replication_callback(parallel);
  parallel.forward(random({4, 4}, 1));
  EXPECT_EQ(calls.size(), 8u) << "patched twice is patched once";
  DataParallelWithCallback other(std::make_shared<Tree>(calls), {0, 1});
  patch_replication_callback(other);
  calls.clear();
  other.forward(random({4, 4}, 1));
  EXPECT_EQ(calls.size(), 8u);
}

TEST(DataParallel, ASingleIdCallsBackToo) {
  Calls calls;
  DataParallelWithCallback parallel(std::make_shared<Probe>("only", calls), {3});
  parallel.forward(random({4, 4}, 1));
  EXPECT_EQ(calls.size(), 1u);
}

TEST(DataParallel, IdsInAnyOrderGiveTheSameBits) {
  Array x = random({7, 5, 3}, 1, 123.7), dy = random({7, 5, 3}, 2);
  std::optional<Array> y, dx;
  for (auto& ids : std::vector<std::vector<int>>{{0, 1}, {1, 0}, {2, 5}, {1, 1}}) {
    auto bn = std::make_shared<SynchronizedBatchNorm1d>(5);
    DataParallelWithCallback parallel(bn, ids);
    Array mine = parallel.forward(x);
    auto g = parallel.backward(dy);
    if (!y) y = mine, dx = g.inputs[0];
    EXPECT_EQ(*y, mine);
    EXPECT_EQ(*dx, g.inputs[0]);
    EXPECT_EQ(parallel.plan().devices[0], "cpu:" + std::to_string(ids[0]))
        << "copy 0 lives on the first id";
  }
}

// The golden vectors of the original: rows split 3 + 1, as torch.chunk cuts for two devices is 2 +
// 2, so three replicas of one row stand beside one: here any split must give the same.
TEST(DataParallel, MatchesTheOriginalOnItsGoldenVectors) {
  Array x = Array::of<float>({4, 2}, {1, -2, 2, 0.5f, 4, 3, -1, 1});
  Array dy = Array::of<float>({4, 2}, {.1f, -.2f, .3f, .4f, -.5f, .6f, .7f, -.8f});
  struct Golden {
    bool clamp;
    std::vector<double> y, dx, dw;
  };
  const Golden goldens[] = {
      {false,
       {-0.13729833462074165, -1.6849444767061144, 0.6372983346207417, -1.0326164036526722,
        2.186491673103708, -0.38028833059922984, -1.6864916731037083, -0.9021507890419836},
       {-0.11360751148875087, 0.022428982256475796, 0.19106717841289922, 0.10792559778858654,
        -0.12909944487358055, 0.08904972163214651, 0.0516397779494322, -0.21940430167720887},
       {-1.4975535605335344, 0.834979933508406}},
      {true,
       {-0.16602514716892186, -1.7369555266607763, 0.6660251471689218, -1.0350931203171798,
        2.3301257358446095, -0.3332307139735834, -1.8301257358446095, -0.8947206390484606},
       {-0.1344081244699593, 0.03678727095318161, 0.2176131539037437, 0.11672352137024541,
        -0.0768046425542625, 0.08436178677233376, -0.006400386879521824, -0.23787257909576082},
       {-1.6086305690531644, 0.8983838801198035}}};
  for (auto& golden : goldens)
    for (auto& ids : std::vector<std::vector<int>>{{0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3, 4}})
      for (auto chunk : {Chunk::even, Chunk::torch}) {
        auto bn = std::make_shared<SynchronizedBatchNorm1d>(
            2, BatchNormOptions{.eps = 0.5, .clamp = golden.clamp});
        bn->tensor("weight") = Array::of<float>({2}, {1.5f, 0.5f});
        bn->tensor("bias") = Array::of<float>({2}, {0.25f, -1});
        DataParallelWithCallback parallel(bn, ids, {.chunk = chunk});
        Array y = parallel.forward(x);
        auto g = parallel.backward(dy);
        for (size_t i = 0; i < 8; ++i) {
          EXPECT_NEAR(y.as<float>()[i], golden.y[i], 3e-7);
          EXPECT_NEAR(g.inputs[0].as<float>()[i], golden.dx[i], 1e-7);
        }
        for (size_t c = 0; c < 2; ++c)
          EXPECT_NEAR(g.parameters.at("weight").as<float>()[c], golden.dw[c], 3e-7);
        EXPECT_NEAR(g.parameters.at("bias").as<float>()[0], 0.6, 1e-7);
        EXPECT_NEAR(bn->tensor("running_mean").as<float>()[1], 0.0625, 1e-8);
        EXPECT_NEAR(bn->tensor("running_var").as<float>()[0], 1.3333333333333335, 2e-7);
        EXPECT_EQ(bn->tensor("num_batches_tracked").as<int64_t>()[0], 1);
      }
}

TEST(DataParallel, ChunkCutsAsTorchDoes) {
  DataParallel even(std::make_shared<ReLU>(), {0, 1, 2, 3});
  DataParallel torch(std::make_shared<ReLU>(), {0, 1, 2, 3}, {.chunk = Chunk::torch});
  even.forward(random({5, 2}, 1));
  torch.forward(random({5, 2}, 1));
  EXPECT_EQ(even.plan().slices[0], (std::vector<int64_t>{2, 1, 1, 1}));
  EXPECT_EQ(torch.plan().slices[0], (std::vector<int64_t>{2, 2, 1, 0}));
}

TEST(DataParallel, ChunksOfTorchAreNotForMicroBatches) {
  Model model = test::mlp(4);
  model.batch.accumulate = 2;
  auto text = message([&] { Session(model, {.chunk = Chunk::torch}).plan(Mode::train, 9); });
  EXPECT_NE(text.find("E0441"), std::string::npos) << text;
}

TEST(DataParallel, PlainOnesNormalizeEachSlice) {
  Array x = Array::of<float>({4, 1}, {0, 1, 2, 3});
  auto bn = std::make_shared<SynchronizedBatchNorm1d>(1, BatchNormOptions{.affine = false});
  DataParallel parallel(bn, {0, 1});
  Array y = parallel.forward(x);
  EXPECT_NEAR(y.as<float>()[0], -1, 1e-4);
  EXPECT_NEAR(y.as<float>()[2], -1, 1e-4);
  patch_replication_callback(parallel);
  y = parallel.forward(x);
  EXPECT_NEAR(y.as<float>()[0], -1.3416, 1e-4);
}

struct Net : Module {
  Net()
      : conv(register_module("conv", std::make_shared<Conv2d>(2, 6, 3, Dict{{"padding", 1}}))),
        bn(register_module("bn", std::make_shared<SynchronizedBatchNorm2d>(6))),
        skip(register_module("skip", std::make_shared<Conv2d>(2, 6, 1))),
        fc(register_module("fc", std::make_shared<Linear>(6 * 16, 3))) {}
  Symbol forward(Symbol x) override { return (*fc)(flatten(relu((*bn)((*conv)(x))) + (*skip)(x))); }
  std::shared_ptr<Conv2d> conv;
  std::shared_ptr<BatchNorm> bn;
  std::shared_ptr<Conv2d> skip;
  std::shared_ptr<Linear> fc;
};

TEST(DataParallel, GradientsAreThoseOfTheWholeBatch) {
  Array x = random({9, 2, 4, 4}, 3), dy = random({9, 3}, 4);
  std::optional<DataParallel::Gradients> whole;
  for (auto& ids :
       std::vector<std::vector<int>>{{0}, {0, 1}, {0, 1, 2, 3}, {6, 5, 4, 3, 2, 1, 0}}) {
    auto net = std::make_shared<Net>();
    DataParallelWithCallback parallel(net, ids, {.seed = 5});
    parallel.forward(x);
    EXPECT_TRUE(net->state_dict().contains("conv.weight"));
    auto before = net->state_dict();
    auto g = parallel.backward(dy);
    EXPECT_EQ(before, net->state_dict()) << "backward touches no buffer";
    if (!whole) whole = g;
    EXPECT_EQ(g.parameters.size(), 8u);
    EXPECT_LT(distance(g.inputs[0], whole->inputs[0]), 2e-6);
    for (auto& [name, gradient] : g.parameters) {
      if (name == "conv.bias") continue;  // before a batch norm: truly 0
      EXPECT_LT(distance(gradient, whole->parameters.at(name)), 2e-6) << name;
    }
  }
}

TEST(DataParallel, FlagsDecideWhatIsTrained) {
  auto net = std::make_shared<Net>();
  DataParallelWithCallback parallel(net, {0, 1}, {.seed = 5});
  Array x = random({8, 2, 4, 4}, 3), dy = random({8, 3}, 4);
  parallel.forward(x);
  net->conv->requires_grad(false);
  auto g = parallel.backward(dy);
  EXPECT_FALSE(g.parameters.contains("conv.weight"));
  EXPECT_TRUE(g.parameters.contains("fc.weight"));

  Array frozen = net->bn->tensor("running_mean");
  net->bn->eval();  // a batch norm in eval mode inside a network that trains
  parallel.forward(x);
  EXPECT_EQ(frozen, net->bn->tensor("running_mean"));
  net->train();
  parallel.forward(x);
  EXPECT_NE(frozen, net->bn->tensor("running_mean"));

  net->eval();
  frozen = net->bn->tensor("running_mean");
  Array y = parallel.forward(x);
  EXPECT_EQ(frozen, net->bn->tensor("running_mean"));
  EXPECT_EQ(y, DataParallel(net, {0}).forward(x)) << "eval does not depend on replicas";
  net->bn->train();
  EXPECT_NE(message([&] { parallel.forward(x); }).find("E0433"), std::string::npos);
}

TEST(DataParallel, WhatFunctionalLayersLearnedIsThereInEval) {
  struct Functional : Module {
    Symbol forward(Symbol x) override {
      return apply("BatchNorm1d", {x}, {{"momentum", 1.0}, {"affine", false}});
    }
  };
  DataParallel parallel(std::make_shared<Functional>(), {0, 1});
  Array x = random({16, 3}, 1, 5);
  parallel.forward(x);
  parallel.module().eval();
  Array y = parallel.forward(x);
  double sum = 0;
  for (float value : y.as<float>()) sum += double(value);
  EXPECT_NEAR(sum, 0, 1e-4);
}

TEST(DataParallel, ABatchOfOneSampleLessThanReplicasIsFine) {
  auto bn = std::make_shared<SynchronizedBatchNorm2d>(3);
  DataParallelWithCallback parallel(bn, {0, 1});
  parallel.forward(random({2, 3, 2, 2}, 1));
  Array y = parallel.forward(random({1, 3, 2, 2}, 1));  // a 2-slice step, then a 1-slice step
  EXPECT_EQ(y.dims, (std::vector<int64_t>{1, 3, 2, 2}));
  EXPECT_EQ(bn->tensor("num_batches_tracked").as<int64_t>()[0], 2);
}

TEST(DataParallel, ConversionIsARoundTrip) {
  auto net = std::make_shared<Sequential>(std::vector<std::shared_ptr<Module>>{
      std::make_shared<Conv2d>(2, 4, 1), std::make_shared<BatchNorm2d>(4), std::make_shared<ReLU>(),
      std::make_shared<SynchronizedBatchNorm2d>(4)});
  auto plain = std::static_pointer_cast<BatchNorm>(net->children()[1].second);
  auto synced = std::static_pointer_cast<BatchNorm>(net->children()[3].second);
  plain->freeze_stats();
  plain->requires_grad(false);
  plain->eval();
  plain->tensor("num_batches_tracked").as<int64_t>()[0] = 41;
  auto tensors = net->state_dict();
  auto converted = convert_sync_batchnorm(*net);
  EXPECT_EQ(converted, (std::vector<std::string>{"1"}));
  EXPECT_TRUE(plain->synchronized());
  EXPECT_FALSE(plain->is_training());
  EXPECT_FALSE(plain->requires_grad());
  EXPECT_EQ(net->state_dict(), tensors);
  EXPECT_EQ(revert_sync_batchnorm(*net, converted), converted);
  EXPECT_FALSE(plain->synchronized());
  EXPECT_TRUE(synced->synchronized()) << "what was synchronized before stays so";
  EXPECT_EQ(revert_sync_batchnorm(*net).size(), 1u);
  EXPECT_FALSE(synced->synchronized());
}

TEST(DataParallel, TensorsThatAreRefusedLeaveNothingBehind) {
  Linear linear(2, 1);
  EXPECT_THROW(linear.load_state_dict({{"weight", Array::zeros(DType::f32, {1, 2})},
                                       {"nobody.weight", Array::zeros(DType::f32, {1})}}),
               Error);
  EXPECT_TRUE(linear.state_dict().empty());
  BatchNorm1d norm(3);
  EXPECT_THROW(norm.load_state_dict({{"runing_mean", Array::zeros(DType::f32, {3})}}), Error);
}

TEST(DataParallel, BadInputsAreNamed) {
  Calls calls;
  auto tree = std::make_shared<Tree>(calls);
  auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(message([&] { DataParallel(tree, {}); }), "E0438");
  has(message([&] { DataParallel(tree, {0, -1}); }), "the device id -1 is negative");
  has(message([&] { DataParallel(tree, {0}, {.device = "tpu"}); }), "device 'tpu:0'");
  has(message([&] { DataParallel(nullptr, {0}); }), "E0430");
  has(message([&] { patch_replication_callback(*tree); }), "this is a Tree");
  has(message([] { execute_replication_callbacks({}); }), "E0435");
  has(message([&] { execute_replication_callbacks({tree.get(), nullptr}); }), "copy 1 is a null");
  Sequential more({std::make_shared<ReLU>(), std::make_shared<ReLU>()});
  Sequential fewer({std::make_shared<ReLU>()});
  has(message([&] {
        execute_replication_callbacks({&fewer, &more});
      }),
      "nothing in copy 0 and ReLU at '1' in copy 1");
  has(message([&] {
        execute_replication_callbacks({&more, &fewer});
      }),
      "ReLU at '1' in copy 0 and nothing in copy 1");
  has(message([&] { DataParallel(tree, {0}).backward(random({1, 1}, 1)); }), "E0439");
  has(message([] { SynchronizedBatchNorm1d(0); }), "E0434");
  has(message([] { SynchronizedBatchNorm1d(3).tensor("wieght"); }), "did you mean 'weight'?");
  has(message([&] {
        DataParallelWithCallback(std::make_shared<SynchronizedBatchNorm1d>(10), {0, 1})
            .forward(random({4, 20}, 1));
      }),
      "num_features is 10, but the input has 20 channels");
  has(message([&] {
        DataParallelWithCallback(std::make_shared<SynchronizedBatchNorm2d>(3), {0, 1})
            .forward(random({4, 3}, 1));
      }),
      "BatchNorm2d takes (N, C, H, W)");
  has(message([&] {
        DataParallelWithCallback(std::make_shared<SynchronizedBatchNorm1d>(3), {0, 1})
            .forward(random({1, 3}, 1));
      }),
      "single value per channel");
  for (auto options : {BatchNormOptions{.momentum = 1.5}, BatchNormOptions{.momentum = -0.1},
                       BatchNormOptions{.eps = 0}, BatchNormOptions{.eps = -1}})
    has(message([&] {
          DataParallel(std::make_shared<BatchNorm1d>(3, options), {0}).forward(random({4, 3}, 1));
        }),
        "layer 'module'");
  struct Silent : Module {};
  has(message([] {
        DataParallel(std::make_shared<Silent>(), {0}).forward(random({2, 2}, 1));
      }),
      "does not say what it does");
  struct Empty : Module {
    Symbol forward(Symbol) override { return relu({}); }
  };
  has(message([] {
        DataParallel(std::make_shared<Empty>(), {0}).forward(random({2, 2}, 1));
      }),
      "called without a value");
  struct Throwing : Layer, OnReplicate {
    Throwing() : Layer("Identity") {}
    void on_replicate(CallbackContext&, int copy_id) override {
      if (copy_id == 1) throw std::runtime_error("no");
    }
  };
  Sequential hooked({std::make_shared<Throwing>()});
  has(message([&] {
        execute_replication_callbacks({&hooked, &hooked});
      }),
      "of layer '0', replica 1: no");
  has(message([] {
        DataParallelWithCallback(std::make_shared<Throwing>(), {0, 1}).forward(random({2, 2}, 1));
      }),
      "replica 1: no");
}

TEST(DataParallel, StepHooksWorkOnModules) {
  int forwards = 0;
  Hooks hooks;
  hooks.on_forward(at("module.bn"),
                   [&](const HookVisit& v) {
                     EXPECT_EQ(v.slices.size(), 2u);
                     ++forwards;
                   },
                   {.joined = true});
  DataParallelWithCallback parallel(std::make_shared<Net>(), {0, 1}, {.hooks = hooks});
  parallel.forward(random({4, 2, 4, 4}, 3));
  EXPECT_EQ(forwards, 1);
}

}  // namespace
}  // namespace braid
