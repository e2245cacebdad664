// What is computed again has the bits of the first time: nothing that a step leaves behind, and
// nothing that is merged on the way, tells whether activations were kept.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <tuple>

#include <braid/nodes/builtin.h>

#include "support/residual.h"

namespace braid::test {
namespace {

const std::vector<int64_t> batches = {32, 13, 5, 32};

// Merges by their bits alone: nodes have other numbers, and may travel with others, where
// operations are added.
std::vector<std::tuple<int, int, uint64_t>> merges(Session& session, int64_t batch) {
  std::vector<std::tuple<int, int, uint64_t>> all;
  for (auto& d : session.executor(Mode::train, batch).digests())
    all.emplace_back(d.lo, d.hi, d.bits);
  std::ranges::sort(all);
  return all;
}

// What some steps leave behind.
struct Left {
  std::vector<std::vector<std::tuple<int, int, uint64_t>>> merges;
  std::vector<std::map<std::string, double>> reports;
  std::vector<uint64_t> states;
};

Left run(const Model& model, SessionOptions options, const std::vector<int64_t>& sizes = batches) {
  options.digest = true;
  Session session(model, std::move(options));
  Left r;
  for (size_t i = 0; i < sizes.size(); ++i) {
    RandomBatch batch(model, sizes[i], 100 + 10 * i);
    auto report = session.step(batch.pointers, sizes[i], 0.1);
    r.reports.push_back(report.losses);
    r.reports.push_back(report.metrics);
    r.merges.push_back(merges(session, sizes[i]));
  }
  for (int d = 0; d < session.state().devices(); ++d) r.states.push_back(session.state().digest(d));
  return r;
}

void expect_same(const Left& kept, const Left& again, const std::string& what) {
  EXPECT_EQ(kept.merges, again.merges) << what;
  EXPECT_EQ(kept.reports, again.reports) << what;
  for (uint64_t state : again.states) EXPECT_EQ(state, kept.states[0]) << what;
}

int64_t repeated(Session& session, const std::string& op) {
  auto& nodes = session.plan(Mode::train, 32).nodes;
  return std::ranges::count_if(nodes, [&](auto& n) { return n.backward && n.op == op; });
}

class Recompute : public testing::TestWithParam<int> {};

TEST_P(Recompute, ChangesNoBit) {
  int replicas = GetParam();
  Left kept = run(residual(replicas, false), {.devices = {"cpu"}, .engine = "serial"});
  Model model = residual(replicas, true);
  for (int devices : std::set<int>{1, (replicas + 1) / 2, replicas})
    expect_same(kept, run(model, {.devices = cpus(devices), .threads = 2}),
                std::to_string(devices) + " devices");
  for (int devices : std::set<int>{1, replicas})
    expect_same(kept, run(model, {.devices = cpus(devices), .threads = 3, .engine = "threads"}),
                "engine threads");
  expect_same(kept, run(model, {.devices = {"cpu"}, .disabled = {"recompute"}}), "switched off");
}

TEST_P(Recompute, ChangesNoBitOfTheReference) {
  int replicas = GetParam();
  SessionOptions options{.devices = {"cpu"}, .engine = "reference"};
  expect_same(run(residual(replicas, false), options, {8}),
              run(residual(replicas, true), options, {8}), "reference");
}

INSTANTIATE_TEST_SUITE_P(Replicas, Recompute, testing::Values(1, 2, 3, 5, 8));

TEST(RecomputeOptions, SyncGroups) {
  for (int group : {1, 2}) {
    std::vector<int64_t> sizes = {32, 13, 9};
    Left kept = run(residual(4, false, group), {.devices = {"cpu"}}, sizes);
    expect_same(kept, run(residual(4, true, group), {.devices = cpus(3), .threads = 2}, sizes),
                "groups of " + std::to_string(group));
  }
}

TEST(RecomputeOptions, MicroBatches) {
  for (int64_t micros : {2, 3}) {
    Model kept = residual(3, false), again = residual(3, true);
    kept.batch.accumulate = again.batch.accumulate = micros;
    std::vector<int64_t> sizes = {32, 13, 7};  // two samples at least for each batch norm
    expect_same(run(kept, {.devices = {"cpu"}}, sizes),
                run(again, {.devices = cpus(2), .threads = 2}, sizes),
                std::to_string(micros) + " micro-batches");
  }
}

TEST(RecomputeOptions, PassesThatMayBeOff) {
  Left kept = run(residual(4, false), {.devices = {"cpu"}});
  for (auto& pass : optional_passes())
    expect_same(kept, run(residual(4, true), {.devices = cpus(2), .disabled = {pass}}),
                "without " + pass);
  Left apart = run(residual(4, false), {.devices = {"cpu"}, .disabled = {"fuse"}});
  expect_same(apart, run(residual(4, true), {.devices = {"cpu"}, .disabled = {"fuse"}}),
              "without fuse");
}

// All of a model as one segment, and every layer as one of its own; shared layers, too.
TEST(RecomputeOptions, AnyCut) {
  for (auto make : {mlp, convnet}) {
    Model model = make(3, 0);
    Left kept = run(model, {.devices = {"cpu"}});
    for (auto& item : model.layers) item.recompute = true;
    expect_same(kept, run(model, {.devices = cpus(2)}), "one segment");
    for (auto& item : model.layers) item.segment = item.path;
    expect_same(kept, run(model, {.devices = cpus(2)}), "a segment for each layer");
  }
}

TEST(RecomputeOptions, FrozenLayers) {
  auto frozen = [](bool recompute) {
    Model model = residual(2, recompute);
    for (auto& item : model.layers)
      if (item.path.starts_with("one.")) item.freeze = Freeze::all;
    return model;
  };
  expect_same(run(frozen(false), {.devices = {"cpu"}}), run(frozen(true), {.devices = cpus(2)}),
              "frozen");
}

// The tests above would pass, too, if nothing were computed again.
TEST(RecomputeOptions, IsDone) {
  Session kept(residual(2, false), {.disabled = {"bundle"}});
  Session again(residual(2, true), {.disabled = {"bundle"}});
  for (auto op : {"conv2d", "normalize", "dropout", "max_pool2d", "matmul"})
    EXPECT_GT(repeated(again, op), repeated(kept, op)) << op;
  for (auto op : {"moments", "bn_running"}) EXPECT_EQ(repeated(again, op), 0) << op;
  EXPECT_EQ(again.plan(Mode::train, 32).syncs.size(), kept.plan(Mode::train, 32).syncs.size());
  EXPECT_EQ(again.plan(Mode::eval, 32).program_hash, kept.plan(Mode::eval, 32).program_hash);
}

// ---- memory -----------------------------------------------------------------------------------

int64_t resident() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0, pages = 0;
  file >> size >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

// What `braid plan` says is what is reserved, and what the process takes: no second copy anywhere.
TEST(RecomputeMemory, ThePlanSaysWhatTheProcessTakes) {
  int64_t arena[2];
  for (bool again : {false, true}) {
    Plan plan = Session(residual(8, again), {.devices = {"cpu"}}).plan(Mode::train, 2048);
    arena[again] = plan.arena[0];
    ASSERT_GT(arena[again], int64_t{32} << 20) << "too small to be told from malloc's own";
    Registry registry;
    register_builtin(registry);
    State state(1, 3);
    int64_t before = resident();
    Memory memory(1);
    Executor executor(plan, registry, state, memory, {.engine = "serial"});
    double taken = double(resident() - before);
    EXPECT_EQ(memory.bytes(0), plan.arena[0]);
    EXPECT_NEAR(taken, double(plan.arena[0]), 0.05 * double(plan.arena[0]) + double(8 << 20));
  }
  EXPECT_LT(double(arena[1]), 0.75 * double(arena[0]));
}

}  // namespace
}  // namespace braid::test
