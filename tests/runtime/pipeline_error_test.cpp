// What is wrong with a pipeline, before it runs and while it does.
#include <braid/runtime/pipeline.h>

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <random>
#include <thread>

using namespace braid;

namespace {

struct Frame1 {
  int64_t id = 0;
};
struct Alone {
  std::unique_ptr<int> own = {};
};

auto counting(int64_t count) {
  return [count, next = int64_t{0}]() mutable -> std::optional<int64_t> {
    if (next == count) return {};
    return next++;
  };
}

Diagnostic error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.diagnostics().front();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

bool says(const Diagnostic& d, const std::string& what) {
  return render(d).find(what) != std::string::npos;
}

#define EXPECT_SAYS(d, what) EXPECT_TRUE(says(d, what)) << render(d)

PipelineDecl line(std::vector<StageDecl> stages) {
  PipelineDecl decl;
  for (size_t i = 0; i < stages.size(); ++i)
    if (i > 0 && stages[i].from.empty()) stages[i].from = {{int(i) - 1}};
  decl.stages = std::move(stages);
  return decl;
}

TEST(PipelineCheck, NamesThatNothingIsBoundTo) {
  Stages stages;
  stages.source("camera", counting(1)).sink("show", [](int64_t) {});
  const auto d = error_of([&] {
    Pipeline(line({{.name = "a", .kind = StageKind::source, .call = "camra"},
                   {.name = "b", .kind = StageKind::sink, .call = "show"}}),
             stages);
  });
  EXPECT_EQ(d.code, "E0451");
  EXPECT_SAYS(d,
              "stage 'a' (source): nothing is bound to the name 'camra' (did you mean 'camera'?)");
}

TEST(PipelineCheck, TypesOfBothEnds) {
  Flow flow;
  auto x = flow.source("frames", []() -> std::optional<Frame1> { return {}; });
  flow.sink("show", x, [](const std::string&) {});
  const auto d = error_of([&] { flow.pipeline(); });
  EXPECT_EQ(d.code, "E0452");
  EXPECT_SAYS(d, "stage 'show' (sink) takes std::");
  EXPECT_SAYS(d, "stage 'frames' (source) makes");
  EXPECT_SAYS(d, "Frame1");
  ASSERT_EQ(d.notes.size(), 2u);
  EXPECT_NE(to_string(d.notes[0].mark).find("pipeline_error_test.cpp"), std::string::npos);
}

TEST(PipelineCheck, BatchesOfTheRightKind) {
  Flow flow;
  auto x = flow.source("numbers", counting(1));
  auto b = flow.batch("batch", x);
  flow.sink("sink", flow.unbatch("rows", flow.batch("again", b)), [](int64_t) {});
  const auto d = error_of([&] { flow.pipeline(); });
  EXPECT_EQ(d.code, "E0452");
  EXPECT_SAYS(d, "what is a batch already");
  Flow other;
  other.sink("sink", other.unbatch("rows", other.source("numbers", counting(1))), [](int64_t) {});
  EXPECT_SAYS(error_of([&] { other.pipeline(); }), "stage 'rows' (unbatch) takes a batch");
}

TEST(PipelineCheck, WhatCannotBeCopiedForTwo) {
  Flow flow;
  auto x = flow.source("source", []() -> std::optional<Alone> { return {}; });
  flow.sink("looks", x, [](const Alone&) {});
  flow.sink("takes", x, [](Alone) {});
  const auto d = error_of([&] { flow.pipeline(); });
  EXPECT_EQ(d.code, "E0453");
  EXPECT_SAYS(d, "stage 'takes' (sink)");
  EXPECT_SAYS(d, "take it by const&");
}

TEST(PipelineCheck, KeysOfAllInputs) {
  Flow flow;
  flow.stages().key("id", [](const Frame1& f) { return f.id; });
  auto a = flow.source("a", []() -> std::optional<Frame1> { return {}; });
  auto b = flow.source("b", counting(1));
  flow.sink("sink", flow.join("both", {a, b}, "id", [](Frame1, int64_t v) { return v; }),
            [](int64_t) {});
  const auto d = error_of([&] { flow.pipeline(); });
  EXPECT_EQ(d.code, "E0454");
  EXPECT_SAYS(d, "there is no key 'id' for long");
}

TEST(PipelineCheck, Shape) {
  Stages stages;
  stages.source("n", counting(1)).sink("s", [](int64_t) {}).map("m", [](int64_t v) { return v; });
  auto code = [&](PipelineDecl decl) {
    return error_of([&] { Pipeline(std::move(decl), stages); }).code;
  };
  const StageDecl n{.name = "n", .kind = StageKind::source, .call = "n"};
  const StageDecl m{.name = "m", .kind = StageKind::map, .call = "m"};
  const StageDecl s{.name = "s", .kind = StageKind::sink, .call = "s"};
  EXPECT_EQ(code({}), "E0455");
  EXPECT_EQ(code(line({n, m})), "E0455");     // nothing takes it
  EXPECT_EQ(code(line({n, s, s})), "E0455");  // twice the name, and a sink hands on nothing
  auto bad = line({n, m, s});
  bad.stages[1].from = {{1}};
  EXPECT_EQ(code(bad), "E0455");
  bad = line({n, m, s});
  bad.stages[1].parallel = -1;
  EXPECT_EQ(code(bad), "E0455");
  bad = line({n, m, s});
  bad.in_flight = 0;
  EXPECT_EQ(code(bad), "E0455");
  bad = line({n, m, s});
  bad.stages[1].params = {{"by", 2}};
  EXPECT_NE(code(bad), "");
}

TEST(PipelineError, NamesStageItemAndPlace) {
  Flow flow;
  auto x = flow.source("source", counting(100));
  x = flow.map("fragile", x, [](int64_t v) {
    if (v == 41) throw std::runtime_error("no more");
    return v;
  });
  std::atomic<int64_t> seen = 0;
  flow.sink("sink", x, [&](int64_t) { ++seen; });
  Pipeline pipeline = flow.pipeline();
  const auto d = error_of([&] { pipeline.run(); });
  EXPECT_EQ(d.code, "E0460");
  EXPECT_SAYS(d, "stage 'fragile' (map), item 42: no more");
  EXPECT_NE(to_string(d.mark).find("pipeline_error_test.cpp"), std::string::npos);
  EXPECT_LE(seen, 41);
}

TEST(PipelineError, KeepsTheCodeOfWhatWasThrown) {
  Flow flow;
  auto x = flow.source("source", []() -> std::optional<int> {
    throw Error(Fault::data, "E0346", "a label is wrong");
  });
  flow.sink("sink", x, [](int) {});
  try {
    flow.run();
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::data);
    EXPECT_EQ(e.diagnostics().front().code, "E0346");
    EXPECT_SAYS(e.diagnostics().front(), "stage 'source' (source), item 1: a label is wrong");
  }
}

TEST(PipelineError, OfABatchThatLosesItems) {
  Flow flow;
  auto x = flow.batch("batch", flow.source("source", counting(10)), {.max = 4});
  x = flow.map("loses", x, [](Items<int64_t> all) {
    all.pop_back();
    return all;
  });
  flow.sink("sink", flow.unbatch("rows", x), [](int64_t) {});
  const auto d = error_of([&] { flow.run(); });
  EXPECT_EQ(d.code, "E0463");
  EXPECT_SAYS(d, "stage 'rows' (unbatch)");
}

// Pipelines of random shape, with an error at a random stage and item: each ends, says which, lets
// go of everything, and runs again.
struct Payload {
  static inline std::atomic<int64_t> live = 0;
  int64_t v = 0;
  explicit Payload(int64_t value) : v(value) { ++live; }
  Payload(const Payload& o) : v(o.v) { ++live; }
  Payload& operator=(const Payload&) = default;
  ~Payload() { --live; }
};

class Fuzz {
 public:
  explicit Fuzz(unsigned seed) : random_(seed), flow_(1 + pick(40)) {
    std::vector<FlowStage> open = {source("s0")};
    if (pick(3) == 0) open.push_back(source("s1"));
    for (int i = 0; i < 6; ++i) grow(open, "x" + std::to_string(i));
    for (size_t i = 0; i < open.size(); ++i) {
      const int s = stage();
      flow_.sink(
          "end" + std::to_string(i), open[i], [this, s](const Payload& p) { visit(s, p.v); },
          options());
    }
    bad_stage_ = int(pick(stages_ + 1)) - 1;  // -1: none
    bad_item_ = pick(items);
  }

  void run() {
    const int threads = 1 + int(pick(4));
    Pipeline pipeline = flow_.pipeline({.threads = threads});
    for (int round = 0; round < 2; ++round) {
      for (auto& next : next_) next = 0;
      bool threw = false;
      try {
        pipeline.run();
      } catch (const Error& e) {
        threw = true;
        const std::string code = e.diagnostics().front().code;
        EXPECT_EQ(code, hit_ ? "E0460" : "E0462") << e.what();
        EXPECT_EQ(hit_, std::string(e.what()).find("bad") != std::string::npos) << e.what();
      }
      EXPECT_TRUE(threw || !hit_);
      EXPECT_EQ(Payload::live, 0);
      hit_ = false;
      if (round == 0 && pick(2)) bad_stage_ = -1;
    }
  }

 private:
  static constexpr int64_t items = 300;
  int64_t pick(int64_t below) { return int64_t(random_() % uint64_t(below)); }
  int stage() { return stages_++; }
  StageOptions options() {
    return {.parallel = pick(4),
            .ordered = pick(3) > 0,
            .queue = 1 + pick(20),
            .overflow = pick(6) > 0   ? Overflow::block
                        : pick(2) > 0 ? Overflow::drop_oldest
                                      : Overflow::drop_newest};
  }
  void visit(int s, int64_t v) {
    if (s != bad_stage_ || v != bad_item_) return;
    hit_ = true;
    throw std::runtime_error("bad");
  }
  FlowStage source(const std::string& name) {
    next_.push_back(0);
    auto& next = next_.back();
    const int s = stage();
    return flow_.source(name,
                        [this, s, &next]() -> std::optional<Payload> {
                          if (next == items) return {};
                          visit(s, next);
                          return Payload(next++);
                        },
                        {.blocks = pick(2) > 0});
  }
  void grow(std::vector<FlowStage>& open, const std::string& name) {
    const auto at = size_t(pick(int64_t(open.size())));
    const FlowStage from = open[at];
    const int s = stage();
    auto map = [this, s](Payload p) { return visit(s, p.v), p; };
    switch (pick(5)) {
      case 0:
        open[at] = flow_.filter(
            name, from, [this, s](const Payload& p) { return visit(s, p.v), p.v % 3 != 0; },
            options());
        return;
      case 1:
        open[at] = flow_.batch(name, from, {.max = 1 + pick(8), .wait_ms = double(pick(3)) / 4});
        open[at] = flow_.map(
            name + "m", open[at],
            [this, s](Items<Payload> all) {
              for (auto& p : all) visit(s, p.v);
              return all;
            },
            options());
        open[at] = flow_.unbatch(name + "u", open[at]);
        return;
      case 2:  // another user
        open.push_back(flow_.map(name, from, map, options()));
        return;
      case 3:
        if (open.size() > 1) {
          const size_t other = (at + 1) % open.size();
          open[at] = flow_.join(name, {from, open[other]}, [this, s](Payload a, const Payload&) {
            visit(s, a.v);
            return a;
          });
          open.erase(open.begin() + std::ptrdiff_t(other));
          return;
        }
        [[fallthrough]];
      default:
        open[at] = flow_.map(name, from, map, options());
    }
  }

  std::mt19937_64 random_;
  Flow flow_;
  std::deque<int64_t> next_;
  int stages_ = 0, bad_stage_ = -1;
  int64_t bad_item_ = -1;
  std::atomic<bool> hit_ = false;
};

TEST(PipelineError, RandomPipelinesEndAndRunAgain) {
  const auto start = std::chrono::steady_clock::now();
  for (unsigned seed = 0;
       seed < 300 && std::chrono::steady_clock::now() - start < std::chrono::seconds(15); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Fuzz(seed).run();
    if (HasFailure()) return;
  }
}

}  // namespace
