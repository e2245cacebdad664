// Batch norm with a mask, in whole training steps: padding of any kind changes nothing, and nothing
// depends on the deployment.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/models.h"

namespace braid::test {
namespace {

// Sequences of 6 positions with 4 channels, and which of the positions count.
Model sequences(int64_t replicas, int sync, int64_t accumulate = 1) {
  Chain chain({N, 4, 6}, replicas);
  chain.add("bn", "BatchNorm1d");
  chain.back().sync = sync;
  chain.add("relu", "ReLU").add("flat", "Flatten").add("fc", "Linear", {{"out_features", 10}});
  Model model = chain.done();
  model.inputs.push_back({"mask", {DType::f32, {N, 6}}});
  Link mask = Link::input(2);
  mask.into = "mask";
  model.layers[0].from.push_back(mask);
  model.batch.accumulate = accumulate;
  return model;
}

// Sequence n has 6 - n mod 4 positions; what lies behind them is `padding`.
RandomBatch padded(const Model& model, int64_t n, uint64_t key, float padding) {
  RandomBatch batch(model, n, key);
  auto x = reinterpret_cast<float*>(batch.bytes[0].data());
  auto mask = reinterpret_cast<float*>(batch.bytes[2].data());
  for (int64_t s = 0; s < n; ++s)
    for (int64_t p = 0; p < 6; ++p) {
      mask[s * 6 + p] = p < 6 - s % 4 ? 1 : 0;
      for (int64_t c = 0; c < 4 && mask[s * 6 + p] == 0; ++c) x[(s * 4 + c) * 6 + p] = padding;
    }
  return batch;
}

std::vector<float> variable(Session& session, const std::string& key, size_t count) {
  auto data = static_cast<const float*>(session.state().data(0, session.state().find(key)));
  return {data, data + count};
}

TEST(MaskedBatchNorm, RunningStatisticsAreThoseOfTheValuesAlone) {
  for (int replicas : {1, 3, 4})
    for (const char* engine : {"serial", "tbb"}) {
      Model model = sequences(replicas, 0);
      Session session(model, {.devices = {"cpu"}, .engine = engine});
      RandomBatch batch = padded(model, 10, 5, 1e6f);
      session.step(batch.pointers, 10, 0.1);
      auto x = reinterpret_cast<const float*>(batch.bytes[0].data());
      auto mask = reinterpret_cast<const float*>(batch.bytes[2].data());
      auto mean = variable(session, "bn.running_mean", 4);
      auto var = variable(session, "bn.running_var", 4);
      for (int64_t c = 0; c < 4; ++c) {
        double count = 0, sum = 0, m2 = 0;
        auto each = [&](auto f) {
          for (int64_t i = 0; i < 60; ++i)
            if (mask[i] > 0) f(double(x[(i / 6 * 4 + c) * 6 + i % 6]));
        };
        each([&](double v) { count += 1, sum += v; });
        each([&](double v) { m2 += (v - sum / count) * (v - sum / count); });
        EXPECT_NEAR(mean[size_t(c)], 0.1 * sum / count, 1e-7);
        EXPECT_NEAR(var[size_t(c)], 0.9 + 0.1 * m2 / (count - 1), 1e-6);
      }
    }
}

// Whole batches, uneven ones, and fewer samples than replicas; groups and micro-batches.
TEST(MaskedBatchNorm, GivesEqualBitsOnAllDevices) {
  for (auto [sync, accumulate] : {std::pair(0, 1), {1, 1}, {2, 1}, {0, 2}}) {
    Model model = sequences(4, sync, accumulate);
    const int64_t last = sync ? 16 : 3;
    auto run = [&](SessionOptions options) {
      options.digest = true;
      Session session(model, options);
      Trace trace;
      for (int64_t n : {int64_t{16}, int64_t{13}, int64_t{9}, last}) {
        RandomBatch batch = padded(model, n, uint64_t(n), -3);
        trace.losses.push_back(session.step(batch.pointers, n, 0.1).loss);
        trace.syncs.push_back(session.executor(Mode::train, n).digests());
      }
      for (int d = 0; d < session.state().devices(); ++d)
        trace.states.push_back(session.state().digest(d));
      return trace;
    };
    auto base = run({.devices = {"cpu"}, .engine = "serial"});
    for (int devices : {2, 3, 4}) {
      auto other = run({.devices = cpus(devices), .threads = 2});
      EXPECT_EQ(other.syncs, base.syncs) << sync << " " << accumulate;
      EXPECT_EQ(other.losses, base.losses);
      for (uint64_t state : other.states) EXPECT_EQ(state, base.states[0]);
    }
  }
}

std::string failure(Model model, float weight, int64_t only) {
  Session session(model, {.devices = cpus(2)});
  RandomBatch good = padded(model, 8, 1, 0), batch = padded(model, 8, 1, 0);
  session.step(good.pointers, 8, 0.1);
  auto mask = reinterpret_cast<float*>(batch.bytes[2].data());
  std::fill_n(mask, 48, 0.0f);
  if (only >= 0) mask[only * 6] = weight;
  const auto before = session.state().digest(0);
  try {
    session.step(batch.pointers, 8, 0.1);
    return "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(session.state().digest(0), before);
    return e.what();
  }
}

TEST(MaskedBatchNorm, WithoutASpreadNamesTheLayerAndTheFix) {
  const Model model = sequences(4, 0);
  const std::string none = failure(model, 0, -1), one = failure(model, 1, 3),
                    half = failure(model, 0.5f, 3), bad = failure(model, -1, 5);
  EXPECT_NE(none.find("net.yaml:10:5: error[E0411]: bn (normalize), replica 0"), none.npos) << none;
  EXPECT_NE(one.find("error[E0410]: bn (normalize), replica 0"), one.npos) << one;
  EXPECT_NE(half.find("sum up to 0.5"), half.npos) << half;
  EXPECT_NE(bad.find("error[E0412]: bn (bn_weights), replica 2"), bad.npos) << bad;
  EXPECT_NE(bad.find("sample 5"), bad.npos) << bad;
  for (auto& text : {none, one, half}) EXPECT_NE(text.find("freeze: stats"), text.npos) << text;
}

}  // namespace
}  // namespace braid::test
