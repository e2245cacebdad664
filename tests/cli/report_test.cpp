// What a run leaves besides its weights, and the page that `braid report` makes of it.
#include <gtest/gtest.h>

#include "cli/command.h"

namespace braid::test {
namespace {

bool has(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

Outcome report(const std::string& run) { return braid_command({"report", run}); }

TEST(Report, HasCurvesPlanAndEnvironment) {
  Folder folder;
  const auto trained =
      braid_command({"train", digits(), "--steps", "30", "--out", folder / "run", "--set",
                     "train.keep_best={metric: accuracy}", "--devices", "cpu:0,cpu:1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto outcome = braid_command({"report", folder / "run", "-o", folder / "r.html"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto page = read_text(folder / "r.html");
  for (const char* expected :
       {"<!doctype html>", "<h3>loss</h3>", "<h3>accuracy</h3>", "<h3>learning rate</h3>",
        "<polyline class=\"line c1\"", "class=\"best\"", "srcdoc=", "30 of 30 steps",
        "cpu:0, cpu:1", "images/s", "braid: 1", "class=\"state done\""})
    EXPECT_TRUE(has(page, expected)) << expected;
  for (const char* outside : {"http://", "src=\"", "href=", "@import", "url(h", "url(/"}) {
    // The namespace of SVG is a name, not a place.
    auto rest = page;
    for (size_t at; (at = rest.find("http://www.w3.org/2000/svg")) != rest.npos;)
      rest.erase(at, 26);
    EXPECT_FALSE(has(rest, outside)) << outside;
  }
}

TEST(Report, ResumedRunsHaveParts) {
  Folder folder;
  const std::vector<std::string> words = {"train", digits(), "--out", folder / "run"};
  auto first = words, second = words;
  first.insert(first.end(), {"--steps", "5"});
  second.insert(second.end(), {"--steps", "9", "--resume", "--devices", "cpu:0,cpu:1"});
  ASSERT_EQ(braid_command(first).code, 0);
  ASSERT_EQ(braid_command(second).code, 0);
  const auto record = Json::parse(read_text(folder / "run/run.json"));
  ASSERT_EQ(record.at("parts").size(), 2u);
  EXPECT_EQ(record.at("parts")[0].at("devices"), Json({"cpu"}));
  EXPECT_EQ(record.at("parts")[1].at("first"), 5);
  EXPECT_EQ(record.at("parts")[1].at("last"), 9);
  EXPECT_EQ(record.at("parts")[1].at("ended"), "done");
  EXPECT_GT(record.at("parts")[1].at("images_per_second"), 0);
  EXPECT_EQ(record.at("program").get<std::string>().size(), 16u);
  const auto page = report(folder / "run/").out;
  EXPECT_TRUE(has(page, "<h3>Part 2</h3>") && has(page, "6 to 9"));
}

TEST(Report, AFailedRunSaysWhy) {
  Folder folder;
  const auto failed = braid_command({"train", digits(), "--steps", "9", "--out", folder / "run",
                                     "--set", "optimizer.lr=1e30", "--check-finite"});
  ASSERT_EQ(failed.code, 5);
  const auto ended = Json::parse(read_text(folder / "run/run.json")).at("parts")[0].at("ended");
  EXPECT_TRUE(has(ended, "not finite")) << ended;
  EXPECT_TRUE(has(report(folder / "run").out, "not finite"));
}

TEST(Report, OfALogThatIsCutOffOrDamaged) {
  Folder folder;
  write_text(folder / "log.jsonl",
             "{\"event\":\"start\",\"step\":0,\"steps\":9}\n"
             "{\"event\":\"step\",\"step\":1,\"loss\":2.5,\"lr\":0.1,\"epoch\":1}\n"
             "{\"event\":\"step\",\"step\":2,\"loss\":null,\"lr\":0.1}\n"
             "{\"event\":\"step\",\"step\":-7,\"loss\":1e999,\"lr\":\"x\",\"metrics\":[1]}\n"
             "[]\n\xff\xfe\n{\"event\":7}\n"
             "{\"event\":\"note\",\"step\":2,\"text\":\"<script>alert(1)</script>\"}\n"
             "{\"event\":\"step\",\"step\":3,\"loss\":1.5,\"lr\":0.1,"
             "\"metrics\":{\"</script><b>\":1}}\n"
             "{\"event\":\"step\",\"st");
  write_text(folder / "run.json",
             "{\"braid-run\": 1, \"name\": [], \"parts\": [3, {\"cpu\": {}}]}");
  write_text(folder / "plan.json", "{}");
  const auto outcome = report(folder.path());
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "unfinished"));
  EXPECT_TRUE(has(outcome.out, "5 of its lines cannot be read")) << outcome.out;
  EXPECT_FALSE(has(outcome.out, "<script>alert"));
  EXPECT_FALSE(has(outcome.out, "</script><b>"));
  EXPECT_TRUE(has(outcome.out, "<h3>loss</h3>"));
}

TEST(Report, OfAnEmptyLogIsAPage) {
  Folder folder;
  write_text(folder / "log.jsonl", "");
  const auto outcome = report(folder.path());
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "No step was logged"));
}

TEST(Report, OfNoRunIsRefused) {
  Folder folder;
  for (auto& path : {folder.path(), folder / "absent"}) {
    const auto outcome = report(path);
    EXPECT_EQ(outcome.code, 4);
    EXPECT_TRUE(has(outcome.err, "E0710")) << outcome.err;
  }
}

}  // namespace
}  // namespace braid::test
