// Stages that a program has put together: what must hold of all of them.
#include <braid/core/stages.h>

#include <gtest/gtest.h>

namespace braid {
namespace {

std::vector<std::string> codes(const PipelineDecl& pipeline) {
  Diagnostics found;
  check_pipeline(pipeline, found);
  std::vector<std::string> all;
  for (auto& d : found.all()) all.push_back(d.code);
  return all;
}

PipelineDecl right() {
  PipelineDecl pipeline;
  pipeline.stages = {{.name = "a", .kind = StageKind::source, .call = "frames"},
                     {.name = "b", .kind = StageKind::map, .from = {{0}}, .call = "half"},
                     {.name = "c", .kind = StageKind::batch, .from = {{1}}},
                     {.name = "d", .kind = StageKind::sink, .from = {{2}}, .call = "show"}};
  return pipeline;
}

TEST(Stages, WordsAreReadAsTheyAreWritten) {
  for (int kind = 0; kind <= int(StageKind::sink); ++kind)
    EXPECT_EQ(parse_stage_type(stage_type(StageKind(kind))), StageKind(kind));
  for (auto overflow : {Overflow::block, Overflow::drop_oldest, Overflow::drop_newest})
    EXPECT_EQ(parse_overflow(to_string(overflow)), overflow);
  EXPECT_FALSE(parse_stage_type("source"));
  EXPECT_FALSE(parse_overflow(""));
}

TEST(Stages, FaultsOfAProgramAreFound) {
  EXPECT_EQ(codes(right()), std::vector<std::string>{});
  auto changed = [](auto change) {
    PipelineDecl pipeline = right();
    change(pipeline.stages);
    return codes(pipeline);
  };
  using Codes = std::vector<std::string>;
  EXPECT_EQ(changed([](auto& s) { s[1].name = "a"; }), Codes{"E0052"});
  EXPECT_EQ(changed([](auto& s) { s[1].from = {{1}}; }), Codes{"E0072"});
  EXPECT_EQ(changed([](auto& s) { s[1].from = {{-1}}; }), Codes{"E0072"});
  EXPECT_EQ(changed([](auto& s) { s[1].from = {{99}}; }), Codes{"E0072"});
  EXPECT_EQ(changed([](auto& s) { s[1].kind = StageKind::sink; }), Codes{"E0072"});
  EXPECT_EQ(changed([](auto& s) { s[1].from = {}; }), Codes{"E0073"});
  EXPECT_EQ(changed([](auto& s) { s[1].kind = StageKind::join; }), Codes{"E0073"});
  EXPECT_EQ(changed([](auto& s) { s.pop_back(); }), Codes{"E0074"});
  EXPECT_EQ(changed([](auto& s) { s[3].from = {{1}}; }), Codes{"E0074"});
  EXPECT_EQ(changed([](auto& s) { s.clear(); }), (Codes{"E0074", "E0074"}));
  EXPECT_EQ(changed([](auto& s) { s[2].max = 65; }), Codes{"W0070"});
}

}  // namespace
}  // namespace braid
