// Eight replicas on one device are one batch that is eight times as large: the same gradients,
// statistics and weights, up to the order of the sums. Micro-batches (`accumulate`) are not: each
// has statistics of its own.
#include <gtest/gtest.h>

#include <cmath>

#include "support/residual.h"

namespace braid::test {
namespace {

constexpr int64_t samples = 24;

struct Cut {
  int64_t replicas = 1, micros = 1;
  bool recompute = false;
};

// All of State after one step: weights, running statistics, and the gradients, which are what the
// optimizer's momentum holds then.
std::map<std::string, std::vector<double>> after_a_step(const Cut& cut, const std::string& engine) {
  Model model = residual(cut.replicas, cut.recompute);
  model.batch.accumulate = cut.micros;
  set(model.optimizer->params, "weight_decay", 0.0);
  Session session(model, {.devices = {"cpu"}, .engine = engine});
  RandomBatch batch(model, samples, 7);
  session.step(batch.pointers, samples, 0.1);
  State& state = session.state();
  std::map<std::string, std::vector<double>> values;
  for (int i = 0; i < int(state.size()); ++i) {
    auto& var = state.var(i);
    auto& to = values[var.key];
    for (int64_t k = 0; k < var.type.elements(0); ++k)
      if (var.type.dtype == DType::f64)
        to.push_back(state.at<double>(0, i)[k]);
      else if (var.type.dtype == DType::f32)
        to.push_back(double(state.at<float>(0, i)[k]));
      else
        to.push_back(double(state.at<int64_t>(0, i)[k]));
  }
  return values;
}

struct Difference {
  double norm = 0;  // relative, the largest of any variable
  std::string key;
};

// Of variables whose key holds `part`.
Difference differ(const Cut& one, const Cut& other, const std::string& engine,
                  const std::string& part = "") {
  auto a = after_a_step(one, engine), b = after_a_step(other, engine);
  EXPECT_EQ(a.size(), b.size());
  Difference most;
  for (auto& [key, x] : a) {
    if (key.find(part) == std::string::npos) continue;
    double error = 0, norm = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      error += std::pow(x[i] - b.at(key)[i], 2);
      norm += x[i] * x[i];
    }
    double relative = norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
    if (relative >= most.norm) most = {relative, key};
  }
  return most;
}

TEST(AccumulateExact, EightReplicasAreOneLargeBatch) {
  for (int64_t replicas : {2, 8}) {
    auto f32 = differ({.replicas = 1}, {.replicas = replicas}, "tbb");
    EXPECT_LE(f32.norm, 5e-6) << f32.key;
    auto f64 = differ({.replicas = 1}, {.replicas = replicas}, "reference");
    EXPECT_LE(f64.norm, 1e-12) << f64.key;
    std::cout << replicas << " replicas: f32 " << f32.norm << " " << f32.key << ", f64 " << f64.norm
              << " " << f64.key << "\n";
  }
}

TEST(AccumulateExact, RecomputationChangesNoBitOfIt) {
  for (auto engine : {"tbb", "reference"})
    EXPECT_EQ(differ({.replicas = 8}, {.replicas = 8, .recompute = true}, engine).norm, 0);
}

TEST(AccumulateExact, MicroBatchesHaveStatisticsOfTheirOwn) {
  for (auto part : {"running_var", "momentum_buffer"}) {
    auto local = differ({.replicas = 1}, {.micros = 8}, "reference", part);
    EXPECT_GT(local.norm, 1e-2) << part;
    std::cout << "accumulate: 8 differs by " << local.norm << " in " << local.key << "\n";
  }
}

}  // namespace
}  // namespace braid::test
