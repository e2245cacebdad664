// The number of replicas is the program, and yet batch norm over all of them is one thing: how a
// batch is cut does not show, up to rounding; where the pieces run does not show at all.
#include "syncbn_rig.h"

namespace braid::test::syncbn {
namespace {

// Smooth, so that a rounding cannot switch anything; biases stand behind the last batch norm only.
Model network(int64_t replicas) {
  Chain chain({N, 3, 9, 9}, replicas);
  const Dict conv = {{"out_channels", 16}, {"kernel_size", 3}, {"padding", 1}, {"bias", false}};
  chain.add("conv1", "Conv2d", conv).add("bn1", "BatchNorm2d").add("tanh1", "Tanh");
  chain.add("conv2", "Conv2d", conv).add("bn2", "BatchNorm2d").add("tanh2", "Tanh");
  chain.add("pool", "AvgPool2d", {{"kernel_size", 3}}).add("flat", "Flatten");
  chain.add("fc1", "Linear", {{"out_features", 12}, {"bias", false}}).add("bn3", "BatchNorm1d");
  chain.add("fc2", "Linear", {{"out_features", 10}});
  return chain.done();
}

struct Outcome {
  Backward result;
  std::map<std::string, Array> state;
};

Outcome outcome(int replicas, int64_t n, SessionOptions options) {
  Session session(network(replicas), std::move(options));
  Outcome out;
  out.result = session.backward({{"image", normal_array({n, 3, 9, 9}, 1, 0.5, 2)}},
                                {{"logits", normal_array({n, 10}, 2)}});
  out.state = session.state().all();
  return out;
}

void expect_agreement(const Arrays& got, const Arrays& want, double tolerance,
                      const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (auto& [key, array] : want)
    if (is_floating(array.dtype)) {
      EXPECT_LE(apart(to_doubles(got.at(key)), to_doubles(array)), tolerance)
          << what << ", " << key;
    }
}

// Of a convolution's gradient more cannot be asked for: it is a sum of 3,000 products in f32, and
// each slice begins its own.
void expect_agreement(const Outcome& got, const Outcome& want, double tolerance,
                      const std::string& what) {
  expect_agreement(got.result.outputs, want.result.outputs, tolerance, what);
  expect_agreement(got.result.inputs, want.result.inputs, tolerance, what);
  expect_agreement(got.result.parameters, want.result.parameters, 3 * tolerance, what);
  expect_agreement(got.state, want.state, tolerance, what);
}

// 37 samples: uneven for all but one replica. 5: some of 7 and 8 have none.
TEST(SyncBnReplicas, OfAnyNumberAgree) {
  for (int64_t n : {37, 5}) {
    auto one = outcome(1, n, {.engine = "serial"});
    for (int replicas : {1, 2, 3, 4, 7, 8}) {
      const std::string what = std::to_string(replicas) + " replicas, N = " + std::to_string(n);
      expect_agreement(outcome(replicas, n, {.engine = "serial"}), one, 1e-6, what);
    }
  }
}

TEST(SyncBnReplicas, InF64TheyAgreeToTheLastDigits) {
  auto exact = outcome(1, 5, {.engine = "reference"});
  for (int replicas : {2, 3, 4, 7, 8})
    expect_agreement(outcome(replicas, 5, {.engine = "reference"}), exact, 1e-13,
                     std::to_string(replicas) + " replicas");
}

// One batch norm at a time, at the sizes that it is used at: dense rows, images, volumes.
TEST(SyncBnReplicas, OfAnyNumberAgreeOnASingleLayer) {
  for (const std::vector<int64_t>& dims :
       std::vector<std::vector<int64_t>>{{64}, {20, 31}, {16, 14, 14}, {3, 17, 5}, {8, 4, 6, 6}})
    for (double mean : {0.0, 100.0}) {
      const auto x = normal_array(with_batch(dims, 29), 1, mean),
                 g = normal_array(with_batch(dims, 29), 2);
      std::vector<Tensors> all;
      for (int replicas : {1, 2, 3, 4, 7, 8}) {
        Session session = open({dims, replicas}, {.engine = "serial"});
        all.push_back(run(session, x, g));
        auto &a = all.back(), &b = all.front();
        const std::string what = std::to_string(replicas) + " replicas";
        EXPECT_LE(apart(a.y, b.y), 1e-6) << what;
        EXPECT_LE(apart(a.dx, b.dx), 1e-6) << what;
        EXPECT_LE(apart(a.dweight, b.dweight), 1e-6) << what;
        EXPECT_LE(apart(a.dbias, b.dbias), 1e-6) << what;
        EXPECT_LE(apart(a.mean, b.mean), 1e-6) << what;
        EXPECT_LE(apart(a.var, b.var), 1e-6) << what;
      }
    }
}

TEST(SyncBnReplicas, WhereTheyRunDoesNotShowInASingleBit) {
  for (int replicas : {1, 2, 3, 4, 7, 8})
    for (int64_t n : {37, 5}) {
      auto base = outcome(replicas, n, {.engine = "serial"});
      auto compare = [&](SessionOptions options, const std::string& what) {
        auto other = outcome(replicas, n, std::move(options));
        EXPECT_EQ(other.result.outputs, base.result.outputs) << what;
        EXPECT_EQ(other.result.inputs, base.result.inputs) << what;
        EXPECT_EQ(other.result.parameters, base.result.parameters) << what;
        EXPECT_EQ(other.state, base.state) << what;
      };
      for (int devices = 1; devices <= replicas; ++devices)
        compare({.devices = cpus(devices), .threads = 1 + devices % 3},
                std::to_string(devices) + " devices");
      compare({.devices = {size_t(replicas), "cpu:3"}, .threads = 2}, "the same device, repeated");
      compare({.devices = cpus(replicas), .threads = 3, .engine = "threads"}, "engine threads");
    }
}

}  // namespace
}  // namespace braid::test::syncbn
