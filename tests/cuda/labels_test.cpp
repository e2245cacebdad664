// Losses and metrics over class indices.
#include "cuda/trial.h"

namespace braid::test {
namespace {

struct Size {
  int64_t classes;
  Shape image, labels;
};

std::vector<Size> sizes() {
  return {{1, {N, 1}, {N}},
          {10, {N, 10}, {N}},
          {1000, {N, 1000}, {N}},
          {600, {N, 600, 3}, {N, 3}},
          {21, {N, 21, 37, 41}, {N, 37, 41}},
          {2, {N, 2, 9, 9}, {N, 9, 9}}};
}

Attr ramp(int64_t classes) {
  Attr::List weights;
  for (int64_t c = 0; c < classes; ++c) weights.emplace_back(0.5 + double(c % 7));
  return weights;
}

void check_xent(const Size& s, const Dict& attrs) {
  const Type image{DType::f32, s.image}, labels{DType::i64, s.labels}, one{DType::f64, {1}};
  Trial{.op = "xent",
        .attrs = attrs,
        .in = {image, labels},
        .out = {image, one},
        .classes = s.classes}
      .check({1, 9, 4});
  Trial{.op = "xent_count",
        .attrs = attrs,
        .in = {labels},
        .out = {one},
        .classes = s.classes,
        .tolerance = 1e-14}
      .check({1, 900, 4});
  Trial{.op = "xent_grad",
        .attrs = attrs,
        .in = {image, labels, one},
        .out = {image},
        .classes = s.classes,
        .from = 0.1,
        .to = 1}
      .check({1, 9, 4});
}

TEST(CudaLabels, CrossEntropy) {
  for (auto& s : sizes()) {
    check_xent(s, {});
    check_xent(s, {{"label_smoothing", 0.1}, {"ignore_index", 0}, {"factor", 0.5}});
    check_xent(s, {{"weight", ramp(s.classes)}, {"label_smoothing", 0.3}});
    check_xent(s, {{"weight", ramp(s.classes)}, {"ignore_index", s.classes - 1}});
  }
}

TEST(CudaLabels, NothingThatCounts) {
  auto p = tensor(DType::f32, {2, 3}, {NAN, 1, 2, 3, 4, 5}), dx = tensor(DType::f32, {2, 3});
  auto labels = tensor(DType::i64, {2}, {1, 2}), none = tensor(DType::f64, {1}, {0});
  rig().run("xent_grad", {{.in = {p, labels, none}, .out = {dx}}});
  EXPECT_EQ(dx->numbers(), Numbers(6, 0.0));
}

TEST(CudaLabels, Metrics) {
  for (auto& s : sizes())
    for (int64_t k : {1, 3}) {
      const Type image{DType::f32, s.image}, labels{DType::i64, s.labels};
      const Dict attrs{{"k", k}, {"ignore_index", k}};
      Trial{.op = "correct",
            .attrs = attrs,
            .in = {image, labels},
            .out = {{DType::f64, {1}}},
            .classes = s.classes,
            .tolerance = 0}
          .check({1, 90, 4});
      Trial{.op = "overlap",
            .attrs = attrs,
            .in = {image, labels},
            .out = {{DType::f64, {3, s.classes}}},
            .classes = s.classes,
            .tolerance = 0}
          .check({1, 90, 4});
    }
}

// Tiles of more than the fewest targets, and more parts than one launch takes.
TEST(CudaLabels, ManyTargetsAndManyParts) {
  const Type labels{DType::i64, {N}}, one{DType::f64, {1}};
  Trial count{.op = "xent_count", .attrs = {{"ignore_index", 3}}, .in = {labels}, .out = {one}};
  count.check({1200007, 5});
  count.check(std::vector<int64_t>(150, 3));
  Trial overlap{.op = "overlap",
                .in = {{DType::f32, {N, 2}}, labels},
                .out = {{DType::f64, {3, 2}}},
                .classes = 2,
                .tolerance = 0};
  overlap.check({600011, 5});
  overlap.check(std::vector<int64_t>(70, 3));
  Trial{.op = "xent",
        .in = {{DType::f32, {N, 2}}, labels},
        .out = {{DType::f32, {N, 2}}, one},
        .classes = 2}
      .check({1100003, 300});
}

// Equal scores and NaNs, as the reference takes them.
TEST(CudaLabels, MetricsOfEqualScores) {
  for (const char* op : {"correct", "overlap"}) {
    const bool correct = op == std::string("correct");
    auto x = tensor(DType::f32, {5, 3}, {1, 1, 1, 2, 2, 1, NAN, 0, 1, 0, NAN, NAN, 1, 2, 2});
    auto labels = tensor(DType::i64, {5}, {0, 1, 1, 2, 2});
    CudaPart part{.in = {x, labels},
                  .out = {tensor(DType::f64,
                                 correct ? std::vector<int64_t>{1} : std::vector<int64_t>{3, 3})}};
    rig().run(op, {part});
    Trial trial{.op = op, .in = {}, .out = {}};
    EXPECT_EQ(part.out[0]->numbers(), trial.reference(part)[0]->numbers()) << op;
  }
}

TEST(CudaLabels, LabelsOutsideTheClassesAreTold) {
  for (int64_t classes : {3, 100})
    for (const char* op : {"xent", "correct", "overlap"})
      for (double bad : {-1.0, double(classes)}) {
        std::vector<CudaPart> parts;
        for (bool spoilt : {false, true, false}) {
          Numbers labels{1, 2, spoilt ? bad : 0, 1};
          CudaPart part{.in = {tensor(DType::f32, {4, classes}, Numbers(size_t(4 * classes), 1.0)),
                               tensor(DType::i64, {4}, labels)}};
          if (op == std::string("xent")) part.out.push_back(tensor(DType::f32, {4, classes}));
          part.out.push_back(tensor(DType::f64, op == std::string("overlap")
                                                    ? std::vector<int64_t>{3, classes}
                                                    : std::vector<int64_t>{1}));
          parts.push_back(part);
        }
        auto done = rig().run(op, parts, {{"ignore_index", -100}});
        EXPECT_EQ(done.status[0], 0) << op;
        EXPECT_NE(done.status[1], 0) << op;
        EXPECT_EQ(done.status[2], 0) << op;
      }
}

// After such a label the gradient is never used, but it must not look up its weight.
TEST(CudaLabels, GradientsOfLabelsOutsideTheClasses) {
  auto p = tensor(DType::f32, {2, 2}, {0.5, 0.5, 0.5, 0.5}), dx = tensor(DType::f32, {2, 2});
  auto labels = tensor(DType::i64, {2}, {int64_t{1} << 40, 1});
  auto count = tensor(DType::f64, {1}, {1});
  rig().run("xent_grad", {{.in = {p, labels, count}, .out = {dx}}},
            {{"weight", Attr::List{1.0, 2.0}}});
  EXPECT_EQ(dx->numbers(), (Numbers{0, 0, 1, -1}));
}

}  // namespace
}  // namespace braid::test
