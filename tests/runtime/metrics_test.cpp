// Metrics of many totals: counts add up over replicas and the batches of an evaluation, and only
// then become the number that users see.
#include <gtest/gtest.h>

#include <braid/runtime/session.h>

namespace braid::test {
namespace {

/// A network without layers: scores are its input.
Model scored(int64_t replicas, int64_t batch, std::vector<std::pair<std::string, Dict>> metrics) {
  Model model;
  model.name = "scored";
  model.replicas = replicas;
  model.batch.global = batch;
  model.inputs = {{"scores", {DType::f32, {N, 3, 2}}}, {"label", {DType::i64, {N, 2}}}};
  for (auto& [type, params] : metrics)
    model.metrics.push_back(
        {.name = type, .type = type, .params = params, .from = {Link::input(0), Link::input(1)}});
  return model;
}

/// Scores of 1 for the class that is to be predicted, one for each of two points a sample.
std::map<std::string, Array> points(const std::vector<int64_t>& predicted,
                                    const std::vector<int64_t>& labels) {
  const auto n = int64_t(labels.size()) / 2;
  std::vector<float> scores(size_t(n * 6));
  for (size_t i = 0; i < predicted.size(); ++i)
    scores[i / 2 * 6 + size_t(predicted[i]) * 2 + i % 2] = 1;
  return {{"scores", Array::of({n, 3, 2}, scores)}, {"label", Array::of({n, 2}, labels)}};
}

const std::map<std::string, Array> five =
    points({0, 0, 0, 1, 1, 1, 0, 2, 2, 1}, {0, 0, 1, 1, 1, 0, 0, 2, 0, -1});

double measured(int64_t replicas, int64_t batch, const std::string& type) {
  Session session(scored(replicas, batch, {{type, {{"ignore_index", -1}}}}));
  auto source = DataSource::of(five, session.model().inputs);
  return session.evaluate(source).metrics.at(type);
}

TEST(MeanIoU, IsTakenOverAllSamplesWhateverTheBatchesAndReplicas) {
  // Class 0: 3 right, 4 predicted, 5 wanted; class 1: 2 of 3 and 3; class 2: 1 of 2 and 1.
  const double want = (3.0 / 6 + 2.0 / 4 + 1.0 / 2) / 3;
  for (int64_t replicas : {1, 2, 3})
    for (int64_t batch : {1, 2, 5}) EXPECT_EQ(measured(replicas, batch, "MeanIoU"), want) << batch;
}

TEST(MeanIoU, LeavesOutClassesThatDoNotOccur) {
  Session session(scored(1, 2, {{"MeanIoU", {}}}));
  auto source = DataSource::of(points({0, 0, 0, 1}, {0, 0, 1, 1}), session.model().inputs);
  EXPECT_EQ(session.evaluate(source).metrics.at("MeanIoU"), (2.0 / 3 + 1.0 / 2) / 2);
  auto nothing = DataSource::of(points({0, 1}, {-100, -100}), session.model().inputs);
  EXPECT_EQ(session.evaluate(nothing).metrics.at("MeanIoU"), 0);
}

TEST(Accuracy, OfPointsCountsThoseThatAreNotIgnored) {
  EXPECT_EQ(measured(2, 2, "Accuracy"), 6.0 / 9);
}

TEST(MeanIoU, RefusesANumberOfClassesThatTheInputDoesNotHave) {
  try {
    Session(scored(1, 2, {{"MeanIoU", {{"num_classes", 4}}}})).plan(Mode::eval, 2, {"MeanIoU"});
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics()[0].code, "E0261");
    EXPECT_NE(
        e.diagnostics()[0].message.find("num_classes is 4, the input has 3 classes: f32 [N, 3, 2]"),
        std::string::npos)
        << e.diagnostics()[0].message;
  }
}

TEST(MeanIoU, NamesALabelOutsideTheClassesAndItsSample) {
  Session session(scored(2, 2, {{"MeanIoU", {}}}));
  auto source = DataSource::of(points({0, 0, 0, 0}, {0, 0, 1, 7}), session.model().inputs);
  try {
    session.evaluate(source);
    FAIL() << "label 7 of 3 classes was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics()[0].code, "E0420");
    EXPECT_NE(e.diagnostics()[0].message.find("label 7 outside the classes 0..2 (sample 1"),
              std::string::npos)
        << e.diagnostics()[0].message;
  }
}

}  // namespace
}  // namespace braid::test
