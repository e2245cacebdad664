// What batch norm promises about numbers: the values of the synchronized batch norm that Braid
// descends from, gradients, counts, running statistics.
#include "nodes/batch_norm_rig.h"

namespace braid::test {
namespace {

Doubles merge(const Doubles& left, const Doubles& right) {
  return Rig{}.run("merge_chan", {left, right});
}

// ---- golden values of the original, in f64

struct Golden {
  const char* mode;
  std::vector<double> y, dx, dweight;
};

Doubles f64(std::vector<int64_t> dims, std::vector<double> data) {
  return {std::move(dims), std::move(data)};
}

Doubles rows(const Doubles& a, int64_t from, int64_t to) {
  const int64_t width = a.size() / a.dims[0];
  Doubles part{a.dims, {a.data.begin() + from * width, a.data.begin() + to * width}, a.dtype};
  part.dims[0] = to - from;
  return part;
}

Doubles sum(Doubles a, const Doubles& b) {
  for (int64_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

void check_golden(const Golden& golden, bool on_cpu, double tolerance) {
  auto run = [&](const char* op, const std::vector<Doubles>& in, const Dict& attrs = {}) {
    return on_cpu ? Rig{}.run(op, in, attrs) : reference(op, in, attrs);
  };
  const Doubles x = f64({4, 2}, {1, -2, 2, 0.5, 4, 3, -1, 1});
  const Doubles g = f64({4, 2}, {.1, -.2, .3, .4, -.5, .6, .7, -.8});
  const Doubles weight = f64({2}, {1.5, 0.5}), bias = f64({2}, {0.25, -1});
  const Dict attrs = {{"eps", 0.5}, {"eps_mode", golden.mode}, {"affine", true}};
  // Replicas of 3 and 1 rows.
  const Doubles x0 = rows(x, 0, 3), x1 = rows(x, 3, 4), g0 = rows(g, 0, 3), g1 = rows(g, 3, 4);
  const Doubles m = merge(run("moments", {x0}), run("moments", {x1}));
  Doubles y = run("normalize", {x0, m, weight, bias}, attrs);
  const Doubles y1 = run("normalize", {x1, m, weight, bias}, attrs);
  y.data.insert(y.data.end(), y1.data.begin(), y1.data.end());
  expect_close(y, f64({4, 2}, golden.y), tolerance);

  const Doubles s = sum(run("bn_reduce", {g0, x0, m, weight, bias}, attrs),
                        run("bn_reduce", {g1, x1, m, weight, bias}, attrs));
  Doubles dx = run("bn_dx", {g0, x0, m, s, weight, bias}, attrs);
  const Doubles dx1 = run("bn_dx", {g1, x1, m, s, weight, bias}, attrs);
  dx.data.insert(dx.data.end(), dx1.data.begin(), dx1.data.end());
  expect_close(dx, f64({4, 2}, golden.dx), tolerance);
  expect_close(run("bn_row", {s}, {{"row", 1}}), f64({2}, golden.dweight), tolerance);
  const Doubles dbias = run("bn_row", {s}, {{"row", 0}});
  EXPECT_NEAR(dbias[0], 0.6, tolerance);
  EXPECT_NEAR(dbias[1], 0, tolerance);
}

const Golden kPlus = {
    "plus",
    {-0.13729833462074165, -1.6849444767061144, 0.6372983346207417, -1.0326164036526722,
     2.186491673103708, -0.38028833059922984, -1.6864916731037083, -0.9021507890419836},
    {-0.11360751148875087, 0.022428982256475796, 0.19106717841289922, 0.10792559778858654,
     -0.12909944487358055, 0.08904972163214651, 0.0516397779494322, -0.21940430167720887},
    {-1.4975535605335344, 0.834979933508406}};
const Golden kClamp = {
    "clamp",
    {-0.16602514716892186, -1.7369555266607763, 0.6660251471689218, -1.0350931203171798,
     2.3301257358446095, -0.3332307139735834, -1.8301257358446095, -0.8947206390484606},
    {-0.1344081244699593, 0.03678727095318161, 0.2176131539037437, 0.11672352137024541,
     -0.0768046425542625, 0.08436178677233376, -0.006400386879521824, -0.23787257909576082},
    {-1.6086305690531644, 0.8983838801198035}};

TEST(GoldenVectors, OfTheOriginalComeOutOfTheReference) {
  check_golden(kPlus, false, 1e-14);
  check_golden(kClamp, false, 1e-14);
}

TEST(GoldenVectors, OfTheOriginalComeOutOfTheKernels) {
  check_golden(kPlus, true, 2e-7);
  check_golden(kClamp, true, 2e-7);
}

TEST(GoldenVectors, ClampCutsThePathThroughTheVariance) {
  const Doubles x = f64({4, 1}, {1, 1.001, 0.999, 1}), g = f64({4, 1}, {1, 2, 3, 4});
  const Dict attrs = {{"eps", 1e-5}, {"eps_mode", "clamp"}, {"affine", false}};
  const Doubles m =
      merge(reference("moments", {rows(x, 0, 2)}), reference("moments", {rows(x, 2, 4)}));
  const Doubles s = sum(reference("bn_reduce", {rows(g, 0, 2), rows(x, 0, 2), m}, attrs),
                        reference("bn_reduce", {rows(g, 2, 4), rows(x, 2, 4), m}, attrs));
  const Doubles expected = f64(
      {4, 1}, {-474.34164902525686, -158.11388300841895, 158.11388300841895, 474.34164902525686});
  expect_close(reference("bn_dx", {g, x, m, s}, attrs), expected, 1e-14);
  expect_close(Rig{}.run("bn_dx", {g, x, m, s}, attrs), expected, 1e-7);
}

// ---- gradients of the reference by finite differences

struct Setting {
  const char* mode;
  double eps;
  bool relu, frozen, affine;
};

// The layer as a function of all that it depends on, summed up with weights g.
double objective(const Setting& t, const Dict& attrs, const Doubles& g,
                 const std::vector<Doubles>& v) {
  std::vector<Doubles> in = {v[0]};
  if (t.frozen)
    in.insert(in.end(), {v[3], v[4]});
  else
    in.push_back(reference("moments", {v[0]}));
  if (t.affine) in.insert(in.end(), {v[1], v[2]});
  const Doubles y = reference(t.frozen ? "normalize_eval" : "normalize", in, attrs);
  double sum = 0;
  for (int64_t i = 0; i < y.size(); ++i) sum += g[i] * y[i];
  return sum;
}

Doubles numeric(const Setting& t, const Dict& attrs, const Doubles& g, std::vector<Doubles> v,
                size_t of) {
  Doubles d = v[of];
  for (int64_t i = 0; i < d.size(); ++i) {
    const double at = v[of][i], h = 1e-5;
    v[of][i] = at + h;
    const double up = objective(t, attrs, g, v);
    v[of][i] = at - h;
    d[i] = (up - objective(t, attrs, g, v)) / (2 * h);
    v[of][i] = at;
  }
  return d;
}

TEST(BatchNormGradient, OfTheReferenceIsItsDerivative) {
  for (const Setting& t : std::vector<Setting>{{"plus", 0.1, false, false, true},
                                               {"plus", 0.1, true, false, true},
                                               {"plus", 1e-5, false, false, false},
                                               {"clamp", 0.1, true, false, true},
                                               {"clamp", 50, false, false, true},
                                               {"plus", 0.1, true, true, true},
                                               {"clamp", 50, false, true, false}}) {
    const Dict attrs = {
        {"eps", t.eps}, {"eps_mode", t.mode}, {"affine", t.affine}, {"relu", t.relu}};
    const Doubles g = random_array({4, 3, 2, 3}, 1);
    const std::vector<Doubles> v = {random_array({4, 3, 2, 3}, 2, 1, 2),
                                    random_array({3}, 3, 1, 0.3), random_array({3}, 4),
                                    random_array({3}, 5, 1), random_array({3}, 6, 3, 0.1)};
    std::vector<Doubles> in = {g, v[0]};
    if (t.frozen)
      in.insert(in.end(), {v[3], v[4]});
    else
      in.push_back(reference("moments", {v[0]}));
    auto with_affine = [&](std::vector<Doubles> first) {
      if (t.affine) first.insert(first.end(), {v[1], v[2]});
      return first;
    };
    const Doubles s = reference(t.frozen ? "bn_eval_reduce" : "bn_reduce", with_affine(in), attrs);
    if (!t.frozen) in.push_back(s);
    const Doubles dx = reference(t.frozen ? "bn_eval_dx" : "bn_dx", with_affine(in), attrs);
    const std::string what =
        std::string(t.mode) + (t.relu ? " relu" : "") + (t.frozen ? " frozen" : "");
    expect_close(dx, numeric(t, attrs, g, v, 0), 1e-7, what + " dx");
    if (!t.affine) continue;
    expect_close(test::row_of(s, 1), numeric(t, attrs, g, v, 1), 1e-7, what + " dweight");
    expect_close(test::row_of(s, 0), numeric(t, attrs, g, v, 2), 1e-7, what + " dbias");
  }
}

// ---- counts and running statistics

TEST(BatchNormCounts, ASingleValuePerChannelIsRefusedInTraining) {
  const Doubles x = random_array({1, 3}, 1), m = reference("moments", {x});
  for (bool on_cpu : {false, true}) try {
      on_cpu ? Rig{}.run("normalize", {x, m}) : reference("normalize", {x, m});
      FAIL() << "was accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.fault(), Fault::run);
      EXPECT_EQ(e.diagnostics()[0].code, "E0410");
      EXPECT_NE(e.diagnostics()[0].helps.find("larger batch"), std::string::npos);
    }
}

TEST(BatchNormCounts, ASingleValueOnOneReplicaIsFine) {
  const Doubles x = random_array({1, 3}, 1), other = random_array({1, 3}, 2);
  const Doubles m = merge(reference("moments", {x}), reference("moments", {other}));
  expect_close(Rig{}.run("normalize", {x, m}), reference("normalize", {x, m}), 1e-6);
}

struct Running {
  std::vector<float> mean{0, 0}, var{1, 1};
  int64_t batches = 0;

  void update(const Doubles& m, const Dict& attrs) {
    Signature s{"bn_running",
                attrs,
                {{DType::f64, {3, 2}}, {DType::f32, {2}}, {DType::f32, {2}}, {DType::i64, {}}},
                {}};
    std::vector<double> moments = m.data;
    std::vector<void*> in = {moments.data(), mean.data(), var.data(), &batches};
    test::builtin().offer(s, {}).value().bind()({.inputs = in.data()});
  }
};

TEST(RunningStatistics, TakeTheUnbiasedVarianceOfTheWholeBatch) {
  Running r;
  r.update(moments_array({4, 4, 1.5, 0.625, 13, 12.6875}), {{"momentum", 0.1}, {"unbiased", true}});
  EXPECT_FLOAT_EQ(r.mean[0], 0.15f);
  EXPECT_FLOAT_EQ(r.mean[1], 0.0625f);
  EXPECT_FLOAT_EQ(r.var[0], 1.3333333333333335f);
  EXPECT_FLOAT_EQ(r.var[1], 1.3229166666666667f);
  EXPECT_EQ(r.batches, 1);
}

TEST(RunningStatistics, MayBeBiased) {
  Running r;
  r.update(moments_array({4, 4, 1.5, 0.625, 13, 12.6875}),
           {{"momentum", 1.0}, {"unbiased", false}});
  EXPECT_FLOAT_EQ(r.var[0], 13.0f / 4);
}

TEST(RunningStatistics, WithoutMomentumAreThePlainMeanOfAllBatches) {
  Running r;
  for (double mean : {1.0, 2.0, 6.0})
    r.update(moments_array({4, 4, mean, -mean, 3, 6}), {{"momentum", Attr()}, {"unbiased", true}});
  EXPECT_FLOAT_EQ(r.mean[0], 3);
  EXPECT_FLOAT_EQ(r.mean[1], -3);
  EXPECT_FLOAT_EQ(r.var[0], 1);
  EXPECT_FLOAT_EQ(r.var[1], 2);
  EXPECT_EQ(r.batches, 3);
}

TEST(RunningStatistics, AreLeftAloneByABatchWithoutAVariance) {
  for (double count : {0.0, 1.0}) {
    Running r;
    r.update(moments_array({count, count, 5, 5, 0, 0}), {{"momentum", 0.1}, {"unbiased", true}});
    EXPECT_EQ(r.mean, (std::vector<float>{0, 0}));
    EXPECT_EQ(r.var, (std::vector<float>{1, 1}));
    EXPECT_EQ(r.batches, 0);
  }
}

TEST(RunningStatistics, AreState) {
  EXPECT_EQ(test::builtin().op("bn_running")->writes, (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace braid::test
