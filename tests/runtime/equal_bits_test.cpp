// The same bits for every deployment: devices, threads, engines, OMP_NUM_THREADS; and mutants that
// the comparison must catch.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include "support/models.h"

namespace braid::test {
namespace {

// Whole batches, one that does not divide, and fewer samples than replicas.
const std::vector<int64_t> batches = {32, 32, 13, 5, 3, 32};

Trace trace_of(const Model& model, SessionOptions options) {
  options.digest = true;
  Session session(model, std::move(options));
  return run_steps(session, batches);
}

void expect_equal(const Model& model, const Trace& base, SessionOptions options,
                  const std::string& what) {
  options.digest = true;
  Session session(model, std::move(options));
  auto trace = run_steps(session, batches);
  EXPECT_EQ(difference(session, base, trace), "") << what;
}

class EqualBits : public testing::TestWithParam<int> {};

TEST_P(EqualBits, MlpOverDevicesThreadsAndEngines) {
  int replicas = GetParam();
  Model model = mlp(replicas);
  auto base = trace_of(model, {.devices = {"cpu"}, .engine = "serial"});
  for (int devices = 1; devices <= replicas; ++devices)
    for (int threads : {1, 2})
      expect_equal(model, base, {.devices = cpus(devices), .threads = threads},
                   std::to_string(devices) + " devices, " + std::to_string(threads) + " threads");
  for (int devices : {1, replicas})
    expect_equal(model, base, {.devices = cpus(devices), .threads = 3, .engine = "threads"},
                 "engine threads");
  expect_equal(model, base, {.devices = std::vector<std::string>(size_t(replicas), "cpu:0")},
               "one device listed several times");
}

TEST_P(EqualBits, ConvnetOverDevicesThreadsAndEngines) {
  int replicas = GetParam();
  Model model = convnet(replicas);
  auto base = trace_of(model, {.devices = {"cpu"}, .engine = "serial"});
  for (int devices = 1; devices <= replicas; devices += devices == 1 ? 1 : 2)
    expect_equal(model, base, {.devices = cpus(devices), .threads = 2},
                 std::to_string(devices) + " devices");
  expect_equal(model, base, {.devices = cpus(replicas), .threads = 3, .engine = "threads"},
               "engine threads");
}

TEST_P(EqualBits, UNetOverDevicesThreadsAndEngines) {
  int replicas = GetParam();
  Model model = unet(replicas);
  auto base = trace_of(model, {.devices = {"cpu"}, .engine = "serial"});
  for (int devices = 1; devices <= replicas; devices += devices == 1 ? 1 : 2)
    expect_equal(model, base, {.devices = cpus(devices), .threads = 2},
                 std::to_string(devices) + " devices");
  expect_equal(model, base, {.devices = cpus(replicas), .threads = 3, .engine = "threads"},
               "engine threads");
}

INSTANTIATE_TEST_SUITE_P(Replicas, EqualBits, testing::Values(1, 2, 3, 4, 5, 6, 7, 8));

TEST(EqualBitsOptions, PassesAfterTheProgramHashChangeNothing) {
  Model model = convnet(4);
  auto base = trace_of(model, {.devices = {"cpu"}});
  for (auto& pass : optional_passes())
    expect_equal(model, base, {.devices = cpus(2), .disabled = {pass}}, "without " + pass);
}

TEST(EqualBitsOptions, HostsOpenMpThreadsDoNotMatter) {
  auto set_threads = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  ASSERT_TRUE(set_threads) << "oneDNN is an OpenMP build";
  Model model = convnet(3);
  set_threads(1);
  auto base = trace_of(model, {.devices = {"cpu"}, .engine = "serial"});
  for (int threads : {2, 8}) {
    set_threads(threads);
    expect_equal(model, base, {.devices = cpus(2), .engine = "serial"},
                 std::to_string(threads) + " OpenMP threads");
  }
}

// The host may flush denormals or round upwards: we do not, and leave its mode as it was.
TEST(EqualBitsOptions, HostsFloatingPointModeDoesNotMatter) {
  Model model = convnet(3);
  RandomBatch batch(model, 32, 1);
  auto state = [&](unsigned mode) {
    unsigned before = _mm_getcsr();
    _mm_setcsr(mode);
    Session session(model, {.devices = {"cpu"}, .engine = "serial"});
    double loss = 0;
    for (int i = 0; i < 3; ++i) loss = session.step(batch.pointers, 32, 0.1).loss;
    EXPECT_EQ(_mm_getcsr() & ~0x3fu, mode & ~0x3fu);
    _mm_setcsr(before);
    return std::pair(session.state().digest(0), loss);
  };
  unsigned plain = _mm_getcsr();
  EXPECT_EQ(state(plain), state(plain | 0x8040 | 0x4000));  // FTZ, DAZ, round up
}

// Slices of one sample have no variance of their own: batches that give each replica at least two.
TEST(EqualBitsOptions, SyncGroups) {
  std::vector<uint64_t> states;
  for (int group : {0, 1, 2}) {
    Model model = mlp(4, group);
    auto trace = [&](SessionOptions options) {
      options.digest = true;
      Session session(model, std::move(options));
      return run_steps(session, {32, 13, 9, 32});
    };
    auto base = trace({.devices = {"cpu"}, .engine = "serial"});
    for (int devices : {2, 3, 4}) {
      auto other = trace({.devices = cpus(devices), .threads = 2});
      EXPECT_EQ(other.syncs, base.syncs) << "group " << group;
      for (uint64_t state : other.states) EXPECT_EQ(state, base.states[0]) << "group " << group;
    }
    states.push_back(base.states[0]);
  }
  EXPECT_NE(states[0], states[1]);
  EXPECT_NE(states[0], states[2]);
  EXPECT_NE(states[1], states[2]);
}

// ---- micro-batches ----------------------------------------------------------------------------

Model with_micro_batches(Model model, int64_t count) {
  model.batch.accumulate = count;
  return model;
}

TEST(Accumulate, EqualBitsOverDevices) {
  for (int64_t micros : {2, 3}) {
    Model model = with_micro_batches(convnet(4), micros);
    auto base = trace_of(model, {.devices = {"cpu"}, .engine = "serial"});
    for (int devices : {1, 2, 4})
      expect_equal(model, base, {.devices = cpus(devices), .threads = 2},
                   std::to_string(micros) + " micro-batches");
  }
}

// Without batch norm nothing sees more than one sample: micro-batches give the large batch's
// gradient, up to the order of the sums.
TEST(Accumulate, IsTheLargeBatchWhereSamplesDoNotMix) {
  auto weights = [](int64_t micros) {
    Chain chain({N, 20}, 2);
    chain.add("fc1", "Linear", {{"out_features", 24}}).add("tanh", "Tanh");
    chain.add("fc2", "Linear", {{"out_features", 10}});
    Session session(with_micro_batches(chain.done(), micros), {.devices = {"cpu"}});
    for (int64_t n : {32, 13, 3}) {
      RandomBatch batch(session.model(), n, uint64_t(n));
      session.step(batch.pointers, n, 0.1);
    }
    return session.state().weights();
  };
  auto whole = weights(1), cut = weights(4);
  for (auto& [key, array] : whole) {
    auto a = array.as<float>();
    auto b = std::as_const(cut.at(key)).as<float>();
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-6) << key;
  }
}

// ---- mutants ----------------------------------------------------------------------------------

TEST(Mutants, SwappedMergeIsCaughtByTheDigests) {
  for (int replicas : {2, 3, 4, 5, 8}) {
    Model model = mlp(replicas);
    auto base = trace_of(model, {.devices = {"cpu"}});
    Session mutant(model, {.devices = {"cpu"}, .digest = true, .mutant = {.swap_merge = true}});
    EXPECT_NE(difference(mutant, base, run_steps(mutant, batches)), "") << replicas;
  }
}

TEST(Mutants, ArrivalOrderIsCaught) {
  for (int replicas : {3, 4, 5, 8}) {
    Model model = mlp(replicas);
    auto base = trace_of(model, {.devices = {"cpu"}});
    Session mutant(model, {.devices = {"cpu"}, .digest = true, .mutant = {.arrival = 5}});
    EXPECT_NE(difference(mutant, base, run_steps(mutant, batches)), "") << replicas;
  }
}

TEST(Mutants, OneFlippedBitOnAnotherDeviceIsCaught) {
  Model model = mlp(4);
  auto base = trace_of(model, {.devices = {"cpu"}});
  Session session(model, {.devices = cpus(2), .digest = true});
  session.plan(Mode::train, 32);
  int weight = session.state().find("fc3.weight");
  ASSERT_GE(weight, 0);
  reinterpret_cast<uint32_t*>(session.state().data(1, weight))[7] ^= 1;
  EXPECT_NE(difference(session, base, run_steps(session, batches)), "");
}

TEST(Mutants, AnotherSeedGivesOtherBits) {
  Model model = mlp(4);
  auto base = trace_of(model, {.devices = {"cpu"}});
  model.seed = 4;
  Session session(model, {.devices = {"cpu"}, .digest = true});
  EXPECT_NE(difference(session, base, run_steps(session, batches)), "");
}

}  // namespace
}  // namespace braid::test
