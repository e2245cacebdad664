// Joins: by number, by callables, by a field; what finds no partner; what stands still.
#include <braid/runtime/pipeline.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

using namespace braid;

namespace {

struct Left {
  int64_t id = 0;
};
struct Right {
  int64_t id = 0;
  std::unique_ptr<int> own = {};
};
struct Pair {
  int64_t left = 0, right = 0;
};

template <class T>
auto in_order(std::vector<int64_t> ids) {
  return [ids = std::move(ids), next = size_t{0}]() mutable -> std::optional<T> {
    if (next == ids.size()) return {};
    return T{ids[next++]};
  };
}

std::vector<int64_t> upto(int64_t count, int64_t step = 1) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < count; i += step) ids.push_back(i);
  return ids;
}

Pair pair(const Left& l, Right r) { return {l.id, r.id}; }

struct Rig {
  Flow flow;
  std::vector<Pair> seen;
  explicit Rig(int64_t in_flight) : flow(in_flight) {
    flow.stages().key("id", [](const Left& l) { return l.id; }).key("id", [](const Right& r) {
      return std::to_string(r.id);
    });
  }
  PipelineReport run(std::vector<int64_t> lefts, std::vector<int64_t> rights, bool blocks = false) {
    auto l = flow.source("lefts", in_order<Left>(std::move(lefts)), {.blocks = blocks});
    auto r = flow.source("rights", in_order<Right>(std::move(rights)), {.blocks = !blocks});
    auto both = flow.join("pairs", {l, r}, "id", pair);
    flow.sink("sink", both, [&](const Pair& p) { seen.push_back(p); });
    return flow.run();
  }
};

TEST(PipelineJoin, ByKeyOfTwoSources) {
  Rig rig(64);
  auto rights = upto(1000);
  for (size_t i = 0; i + 16 <= rights.size(); i += 16)
    std::reverse(rights.begin() + std::ptrdiff_t(i), rights.begin() + std::ptrdiff_t(i + 16));
  const auto report = rig.run(upto(1000), rights);
  ASSERT_EQ(rig.seen.size(), 1000u);
  for (auto& p : rig.seen) ASSERT_EQ(p.left, p.right);
  EXPECT_EQ(report.stage("pairs").in, 2000);
  EXPECT_EQ(report.stage("pairs").out, 1000);
  EXPECT_EQ(report.stage("pairs").unmatched, 0);
}

TEST(PipelineJoin, CountsWhatHasNoPartner) {
  Rig rig(600);
  const auto report = rig.run(upto(1000), upto(1000, 2), true);
  EXPECT_EQ(rig.seen.size(), 500u);
  EXPECT_EQ(report.stage("pairs").unmatched, 500);
}

TEST(PipelineJoin, SaysWhenAllWaitForPartners) {
  for (const bool blocks : {false, true}) {
    Rig rig(8);
    auto far = upto(100);
    for (auto& id : far) id += 50;  // the partner of 50 comes when 50 others wait already
    try {
      rig.run(upto(100), far, blocks);
      ADD_FAILURE() << "it must stand still";
    } catch (const Error& e) {
      const auto& d = e.diagnostics().front();
      EXPECT_EQ(d.code, "E0462") << e.what();
      EXPECT_EQ(e.fault(), Fault::run);
      EXPECT_NE(d.message.find("stage 'pairs' (join)"), std::string::npos) << d.message;
      EXPECT_NE(d.message.find("16 of them here"), std::string::npos) << d.message;
      EXPECT_NE(d.helps.find("raise in_flight, which is 8"), std::string::npos) << d.helps;
    }
  }
}

TEST(PipelineJoin, OneKeyTwiceIsAnError) {
  Rig rig(8);
  try {
    rig.run({1, 2, 2}, {7, 8, 9});
    ADD_FAILURE();
  } catch (const Error& e) {
    const auto& d = e.diagnostics().front();
    EXPECT_EQ(d.code, "E0461") << e.what();
    EXPECT_NE(d.message.find("two items of 'lefts' have the key '2', items 2 and 3"),
              std::string::npos)
        << d.message;
  }
}

TEST(PipelineJoin, BranchesOfOneSourceMeetAgainInItsOrder) {
  std::vector<std::pair<int64_t, std::string>> seen;
  Flow flow(16);
  auto x = flow.source("source", in_order<int64_t>(upto(3000)), {.blocks = false});
  auto kept = flow.filter("kept", x, [](const int64_t& v) { return v % 5 != 0; }, {.parallel = 2});
  auto text = flow.map("text", x,
                       [](int64_t v) {
                         if (v % 11 == 0) std::this_thread::yield();
                         return std::to_string(v);
                       },
                       {.parallel = 2});
  auto both = flow.join("both", {kept, text},
                        [](int64_t v, std::string t) { return std::pair(v, std::move(t)); });
  flow.sink("sink", both, [&](const std::pair<int64_t, std::string>& p) { seen.push_back(p); });
  const auto report = flow.run({.threads = 3});
  ASSERT_EQ(seen.size(), 2400u);
  for (auto& [v, t] : seen) ASSERT_EQ(std::to_string(v), t);
  EXPECT_TRUE(std::ranges::is_sorted(seen, {}, [](auto& p) { return p.first; }));
  // What was filtered leaves its other half without a partner: never a standstill.
  EXPECT_EQ(report.stage("both").unmatched, 600);
}

TEST(PipelineJoin, TheNthOfEachSource) {
  std::vector<Pair> seen;
  Flow flow(4);
  auto l = flow.source("lefts", in_order<Left>(upto(50)));
  auto r = flow.source("rights", in_order<Left>(upto(70)));
  auto both = flow.join("pairs", {l, r}, [](Left a, Left b) { return Pair{a.id, b.id}; });
  flow.sink("sink", both, [&](const Pair& p) { seen.push_back(p); });
  const auto report = flow.run();
  ASSERT_EQ(seen.size(), 50u);
  for (auto& p : seen) EXPECT_EQ(p.left, p.right);
  EXPECT_EQ(report.stage("pairs").unmatched, 20);
}

Record record(int64_t id, const std::string& field) {
  return {{"id", Array::of<int64_t>({}, std::vector<int64_t>{id})},
          {field, Array::of<float>({1}, std::vector<float>{float(id)})}};
}

TEST(PipelineJoin, RecordsByAField) {
  Stages stages;
  std::vector<Record> seen;
  stages.source("a", with_params({}, [](const Dict&) {
                  return [n = int64_t{0}]() mutable -> std::optional<Record> {
                    return n == 20 ? std::optional<Record>() : record(n++, "left");
                  };
                }));
  stages.source("b", with_params({}, [](const Dict&) {
                  return [n = int64_t{20}]() mutable -> std::optional<Record> {
                    return n == 0 ? std::optional<Record>() : record(--n, "right");
                  };
                }));
  stages.sink("keep", [&](Record r) { seen.push_back(std::move(r)); });
  PipelineDecl decl;
  decl.stages = {{.name = "a", .kind = StageKind::source, .call = "a"},
                 {.name = "b", .kind = StageKind::source, .call = "b"},
                 {.name = "j", .kind = StageKind::join, .from = {{0}, {1}}, .by = "id"},
                 {.name = "s", .kind = StageKind::sink, .from = {{2}}, .call = "keep"}};
  Pipeline(decl, stages).run();
  ASSERT_EQ(seen.size(), 20u);
  for (auto& r : seen) {
    EXPECT_EQ(r.size(), 3u);
    EXPECT_EQ(r.at("left"), r.at("right"));
  }
  decl.stages[2].by = "idd";
  try {
    Pipeline(decl, stages).run();
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics().front().code, "E0463");
    EXPECT_NE(std::string(e.what()).find("did you mean 'id'?"), std::string::npos) << e.what();
  }
}

}  // namespace
