// What the synchronized batch norm that Braid descends from got wrong, each as a test that passes:
// hangs after a smaller batch, after an exception, with a replica that takes no part; NaN where the
// mean is large. A hang fails by the test's time limit.
#include "syncbn_rig.h"

namespace braid::test::syncbn {
namespace {

const std::vector<std::string>& engines() {
  static const std::vector<std::string> names = {"tbb", "threads", "serial"};
  return names;
}

SessionOptions options_of(const std::string& engine, int devices) {
  return {.devices = cpus(devices), .threads = 3, .engine = engine};
}

// The original keeps two slices registered and waits for the second one for ever.
TEST(SyncBnFaults, AStepOfOneSliceAfterOneOfTwo) {
  for (auto& engine : engines())
    for (int devices : {1, 2}) {
      Session session = open({{3, 8}, 2}, options_of(engine, devices));
      for (int64_t n : {2, 1, 2, 1, 5, 1}) {
        const auto x = normal_array({n, 3, 8}, uint64_t(n)), g = normal_array({n, 3, 8}, 9);
        auto got = run(session, x, g), want = by_the_book(x, g, {});
        expect_close(got.y, want.y, {1e-5, 1e-5}, "output");
        expect_close(got.dx, want.dx, {1e-5, 1e-5}, "dx");
      }
    }
}

TEST(SyncBnFaults, ReplicasWithoutSamples) {
  for (auto& engine : engines())
    for (int64_t n : {2, 3, 5}) {
      Session session = open({{3, 4, 4}, 8}, options_of(engine, 4));
      const auto x = normal_array({n, 3, 4, 4}, 1, 3), g = normal_array({n, 3, 4, 4}, 2);
      expect_close(run(session, x, g), by_the_book(x, g, {}), {1e-5, 1e-5}, engine);
    }
}

// A step of a batch norm's own: which one, and whether it belongs to the backward pass.
struct Place {
  const char* op;
  bool backward, merge;
};

// An exception where the original has its master reduce, in both directions, and just before the
// layer on a single replica: all end, with one message, and the next step is as if nothing was.
TEST(SyncBnFaults, ExceptionsEndTheStepOnAllReplicas) {
  for (auto& engine : engines())
    for (auto& place : std::vector<Place>{{"sync", false, true},
                                          {"sync", true, true},
                                          {"moments", false, false},
                                          {"normalize", false, false},
                                          {"bn_reduce", true, false},
                                          {"bn_dx", true, false}}) {
      Session session = open({{3, 4, 4}, 4}, options_of(engine, 2));
      Session twin = open({{3, 4, 4}, 4}, {.engine = "serial"});
      const auto x = normal_array({10, 3, 4, 4}, 1, 3), g = normal_array({10, 3, 4, 4}, 2);
      auto& executor = session.executor(backward_key(10));
      auto& plan = executor.plan();
      int hit = 0;
      for (size_t i = 0; i < plan.steps.size(); ++i) {
        auto& step = plan.steps[i];
        if (step.kind != StepKind::kernel || step.gated) continue;
        auto& node = plan.nodes[size_t(step.node)];
        if (node.op != place.op || node.backward != place.backward) continue;
        if (place.merge != (step.hi > step.lo)) continue;
        ++hit;
        const auto before = session.state().digest(1);
        executor.on_step([i](int s) {
          if (s == int(i)) throw std::runtime_error("thrown here");
        });
        try {
          run(session, x, g);
          ADD_FAILURE() << "the step did not fail";
        } catch (const Error& e) {
          const std::string text = e.what();
          EXPECT_EQ(e.fault(), Fault::run);
          EXPECT_NE(text.find("thrown here"), std::string::npos) << text;
          EXPECT_NE(text.find("bn"), std::string::npos) << text;
          const std::string where = place.merge ? "merge of replicas " + std::to_string(step.lo)
                                                : "replica " + std::to_string(step.replica);
          EXPECT_NE(text.find(where), std::string::npos) << text;
        }
        executor.on_step({});
        EXPECT_EQ(session.state().digest(0), before);
        EXPECT_EQ(session.state().digest(1), before);
        auto got = run(session, x, g), want = run(twin, x, g);
        EXPECT_EQ(got.y, want.y);
        EXPECT_EQ(got.dx, want.dx);
        EXPECT_EQ(session.state().digest(0), twin.state().digest(0));
      }
      EXPECT_EQ(hit, place.merge ? 3 : 4) << place.op;
    }
}

// 50 seeds, as in the original's report: there 50 of 50 outputs were NaN, and variances negative.
TEST(SyncBnFaults, ALargeMeanWithASmallSpread) {
  for (uint64_t seed = 0; seed < 50; ++seed)
    for (const char* mode : {"plus", "clamp"}) {
      const Spec spec{{8}, 4, {{"eps_mode", mode}}};
      Session session = open(spec, {.devices = cpus(2), .threads = 2});
      const auto x = normal_array({64, 8}, seed, 123.7, 1e-3), g = normal_array({64, 8}, 99);
      expect_close(run(session, x, g), by_the_book(x, g, spec.params), {3e-4, 1e-5}, mode);
      for (int step = 0; step < 60; ++step)
        session.run({{"x", x}}, {}, {.mode = Mode::train, .write_state = true});
      const auto mean = variable(session, "bn.running_mean"),
                 var = variable(session, "bn.running_var");
      for (double v : var) {
        EXPECT_GT(v, 0) << seed;
        EXPECT_LT(v, 1) << seed;  // it began at 1
      }
      const auto y = to_doubles(session.run({{"x", x}}).at("y"));
      for (size_t i = 0; i < y.size(); ++i) {
        const double at = double(x.as<float>()[i]) - mean[i % 8];
        const double floor = mode[0] == 'p' ? var[i % 8] + 1e-5 : std::max(var[i % 8], 1e-5);
        ASSERT_NEAR(y[i], at / std::sqrt(floor), 1e-5 * (1 + std::abs(y[i]))) << mode;
      }
    }
}

// Squares of 1e30 are beyond f32: statistics are f64, and so is what they are made of.
TEST(SyncBnFaults, ValuesOf1e30) {
  for (auto& engine : engines())
    for (double mean : {0.0, 1e30}) {
      const Spec spec{{5, 6}, 3, {{"track_running_stats", false}}};
      Session session = open(spec, options_of(engine, 2));
      const auto x = normal_array({11, 5, 6}, 1, mean, 1e30), g = normal_array({11, 5, 6}, 2);
      auto got = run(session, x, g), want = by_the_book(x, g, {});
      EXPECT_LE(apart(got.y, want.y), 1e-5);
      EXPECT_LE(apart(got.dweight, want.dweight), 1e-5);
      EXPECT_LE(apart(got.dbias, want.dbias), 1e-5);
      EXPECT_LE(apart(got.dx, want.dx), 1e-5);  // about 1e-30
    }
}

// The original's registry pairs calls by their number; here a layer used twice is two calls that
// share weights and statistics, on any number of slices.
TEST(SyncBnFaults, ALayerUsedTwice) {
  Model model = model_of({{6, 5}, 3});
  LayerItem again{.path = "again", .type = "BatchNorm1d", .share = 0};
  again.from = {Link::layer(0)};
  model.layers.push_back(again);
  model.outputs = {{"y", Link::layer(1)}};
  for (int64_t n : {7, 2}) {
    const auto x = normal_array({n, 6, 5}, 1, 2, 3), g = normal_array({n, 6, 5}, 2);
    Session session(model, {.devices = cpus(3), .threads = 2});
    session.backward({{"x", x}}, {{"y", g}});
    const auto first = by_the_book(x, g, {});
    Array between = Array::zeros(DType::f32, x.dims);
    for (size_t i = 0; i < first.y.size(); ++i) between.as<float>()[i] = float(first.y[i]);
    const auto second = by_the_book(between, g, {});
    const auto mean = variable(session, "bn.running_mean");
    for (size_t c = 0; c < 6; ++c)
      EXPECT_NEAR(mean[c], 0.9 * first.mean[c] + second.mean[c], 1e-6) << "updated twice";
    EXPECT_EQ(*session.state().at<int64_t>(0, session.state().find("bn.num_batches_tracked")), 2);
  }
}

}  // namespace
}  // namespace braid::test::syncbn
