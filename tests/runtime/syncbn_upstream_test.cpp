// The test suites of other synchronized batch norms, case by case, with their shapes and
// tolerances: vacancy/Synchronized-BatchNorm-PyTorch, torch.distributed, apex, MXNet, Horovod,
// Keras, OneFlow. Where they take loss = sum(output), whose true gradients are 0 and test nothing,
// these take random gradients; where they compare with another implementation, these compare with
// batch norm by the book in f64.
#include "syncbn_rig.h"

namespace braid::test::syncbn {
namespace {

struct Case {
  const char* name;
  Spec spec;
  int64_t n = 16;
  Tolerance tolerance = {1e-5, 1e-3};  // theirs
  double scale = 1;                    // of uniform inputs
};

std::vector<double> drawn(uint64_t key, size_t count, double centre) {
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) values.push_back(double(float(centre + uniform(key, i))));
  return values;
}

void check(const Case& c, uint64_t key, const std::string& engine) {
  const auto& spec = c.spec;
  Array x = uniform_array(with_batch(spec.dims, c.n), key);
  for (float& v : x.as<float>()) v = float(double(v) * c.scale);
  const Array g = normal_array(x.dims, key + 1);
  const bool affine = get_bool(spec.params, "affine", true);
  std::vector<double> weight, bias;
  if (affine) {
    weight = drawn(key + 2, size_t(spec.dims[0]), 0.5);
    bias = drawn(key + 3, size_t(spec.dims[0]), -0.5);
  }
  SessionOptions options{.devices = cpus(spec.replicas), .threads = 2, .engine = engine};
  Session session = open(spec, options, weight, bias);
  const auto want = by_the_book(x, g, spec.params, weight, bias);
  const Tolerance t = engine == "reference" ? Tolerance{1e-11, 1e-11} : c.tolerance;
  expect_close(run(session, x, g), want, t, std::string(c.name) + ", " + engine);
}

const std::vector<Case>& cases() {
  const Dict plain = {{"affine", false}};
  static const std::vector<Case> all = {
      {"vacancy NormalTrain", {{10}, 1}},
      {"vacancy SyncTrain", {{10}, 2, plain}},
      {"vacancy 2DSyncTrain", {{10, 16, 16}, 2}},
      {"vacancy, one row each", {{10}, 4}, 4},
      {"vacancy, clamp", {{10}, 2, {{"eps_mode", "clamp"}}}},
      {"torch, local batch 2", {{16, 5, 5}, 4}, 8},
      {"torch, no affine", {{16, 5, 5}, 2, plain}, 4},
      {"torch, 2-D input", {{2}, 2}, 4},
      {"torch, single row per rank", {{2}, 2, {{"eps", 0.1}}}, 2},
      {"torch, uneven gradients", {{4, 3, 3}, 4}, 2 + 3 + 4 + 5},
      {"torch, uneven, three ranks", {{4, 3, 3}, 3}, 10},
      {"torch, channels last 2x4x4", {{2, 4, 4}, 2}, 4},
      {"torch, channels last 2x4x4, blocked", {{2, 4, 4}, 2, {}, true}, 4},
      {"torch, 33 channels, blocked", {{33, 4, 4}, 2, {}, true}, 4},
      {"torch, an empty rank", {{8, 5, 5}, 4}, 3},
      {"apex, one rank", {{10, 16, 16}, 1}, 5, {1e-5, 1e-5}},
      {"apex, one rank, blocked", {{10, 16, 16}, 1, {}, true}, 5, {1e-5, 1e-5}},
      {"apex, two ranks", {{10, 40, 40}, 2}, 32, {2e-4, 1e-5}},
      {"apex, two ranks, uneven", {{6, 8, 8}, 2}, 16 + 7, {1e-4, 1e-5}, 50},
      {"apex, BatchNorm1d 8x4", {{4}, 2}, 8, {1e-6, 1e-5}},
      {"Keras moments over 0, 1, 2",
       {{3, 28, 28}, 2, {{"running_var", "biased"}}},
       2,
       {1e-5, 1e-5}},
      {"OneFlow BatchNorm1d", {{8, 11}, 2}},
      {"OneFlow BatchNorm2d", {{8, 7, 7}, 2}},
      {"OneFlow BatchNorm2d, blocked", {{8, 7, 7}, 2, {}, true}},
      {"OneFlow BatchNorm3d", {{8, 4, 5, 5}, 2}},
  };
  return all;
}

TEST(SyncBnUpstream, TablesOfCases) {
  uint64_t key = 1;
  for (auto& c : cases())
    for (const char* engine : {"tbb", "reference"}) check(c, key += 10, engine);
}

// MXNet: (24, 2) (24, 3, 4) (24, 4, 4, 4) (24, 5, 6, 4, 4), 1 to 8 devices, ten repeats, the loss
// is sum(out^2), the running variance biased, everything to 1e-2; here to 1e-5.
TEST(SyncBnUpstream, MxnetShapesOverDevices) {
  for (const std::vector<int64_t>& dims :
       std::vector<std::vector<int64_t>>{{2}, {3, 4}, {4, 4, 4}, {5, 6, 4, 4}})
    for (int devices = 1; devices <= 8; ++devices)
      for (uint64_t repeat = 0; repeat < 10; ++repeat) {
        const Spec spec{dims, devices, {{"running_var", "biased"}, {"eps", 1e-3}}};
        const auto x = uniform_array(with_batch(dims, 24), 100 + repeat);
        Session session = open(spec, {.devices = cpus(devices), .threads = 2});
        Array g = session.run({{"x", x}}, {}, {.mode = Mode::train}).at("y");
        for (float& v : g.as<float>()) v *= 2;
        // dx is the small difference of large terms here: all but what eps lets through is 0.
        expect_close(run(session, x, g), by_the_book(x, g, spec.params), {1e-4, 1e-5},
                     std::to_string(devices) + " devices");
      }
}

// vacancy testNumericBatchNorm: momentum 1, so that running statistics are the batch's.
TEST(SyncBnUpstream, VacancyNumericBatchNorm) {
  for (uint64_t trial = 0; trial < 8; ++trial) {
    const Spec spec{{10}, 1, {{"affine", false}, {"momentum", 1.0}, {"eps_mode", "clamp"}}};
    const auto x = uniform_array({16, 10}, trial), g = normal_array({16, 10}, 50 + trial);
    Session session = open(spec, {});
    auto got = run(session, x, g);
    expect_close(got, by_the_book(x, g, spec.params), {1e-5, 1e-3}, "by the book");
    for (size_t c = 0; c < 10; ++c) {
      double sum = 0, squares = 0;
      for (size_t i = 0; i < 16; ++i) sum += double(x.as<float>()[i * 10 + c]);
      for (size_t i = 0; i < 16; ++i)
        squares += std::pow(double(x.as<float>()[i * 10 + c]) - sum / 16, 2);
      EXPECT_NEAR(got.mean[c], sum / 16, 1e-6);
      EXPECT_NEAR(got.var[c], squares / 15, 1e-6);
    }
  }
}

// vacancy NumericTestCasev2: 16 channels, 16x16x16x16, momentum 1, a hundred steps of SGD at 0.01.
TEST(SyncBnUpstream, VacancyAHundredStepsOfSgd) {
  const Spec spec{{16, 16, 16}, 4, {{"momentum", 1.0}}};
  auto weight = drawn(1, 16, 0.5), bias = drawn(2, 16, -0.5), ours = weight, our_bias = bias;
  Session session = open(spec, {.devices = cpus(2), .threads = 2}, weight, bias);
  for (uint64_t step = 0; step < 100; ++step) {
    const auto x = uniform_array({16, 16, 16, 16}, 10 + step),
               g = normal_array({16, 16, 16, 16}, 500 + step, 0, 0.01);
    const auto got = run(session, x, g);
    const auto want = by_the_book(x, g, spec.params, weight, bias);
    // PyTorch's own comparison fails at dweight, whose true value is 0 for its loss.
    expect_close(got, want, {1e-5, 1e-3}, "step " + std::to_string(step));
    for (size_t c = 0; c < 16; ++c) {
      weight[c] -= 0.01 * want.dweight[c], bias[c] -= 0.01 * want.dbias[c];
      ours[c] -= 0.01 * got.dweight[c], our_bias[c] -= 0.01 * got.dbias[c];
    }
    assign(session, "bn.weight", ours);
    assign(session, "bn.bias", our_bias);
  }
  EXPECT_LE(apart(variable(session, "bn.weight"), weight), 1e-6);
}

// vacancy NormalEval and SyncEval; torch: eval synchronizes nothing, and does not hang.
TEST(SyncBnUpstream, Eval) {
  for (int replicas : {1, 2}) {
    const Spec spec{{10}, replicas, {{"affine", replicas == 1}}};
    Session session = open(spec, {.devices = cpus(replicas)});
    for (uint64_t step = 0; step < 3; ++step)
      run(session, uniform_array({16, 10}, step), normal_array({16, 10}, 9));
    const auto mean = variable(session, "bn.running_mean"),
               var = variable(session, "bn.running_var");
    const auto x = uniform_array({16, 10}, 7), g = normal_array({16, 10}, 8);
    auto result = session.backward({{"x", x}}, {{"y", g}}, {.mode = Mode::eval});
    auto y = to_doubles(result.outputs.at("y")), dx = to_doubles(result.inputs.at("x"));
    for (size_t i = 0; i < y.size(); ++i) {
      const double inverse = 1 / std::sqrt(var[i % 10] + 1e-5);
      EXPECT_NEAR(y[i], (double(x.as<float>()[i]) - mean[i % 10]) * inverse, 1e-6);
      EXPECT_NEAR(dx[i], double(g.as<float>()[i]) * inverse, 1e-6);
    }
    EXPECT_EQ(to_doubles(session.run({{"x", x}}).at("y")), y);
    EXPECT_EQ(variable(session, "bn.running_mean"), mean);
    EXPECT_TRUE(session.plan(Mode::eval, 16, {"y"}).syncs.empty());
    // One forward, one back; a single replica has nobody to agree with.
    EXPECT_EQ(session.plan(backward_key(16)).syncs.size(), replicas == 1 ? 0u : 2u);
  }
  Session untracked = open({{2, 4, 4}, 2, {{"track_running_stats", false}}}, {.devices = cpus(2)});
  const auto x = uniform_array({10, 2, 4, 4}, 1), g = normal_array({10, 2, 4, 4}, 2);
  EXPECT_EQ(to_doubles(untracked.run({{"x", x}}).at("y")), run(untracked, x, g).y);
}

// torch: rank i has 10^(i+1) constants 0.1^(i-1) in one channel and 0.3^(i-1) in the other;
// momentum 0.99, a hundred steps: running statistics become those of the concatenation.
TEST(SyncBnUpstream, TorchUnevenRunningStatistics) {
  for (int replicas : {2, 3}) {
    std::vector<float> values;
    for (int i = 0; i < replicas; ++i)
      for (int row = 0; row < 2 * int(std::pow(10, i + 1)); ++row)
        for (double base : {0.1, 0.3}) values.push_back(float(std::pow(base, i - 1)));
    const auto rows = int64_t(values.size() / 2);
    Session session = open({{2}, replicas, {{"momentum", 0.99}}}, {.devices = cpus(replicas)});
    const auto x = Array::of<float>({rows, 2}, values);
    for (int step = 0; step < 100; ++step)
      session.run({{"x", x}}, {}, {.mode = Mode::train, .write_state = true});
    const Dict all_new = {{"momentum", 1.0}};
    const auto want = by_the_book(x, x, all_new);
    expect_close(variable(session, "bn.running_mean"), want.mean, {1e-8, 1e-5}, "mean");
    expect_close(variable(session, "bn.running_var"), want.var, {1e-8, 1e-5}, "unbiased variance");
    EXPECT_EQ(*session.state().at<int64_t>(0, session.state().find("bn.num_batches_tracked")), 100);
  }
}

// apex: a group normalizes by its own statistics, and the running ones see all replicas.
TEST(SyncBnUpstream, ApexGroups) {
  const auto x = normal_array({12, 3, 4, 4}, 1, 1, 2), g = normal_array({12, 3, 4, 4}, 2);
  Session session = open({{3, 4, 4}, 4, {}, false, 2}, {.devices = cpus(4), .threads = 2});
  auto got = run(session, x, g);
  auto half = [](const auto& all, bool second) {
    using T = std::decay_t<decltype(all[0])>;
    return std::vector<T>(all.begin() + long(second ? all.size() / 2 : 0),
                          all.begin() + long(second ? all.size() : all.size() / 2));
  };
  std::vector<double> dweight(3, 0), dbias(3, 0);
  for (bool second : {false, true}) {
    const auto part = by_the_book(Array::of<float>({6, 3, 4, 4}, half(x.as<float>(), second)),
                                  Array::of<float>({6, 3, 4, 4}, half(g.as<float>(), second)), {});
    expect_close(half(got.y, second), part.y, {1e-5, 1e-5}, "output of a group");
    expect_close(half(got.dx, second), part.dx, {1e-5, 1e-5}, "dx of a group");
    for (size_t c = 0; c < 3; ++c) dweight[c] += part.dweight[c], dbias[c] += part.dbias[c];
  }
  expect_close(got.dweight, dweight, {1e-5, 1e-5}, "dweight");
  expect_close(got.dbias, dbias, {1e-5, 1e-5}, "dbias");
  expect_close(got.mean, by_the_book(x, g, {}).mean, {1e-6, 1e-5}, "running mean of all");
  expect_close(got.var, by_the_book(x, g, {}).var, {1e-6, 1e-5}, "running variance of all");
}

// apex: a convolution before it; 16 samples are 50 times as large as the other 8, on two ranks
// of 12 and on five of uneven sizes. The judge is one replica in f64.
TEST(SyncBnUpstream, ApexConvolutionWithUnevenData) {
  auto model = [](int replicas) {
    Chain chain({N, 3, 8, 8}, replicas);
    chain.add("conv", "Conv2d",
              {{"out_channels", 6}, {"kernel_size", 3}, {"padding", 1}, {"bias", false}});
    chain.add("bn", "BatchNorm2d");
    return chain.done();
  };
  Array x = normal_array({24, 3, 8, 8}, 1);
  for (float& v : x.as<float>().first(size_t(16) * 3 * 64)) v *= 50;
  const Arrays in = {{"image", x}}, g = {{"logits", normal_array({24, 6, 8, 8}, 2)}};
  Session judge(model(1), {.engine = "reference"});
  const auto want = judge.backward(in, g);
  for (int replicas : {2, 5}) {
    Session session(model(replicas), {.devices = cpus(2), .threads = 2});
    const auto got = session.backward(in, g);
    auto off = [](const Arrays& a, const Arrays& b, const std::string& key) {
      return apart(to_doubles(a.at(key)), to_doubles(b.at(key)));
    };
    EXPECT_LE(off(got.outputs, want.outputs, "logits"), 1e-5);
    EXPECT_LE(off(got.inputs, want.inputs, "image"), 1e-5);
    EXPECT_LE(off(got.parameters, want.parameters, "bn.weight"), 1e-6);
    EXPECT_LE(off(got.parameters, want.parameters, "conv.weight"), 1e-5);
    for (const char* key : {"bn.running_mean", "bn.running_var"})
      EXPECT_LE(apart(variable(session, key), variable(judge, key)), 1e-5) << key;
  }
}

// Horovod: rank r has 1x4x2 with values r*k and r*k + 1 in channel k, and 1x4x1 with r*k.
TEST(SyncBnUpstream, Horovod) {
  for (int ranks : {2, 4})
    for (int points : {2, 1}) {
      std::vector<float> values;
      for (int r = 0; r < ranks; ++r)
        for (int k = 0; k < 4; ++k)
          for (int p = 0; p < points; ++p) values.push_back(float(r * k + p));
      const auto x = Array::of<float>({ranks, 4, points}, values);
      const auto g = normal_array(x.dims, 3);
      Session session = open({{4, points}, ranks}, {.devices = cpus(ranks), .threads = 2});
      expect_close(run(session, x, g), by_the_book(x, g, {}), {1e-6, 2e-6}, "Horovod");
    }
}

// Keras: two logical CPUs have [5, 9] and [1, 3]: mean 4.5, biased variance 8.75; and moments over
// axis 0 of 2x28x28x3.
TEST(SyncBnUpstream, Keras) {
  const Dict all_new = {{"momentum", 1.0}, {"running_var", "biased"}};
  Session session = open({{1}, 2, all_new}, {.devices = cpus(2)});
  run(session, Array::of<float>({4, 1}, std::vector<float>{5, 9, 1, 3}), normal_array({4, 1}, 1));
  EXPECT_EQ(variable(session, "bn.running_mean"), std::vector<double>{4.5});
  EXPECT_EQ(variable(session, "bn.running_var"), std::vector<double>{8.75});

  const auto x = uniform_array({2, 28 * 28 * 3}, 4);
  Session wide = open({{28 * 28 * 3}, 2, all_new}, {.devices = cpus(2)});
  wide.run({{"x", x}}, {}, {.mode = Mode::train, .write_state = true});
  const auto want = by_the_book(x, x, all_new);
  expect_close(variable(wide, "bn.running_mean"), want.mean, {1e-5, 0}, "mean over axis 0");
  expect_close(variable(wide, "bn.running_var"), want.var, {1e-5, 0}, "variance over axis 0");
}

// torch: weights and statistics saved and loaded are the same, in a session of another size.
TEST(SyncBnUpstream, TorchSaveAndLoad) {
  Session trained = open({{16, 5, 5}, 4}, {.devices = cpus(2)}, drawn(1, 16, 0.5), drawn(2, 16, 0));
  for (uint64_t step = 0; step < 5; ++step)
    run(trained, uniform_array({8, 16, 5, 5}, step), normal_array({8, 16, 5, 5}, 9));
  const auto path = testing::TempDir() + "syncbn_saved.safetensors";
  trained.save_weights(path);
  Session loaded = open({{16, 5, 5}, 2}, {.devices = {"cpu"}});
  loaded.load_weights(path);
  EXPECT_EQ(loaded.state().weights(), trained.state().weights());
  const auto x = uniform_array({8, 16, 5, 5}, 77);
  EXPECT_EQ(loaded.run({{"x", x}}).at("y"), trained.run({{"x", x}}).at("y"));
  std::remove(path.c_str());
}

}  // namespace
}  // namespace braid::test::syncbn
