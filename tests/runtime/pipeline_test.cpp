// Pipelines: nothing lost, the order, back-pressure, and what the report counts.
#include <braid/runtime/pipeline.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <numeric>
#include <set>
#include <thread>

using namespace braid;

namespace {

auto counting(int64_t count) {
  return [count, next = int64_t{0}]() mutable -> std::optional<int64_t> {
    if (next == count) return {};
    return next++;
  };
}

// How many of them live.
struct Counted {
  static inline std::atomic<int64_t> live = 0, most = 0;
  int64_t value = 0;
  explicit Counted(int64_t v) : value(v) { born(); }
  Counted(const Counted& other) : value(other.value) { born(); }
  Counted(Counted&& other) noexcept : value(other.value) { born(); }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&&) noexcept = default;
  ~Counted() { --live; }
  static void born() {
    const int64_t now = ++live;
    int64_t before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
  }
};

struct Order {
  std::string name;
  int64_t parallel;
  bool blocks;
  int threads;
  int64_t items;
};

class Orders : public ::testing::TestWithParam<Order> {};

TEST_P(Orders, OfManyItemsThroughFiveStagesNoneIsLost) {
  const Order& o = GetParam();
  constexpr int64_t in_flight = 32;
  const int64_t items = o.items;
  Counted::live = Counted::most = 0;
  int64_t next = 0, seen = 0, disorder = 0;
  Flow flow(in_flight);
  auto x = flow.source("source",
                       [&]() -> std::optional<Counted> {
                         if (next == items) return {};
                         return Counted(next++);
                       },
                       {.blocks = o.blocks});
  auto map = [](Counted c) { return Counted(c.value + 1); };
  for (const char* name : {"one", "two", "three"})
    x = flow.map(name, x, map, {.parallel = o.parallel});
  flow.sink("sink", x, [&](const Counted& c) { disorder += c.value != seen++ + 3; });
  const PipelineReport report = flow.run({.threads = o.threads});
  EXPECT_EQ(seen, items);
  EXPECT_EQ(disorder, 0);
  EXPECT_EQ(Counted::live, 0);
  // What is in flight, and what a call moves from hand to hand.
  EXPECT_LE(Counted::most, in_flight + 8 * 4);
  EXPECT_LE(report.in_flight, in_flight);
  EXPECT_EQ(report.items, items);
  EXPECT_GE(report.latency.items, items / 8);
  EXPECT_LE(report.latency.p50, report.latency.p99);
  EXPECT_LE(report.latency.p99, report.latency.max);
  for (auto& stage : report.stages) {
    EXPECT_EQ(stage.in, items) << stage.name;
    EXPECT_EQ(stage.out, items) << stage.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Pipeline, Orders,
                         ::testing::Values(Order{"serial", 1, false, 2, 100'000},
                                           Order{"parallel", 2, false, 2, 10'000},
                                           Order{"all", 0, false, 4, 100'000},
                                           Order{"thread_serial", 1, true, 2, 10'000},
                                           Order{"thread_parallel", 0, true, 3, 10'000},
                                           Order{"one_slot", 0, false, 1, 10'000},
                                           Order{"one_slot_thread", 1, true, 1, 10'000}),
                         [](auto& info) { return info.param.name; });

TEST(Pipeline, ParallelStagesOfDifferentWidthKeepTheOrder) {
  std::vector<int64_t> seen;
  Flow flow(40);
  auto x = flow.source("source", counting(5000), {.blocks = false});
  auto slow = [](int64_t v) {
    if (v % 7 == 0) std::this_thread::yield();
    return v;
  };
  x = flow.map("wide", x, slow, {.parallel = 4, .queue = 2});
  x = flow.map("narrow", x, slow, {.parallel = 2, .queue = 1});
  x = flow.filter("odd", x, [](const int64_t& v) { return v % 2 == 1; }, {.parallel = 3});
  x = flow.map("any", x, slow, {.parallel = 4});
  flow.sink("sink", x, [&](int64_t v) { seen.push_back(v); });
  const auto report = flow.run({.threads = 4});
  ASSERT_EQ(seen.size(), 2500u);
  for (size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], int64_t(2 * i + 1));
  EXPECT_EQ(report.stage("odd").filtered, 2500);
  EXPECT_LE(report.stage("narrow").most_waiting, 1 + 4);
}

TEST(Pipeline, UnorderedStagesHandOnWhatIsReady) {
  std::multiset<int64_t> seen;
  std::atomic<bool> second = false;
  Flow flow;
  auto x = flow.source("source", counting(100), {.blocks = false});
  // The first item waits until another one has overtaken it.
  x = flow.map("any", x,
               [&](int64_t v) {
                 while (v == 0 && !second) std::this_thread::yield();
                 return v;
               },
               {.parallel = 2, .ordered = false});
  flow.sink("sink", x, [&](int64_t v) {
    EXPECT_TRUE(v != 0 || !seen.empty());
    second = true;
    seen.insert(v);
  });
  flow.run({.threads = 2});
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 100u);
}

TEST(Pipeline, SeveralUsersGetEveryItem) {
  int64_t one = 0, two = 0;
  Flow flow(8);
  auto x = flow.source("source", counting(1000));
  auto copy = flow.map("text", x, [](const int64_t& v) { return std::to_string(v); });
  flow.sink("sum", x, [&](int64_t v) { one += v; });
  flow.sink("texts", copy, [&](const std::string& s) { two += std::stoll(s); }, {.queue = 1});
  const auto report = flow.run();
  EXPECT_EQ(one, 499'500);
  EXPECT_EQ(two, one);
  EXPECT_GE(report.latency.items, 250);
}

TEST(Pipeline, MovesWhatCannotBeCopied) {
  int64_t sum = 0;
  Flow flow(4);
  auto x = flow.source("source", [n = 0]() mutable -> std::optional<std::unique_ptr<int>> {
    if (n == 100) return {};
    return std::make_unique<int>(n++);
  });
  x = flow.map("same", x, [](std::unique_ptr<int> p) { return p; }, {.parallel = 2});
  flow.sink("sink", x, [&](std::unique_ptr<int>&& p) { sum += *p; });
  flow.run();
  EXPECT_EQ(sum, 4950);
}

TEST(Pipeline, BackPressureHoldsTheSourceBack) {
  std::atomic<int64_t> made = 0, done = 0, most = 0;
  Flow flow(1000);
  auto x = flow.source("source",
                       [&]() -> std::optional<int64_t> {
                         if (made == 500) return {};
                         most = std::max<int64_t>(most, made + 1 - done);
                         return ++made;
                       },
                       {.blocks = false});
  x = flow.map("same", x, [](int64_t v) { return v; }, {.queue = 3});
  flow.sink("slow", x, [&](int64_t) { ++done; }, {.queue = 5});
  const auto report = flow.run({.threads = 4});
  EXPECT_EQ(done, 500);
  // Two lines, one item in each stage's hands, and one on its way from each.
  EXPECT_LE(most, 3 + 5 + 2 * 3 + 2);
  EXPECT_LE(report.stage("same").most_waiting, 3 + 1);
  EXPECT_LE(report.stage("slow").most_waiting, 5 + 1);
}

TEST(Pipeline, OverflowDropsTheOldestOrTheNewest) {
  for (const bool oldest : {true, false}) {
    std::atomic<int64_t> made = 0;
    std::vector<int64_t> seen;
    Flow flow(1000);
    auto x = flow.source("source",
                         [&]() -> std::optional<int64_t> {
                           if (made == 100) return {};
                           return made++;
                         },
                         {.blocks = false});
    x = flow.map("pass", x, [](int64_t v) { return v; });
    flow.sink("slow", x,
              [&](int64_t v) {
                while (made < 100)
                  std::this_thread::yield();  // the first waits until all are there
                seen.push_back(v);
              },
              {.queue = 4, .overflow = oldest ? Overflow::drop_oldest : Overflow::drop_newest});
    const auto report = flow.run({.threads = 2});
    auto& slow = report.stage("slow");
    EXPECT_EQ(slow.in + slow.dropped, 100);
    EXPECT_GT(slow.dropped, 0);
    EXPECT_LE(slow.most_waiting, 4);
    EXPECT_TRUE(std::ranges::is_sorted(seen));
    EXPECT_EQ(seen.front(), 0);
    EXPECT_TRUE(oldest ? seen.back() == 99 : seen[1] < 6);
  }
}

TEST(Pipeline, BatchesByNumberAndAtTheEnd) {
  std::vector<size_t> sizes;
  std::vector<int64_t> seen;
  Flow flow(100);
  auto x = flow.source("source", counting(50), {.blocks = false});
  x = flow.batch("batch", x, {.max = 16, .wait_ms = 60'000});
  x = flow.map("sizes", x, [&](Items<int64_t> all) {
    sizes.push_back(all.size());
    return all;
  });
  flow.sink("sink", flow.unbatch("rows", x), [&](int64_t v) { seen.push_back(v); });
  const auto report = flow.run({.threads = 2});
  EXPECT_EQ(sizes, (std::vector<size_t>{16, 16, 16, 2}));
  ASSERT_EQ(seen.size(), 50u);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_DOUBLE_EQ(report.stage("batch").mean_batch, 12.5);
}

TEST(Pipeline, BatchesWhenAllThatMayBeInFlightIsInThem) {
  int64_t seen = 0;
  Flow flow(5);  // fewer than a batch wants
  auto x = flow.source("source", counting(23));
  x = flow.unbatch("rows", flow.batch("batch", x, {.max = 16, .wait_ms = 60'000}));
  flow.sink("sink", x, [&](int64_t v) { EXPECT_EQ(v, seen++); });
  flow.run();
  EXPECT_EQ(seen, 23);
}

TEST(Pipeline, BatchesAfterTheWaitWhenTheSourceIsSlow) {
  std::atomic<int64_t> seen = 0;
  Flow flow;
  // The third item comes only when the first two have passed, though the batch would hold 16.
  auto x = flow.source("source", [&, n = 0]() mutable -> std::optional<int64_t> {
    while (n == 2 && seen < 2) std::this_thread::yield();
    if (n == 3) return {};
    return n++;
  });
  x = flow.unbatch("rows", flow.batch("batch", x, {.max = 16, .wait_ms = 2}));
  flow.sink("sink", x, [&](int64_t) { ++seen; });
  flow.run();
  EXPECT_EQ(seen, 3);
}

TEST(Pipeline, StopsAndDrains) {
  std::atomic<int64_t> made = 0, done = 0;
  for (const bool blocks : {true, false}) {
    made = done = 0;
    Flow flow;
    auto x = flow.source("source", [&]() -> std::optional<int64_t> { return made++; },
                         {.blocks = blocks});
    flow.sink("sink", x, [&](int64_t) { ++done; });
    Pipeline pipeline = flow.pipeline();
    auto run = pipeline.run_async();
    while (done < 1000) std::this_thread::yield();
    EXPECT_THROW(pipeline.run(), Error);  // E0464: it runs already
    pipeline.stop();
    const auto report = run.get();
    EXPECT_TRUE(report.stopped);
    EXPECT_EQ(done, report.items);
    EXPECT_EQ(made, report.items);
  }
}

TEST(Pipeline, TellsAWaitingSourceToStop) {
  Flow flow;
  auto x = flow.source("socket", [](std::stop_token stop) -> std::optional<int> {
    while (!stop.stop_requested()) std::this_thread::yield();
    return {};
  });
  flow.sink("sink", x, [](int) {});
  Pipeline pipeline = flow.pipeline();
  auto run = pipeline.run_async();
  pipeline.cancel();
  EXPECT_EQ(run.get().items, 0);
}

TEST(Pipeline, RunsAgain) {
  Stages stages;
  std::atomic<int64_t> sum = 0;
  stages
      .source("numbers",
              with_params({{.name = "count", .kind = ParamKind::integer}},
                          [](const Dict& params) { return counting(get_int(params, "count")); }))
      .sink("sum", [&](int64_t v) { sum += v; });
  PipelineDecl decl;
  decl.stages.push_back(
      {.name = "n", .kind = StageKind::source, .call = "numbers", .params = {{"count", 100}}});
  decl.stages.push_back({.name = "s", .kind = StageKind::sink, .from = {{0}}, .call = "sum"});
  Pipeline pipeline(decl, stages);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(pipeline.run().items, 100);
    EXPECT_EQ(sum, 4950 * i);
  }
}

TEST(Pipeline, TracesCallsAndDrops) {
  auto trace = std::make_shared<Trace>();
  std::atomic<int64_t> made = 0;
  Flow flow(100);
  auto x = flow.source("numbers", [&]() -> std::optional<int64_t> {
    if (made == 50) return {};
    return made++;
  });
  x = flow.map("same", x, [](int64_t v) { return v; }, {.parallel = 2});
  flow.sink("slow", x,
            [&](int64_t) {
              while (made < 50) std::this_thread::yield();
            },
            {.queue = 2, .overflow = Overflow::drop_newest});
  const auto report = flow.run({.trace = trace});
  const auto json = nlohmann::json::parse(trace->json("test"));
  std::map<std::string, int64_t> calls, dropped;
  std::map<int64_t, double> end;  // by track
  for (auto& e : json.at("traceEvents")) {
    if (e.at("ph") == "C") dropped[e.at("name")] = e.at("args").at("dropped");
    if (e.at("ph") != "X") continue;
    ++calls[e.at("name")];
    EXPECT_GE(e.at("ts").get<double>() + 1e-6, end[e.at("tid")]);
    end[e.at("tid")] = e.at("ts").get<double>() + e.at("dur").get<double>();
  }
  EXPECT_EQ(calls.at("same"), 50);
  EXPECT_EQ(calls.at("slow"), report.stage("slow").in);
  EXPECT_EQ(dropped.at("dropped: slow"), report.stage("slow").dropped);
  EXPECT_EQ(trace->events(), calls.at("numbers") + 50 + 50);
}

TEST(Pipeline, SharesAnArena) {
  auto arena = std::make_shared<TaskArena>(2);
  std::atomic<int64_t> sum = 0;
  std::vector<std::thread> hosts;
  for (int h = 0; h < 3; ++h)
    hosts.emplace_back([&, h] {
      Flow flow(8);
      auto x = flow.source("source", counting(2000), {.blocks = h % 2 == 0});
      flow.sink("sink", x, [&](int64_t v) { sum += v; }, {.parallel = 2});
      flow.run({.arena = arena});
    });
  for (auto& host : hosts) host.join();
  EXPECT_EQ(sum, 3 * 1'999'000);
}

}  // namespace
