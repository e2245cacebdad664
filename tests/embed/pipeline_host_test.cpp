// Pipelines in a host's arena, and on more threads than the machine has cores.
#include <braid/runtime/pipeline.h>

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <atomic>
#include <thread>

namespace braid::test {
namespace {

namespace tbb = oneapi::tbb;

auto counting(int64_t count) {
  return [count, next = int64_t{0}]() mutable -> std::optional<int64_t> {
    if (next == count) return {};
    return next++;
  };
}

TEST(PipelineHost, OfTheHostsTasksNoneRunsMeanwhile) {
  for (const bool blocks : {false, true}) {
    tbb::task_arena host(1);
    host.execute([&] {
      tbb::task_group group;
      int done = 0;
      for (int i = 0; i < 20; ++i) group.run([&] { ++done; });
      Flow flow(8);
      auto x = flow.source("source", counting(3000), {.blocks = blocks});
      x = flow.map("map", x, [](int64_t v) { return v; }, {.parallel = 2, .queue = 2});
      int64_t seen = 0;
      flow.sink("sink", x, [&](int64_t v) { seen += v == seen; });
      flow.run({.arena = TaskArena::of_caller()});
      EXPECT_EQ(seen, 3000);
      EXPECT_EQ(done, 0);
      group.wait();
      EXPECT_EQ(done, 20);
    });
  }
}

// All threads of the arena wait for pipelines, to which sources and batches bring from outside.
TEST(PipelineHost, AFullArenaOfTheHosts) {
  tbb::task_arena host(2);
  host.execute([&] {
    const auto arena = TaskArena::of_caller();
    tbb::task_group group;
    std::atomic<int64_t> sum = 0;
    for (int i = 0; i < 6; ++i)
      group.run([&, i] {
        Flow flow(4);
        auto x = flow.source("source", counting(500), {.blocks = i % 2 == 0});
        if (i % 3 == 0) x = flow.unbatch("rows", flow.batch("some", x, {.max = 3, .wait_ms = 0.1}));
        flow.sink("sink", x, [&](int64_t v) { sum += v; }, {.parallel = 2});
        flow.run({.arena = arena});
      });
    group.wait();
    EXPECT_EQ(sum, 6 * 124'750);
  });
}

TEST(PipelineHost, MoreThreadsThanCores) {
  const tbb::global_control more(tbb::global_control::max_allowed_parallelism, 8);
  for (const bool blocks : {false, true})
    for (const int64_t queue : {1, 3, 64}) {
      Flow flow(48);
      auto x = flow.source("source", counting(5000), {.blocks = blocks});
      auto map = [](int64_t v) {
        if (v % 97 == 0) std::this_thread::yield();
        return v;
      };
      x = flow.map("wide", x, map, {.parallel = 6, .queue = queue});
      x = flow.map("serial", x, map, {.queue = queue});
      auto y = flow.map("other", x, map, {.parallel = 3, .queue = queue});
      x = flow.map("one", x, map, {.parallel = 5, .queue = queue});
      x = flow.map("two", x, map, {.parallel = 5, .queue = queue});
      x = flow.join("both", {x, y}, [](int64_t a, int64_t b) { return a == b ? a : -1; });
      x = flow.unbatch("rows", flow.batch("batch", x, {.max = 7, .wait_ms = 0, .queue = queue}));
      int64_t seen = 0;
      flow.sink("sink", x, [&](int64_t v) { seen += v == seen; }, {.queue = queue});
      flow.run({.threads = 8});
      EXPECT_EQ(seen, 5000) << queue;
    }
}

}  // namespace
}  // namespace braid::test
