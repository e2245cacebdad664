// Networks as stages: batches of any grouping, equal bits, errors, arenas.
#include <braid/core/network.h>
#include <braid/core/random.h>
#include <braid/runtime/pipeline.h>
#include <braid/runtime/session.h>

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

using namespace braid;

namespace {

Model small() {
  braid::Network net("small");
  net.replicas(2).batch(8);
  Link x = net.input("image", DType::f32, {N, 3, 6, 6});
  x = net.layer("conv", "Conv2d", x, {{"out_channels", 8}, {"kernel_size", 3}});
  x = net.layer("bn", "BatchNorm2d", x);
  x = net.layer("relu", "ReLU", x);
  x = net.layer("flat", "Flatten", x);
  x = net.layer("fc", "Linear", x, {{"out_features", 5}});
  net.output("logits", x);
  return net.model();
}

Record record(int64_t i) {
  Array image = Array::zeros(DType::f32, {3, 6, 6});
  for (size_t k = 0; k < image.as<float>().size(); ++k)
    image.as<float>()[k] = float(normal(uint64_t(i), k));
  return {{"picture", std::move(image)}, {"id", Array::of<int64_t>({}, std::vector<int64_t>{i})}};
}

auto records(int64_t count) {
  return [count, next = int64_t{0}]() mutable -> std::optional<Record> {
    if (next == count) return {};
    return record(next++);
  };
}

struct Grouping {
  int64_t max = 1;  // 0: without batches
  double wait_ms = 1;
  int64_t parallel = 1;
  int threads = 2;
  bool blocks = false;
};

std::vector<Record> answers(const std::shared_ptr<TaskArena>& arena, Session& session,
                            const Grouping& g) {
  std::vector<Record> seen;
  Flow flow(40);
  auto x = flow.source("source", records(100), {.blocks = g.blocks});
  if (g.max > 0) x = flow.batch("batch", x, {.max = g.max, .wait_ms = g.wait_ms});
  x = flow.network("net", x, session, {.feed = {{"image", "picture"}}, .parallel = g.parallel});
  if (g.max > 0) x = flow.unbatch("rows", x);
  flow.sink("sink", x, [&](Record r) { seen.push_back(std::move(r)); });
  flow.run({.arena = arena});
  return seen;
}

TEST(PipelineNetwork, AnyGroupingGivesTheBitsOfOneByOne) {
  auto arena = std::make_shared<TaskArena>(2);
  Session session(small(), {.arena = arena});
  std::vector<Array> alone;
  for (int64_t i = 0; i < 100; ++i) {
    Array image = record(i).at("picture");
    image.dims.insert(image.dims.begin(), 1);
    alone.push_back(session.run({{"image", image}}).at("logits"));
    alone.back().dims.erase(alone.back().dims.begin());
  }
  for (const Grouping& g :
       {Grouping{.max = 0}, Grouping{.max = 1}, Grouping{.max = 3}, Grouping{.max = 16},
        Grouping{.max = 24, .parallel = 2}, Grouping{.max = 7, .wait_ms = 0, .blocks = true},
        Grouping{.max = 16, .wait_ms = 0.01, .parallel = 2, .blocks = true}}) {
    SCOPED_TRACE("max " + std::to_string(g.max));
    const auto seen = answers(arena, session, g);
    ASSERT_EQ(seen.size(), 100u);
    for (size_t i = 0; i < seen.size(); ++i) {
      ASSERT_EQ(seen[i].at("id").as<int64_t>()[0], int64_t(i));
      ASSERT_EQ(seen[i].at("logits"), alone[i]) << i;
      ASSERT_EQ(seen[i].size(), 3u);
    }
  }
}

TEST(PipelineNetwork, OneSlotRunsPipelineAndNetwork) {
  auto arena = std::make_shared<TaskArena>(1);
  Session session(small(), {.arena = arena});
  EXPECT_EQ(answers(arena, session, {.max = 8, .parallel = 4}).size(), 100u);
  EXPECT_EQ(answers(arena, session, {.max = 8, .blocks = true}).size(), 100u);
}

TEST(PipelineNetwork, IsOpenedFromTheModelBesideThePipeline) {
  Model model = small();
  PipelineDecl decl;
  decl.stages = {
      {.name = "source", .kind = StageKind::source, .call = "records"},
      {.name = "batch", .kind = StageKind::batch, .from = {{0}}, .max = 4},
      {.name = "net", .kind = StageKind::network, .from = {{1}}, .feed = {{"image", "picture"}}},
      {.name = "rows", .kind = StageKind::unbatch, .from = {{2}}},
      {.name = "sink", .kind = StageKind::sink, .from = {{3}}, .call = "count"}};
  model.pipeline = decl;
  int64_t count = 0;
  Stages stages;
  stages.source("records", records(10)).sink("count", [&](const Record& r) {
    count += int64_t(r.count("logits"));
  });
  Pipeline(model, stages).run();
  EXPECT_EQ(count, 10);
  model.pipeline->stages[2].feed = {{"imag", "picture"}};
  try {
    const Pipeline wrong(model, stages);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics().front().code, "E0456");
    EXPECT_NE(std::string(e.what()).find("no input 'imag' (did you mean 'image'?)"),
              std::string::npos)
        << e.what();
  }
  EXPECT_THROW(Pipeline(decl, stages), Error);  // E0456: no network
}

TEST(PipelineNetwork, SaysWhichFieldIsWrong) {
  Session session(small());
  auto message = [&](std::map<std::string, std::string> feed, auto change) {
    Flow flow;
    auto x = flow.source("source", records(20));
    x = flow.map("change", x, change);
    x = flow.network("net", flow.batch("batch", x, {.max = 4, .wait_ms = 1000}), session,
                     {.feed = std::move(feed)});
    flow.sink("sink", flow.unbatch("rows", x), [](const Record&) {});
    try {
      flow.run();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  auto same = [](Record r) { return r; };
  EXPECT_NE(message({{"image", "pictur"}}, same)
                .find("stage 'net' (network), item 1: the record has no field 'pictur' (did you "
                      "mean 'picture'?)"),
            std::string::npos);
  EXPECT_NE(message({{"image", "picture"}},
                    [](Record r) {
                      if (r.at("id").as<int64_t>()[0] == 2)
                        r.at("picture") = Array::zeros(DType::f32, {1});
                      return r;
                    })
                .find("field 'picture' is f32 [3, 6, 6] and f32 [1] in one batch"),
            std::string::npos);
  EXPECT_NE(message({}, same).find("E0350"), std::string::npos);
}

}  // namespace
