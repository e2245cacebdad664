// Batch norm's kernels for CUDA against the f64 reference: shapes that take every way through
// memory, formats, dtypes, masks.
#include "cuda/batch_norm_rig.h"

namespace braid::test {
namespace {

struct Setting {
  std::vector<int64_t> dims;  ///< without the samples
  std::vector<int64_t> samples;
  DType dtype = DType::f32;
  Format format = {};

  Operand x(int64_t n) const {
    Operand o{dtype, {n}, format};
    o.dims.insert(o.dims.end(), dims.begin(), dims.end());
    return o;
  }
  int64_t points() const {
    int64_t all = 1;
    for (size_t i = 1; i < dims.size(); ++i) all *= dims[i];
    return all;
  }
  double tolerance() const { return dtype == DType::f32 ? 1e-5 : 1e-2; }
  std::string name() const {
    std::string all = "N";
    for (auto d : dims) all += "x" + std::to_string(d);
    return all + (dtype == DType::bf16 ? " bf16 " : " f32 ") + format;
  }
};

std::vector<Setting> settings() {
  std::vector<Setting> made;
  for (auto& [dims, samples] : std::vector<std::pair<std::vector<int64_t>, std::vector<int64_t>>>{
           {{5}, {7, 1, 300}},
           {{1}, {2, 1000}},
           {{64}, {3, 700}},
           {{130}, {260, 5}},
           {{1001}, {9, 2}},
           {{3, 7}, {5, 1}},
           {{1, 9}, {300, 2}},
           {{33, 4}, {2, 40}},
           {{20, 300}, {3, 1}},
           {{20, 7, 7}, {64, 1, 5}},
           {{3, 7, 5}, {90, 2}},
           {{2, 8, 8}, {150, 3}},
           {{9, 1, 1}, {17, 4}},
           {{2, 33, 65}, {5, 1}},
           {{3, 80, 81}, {2, 7}},
           {{1, 64, 64}, {3, 1}},
           {{20, 2, 3, 4}, {2, 30}},
       })
    for (DType dtype : {DType::f32, DType::bf16})
      for (const Format& format : {Format{}, channels_last(dims.size() + 1)})
        if (format.empty() ? true : dims.size() > 1) made.push_back({dims, samples, dtype, format});
  return made;
}

/// One layer's operands, for all its replicas.
struct Replicas {
  const Setting& setting;
  std::vector<Value> x, z, g, y, w;
  Value m, weight, bias, mean, variance;
  bool affine;

  Replicas(const Setting& t, bool affine, bool masked = false) : setting(t), affine(affine) {
    const int64_t channels = t.dims[0];
    for (size_t i = 0; i < t.samples.size(); ++i) {
      x.push_back(random_value(t.x(t.samples[i]), 10 + i, 0.5, 2));
      g.push_back(random_value(t.x(t.samples[i]), 20 + i));
      z.push_back(random_value(t.x(t.samples[i]), 40 + i));
      y.push_back(random_value(t.x(t.samples[i]), 50 + i));
      if (masked) mask(i);
      auto part = exact("moments", counted(i));
      part.operand = {DType::f64, {3, channels}};
      m = i == 0 ? part : exact("merge_chan", {m, part});
    }
    m.operand.dtype = DType::f64;
    weight = random_value({DType::f32, {channels}}, 31, 1, 0.3);
    bias = random_value({DType::f32, {channels}}, 32);
    mean = random_value({DType::f32, {channels}}, 33);
    variance = random_value({DType::f32, {channels}}, 34, 3, 0.1);
  }

  /// Weights 0, 1/4 ..., the last sample all padding but for one position, NaNs where there is
  /// none.
  void mask(size_t i) {
    Value v{{DType::f32, {setting.samples[i], setting.points()}}, {}};
    for (int64_t k = 0; k < v.operand.elements(); ++k)
      v.numbers.push_back(std::max(0.0, double(uniform_below(77 + i, uint64_t(k), 6)) / 4 - 0.25));
    v.numbers[0] = 2;
    for (size_t k = v.numbers.size() - size_t(setting.points()); k + 1 < v.numbers.size(); ++k)
      v.numbers[k] = 0;
    const size_t points = size_t(setting.points()), channels = size_t(setting.dims[0]);
    for (size_t k = 0; k < x[i].numbers.size(); ++k)
      if (v.numbers[k / points / channels * points + k % points] == 0)
        x[i].numbers[k] = NAN, g[i].numbers[k] = 0;
    w.push_back(v);
  }
  std::vector<Value> counted(size_t i) const {
    return w.empty() ? std::vector{x[i]} : std::vector{x[i], w[i]};
  }
  std::vector<Value> with_affine(std::vector<Value> in) const {
    if (affine) in.insert(in.end(), {weight, bias});
    return in;
  }
  std::vector<Value> with(std::vector<Value> in, const Value& last) const {
    in = with_affine(std::move(in));
    in.push_back(last);
    return in;
  }
  template <class F>
  std::vector<std::vector<Value>> parts(F f) const {
    std::vector<std::vector<Value>> all;
    for (size_t i = 0; i < x.size(); ++i) all.push_back(f(i));
    return all;
  }
};

void check(const Setting& t, const std::string& op, const std::vector<std::vector<Value>>& parts,
           const Dict& attrs, double tolerance) {
  const OnCuda made = on_cuda(op, parts, attrs);
  for (size_t i = 0; i < parts.size(); ++i) {
    const Value judge = exact(op, parts[i], attrs);
    const std::string what = op + " " + t.name() + " part " + std::to_string(i);
    EXPECT_EQ(made.status[i], 0) << what;
    if (judge.operand.dims[0] == parts[i][0].operand.dims[0] && judge.operand.dims.size() > 2)
      expect_close(made.out[i].numbers, judge.numbers, tolerance, what);
    else
      for (int64_t r = 0; r < judge.operand.dims[0]; ++r)
        expect_close(row(made.out[i], r), row(judge, r), tolerance, what);
  }
}

void check_training(const Setting& t, bool relu, bool affine, const std::string& rule, double eps,
                    bool masked) {
  const Replicas r(t, affine, masked);
  Dict attrs = {{"eps", eps}, {"eps_mode", rule}, {"relu", relu}};
  if (masked) set(attrs, "masked", true);
  check(t, "moments", r.parts([&](size_t i) { return r.counted(i); }), {}, 1e-5);
  if (!masked)
    check(t, "normalize", r.parts([&](size_t i) {
      return r.with_affine({r.x[i], r.m});
    }),
          attrs, t.tolerance());
  auto reduced = r.parts([&](size_t i) { return r.with_affine({r.g[i], r.x[i], r.m}); });
  check(t, "bn_reduce", reduced, attrs, 2e-5);
  Value s{{DType::f64, {2, t.dims[0]}}, Numbers(size_t(2 * t.dims[0]))};
  for (auto& in : reduced) {
    const Value part = exact("bn_reduce", in, attrs);
    for (size_t k = 0; k < s.numbers.size(); ++k) s.numbers[k] += part.numbers[k];
  }
  auto dx = r.parts([&](size_t i) {
    auto in = r.with_affine({r.g[i], r.x[i], r.m, s});
    if (masked) in.push_back(r.w[i]);
    return in;
  });
  check(t, "bn_dx", dx, attrs, t.tolerance());
}

TEST(CudaBatchNorm, AgreesWithTheReference) {
  for (auto& t : settings()) {
    check_training(t, false, true, "plus", 1e-5, false);
    check_training(t, true, false, "clamp", 1e-3, false);
  }
}

TEST(CudaBatchNorm, ClampsTheVariance) {
  for (auto& t : settings()) check_training(t, true, true, "clamp", 50, false);
}

TEST(CudaBatchNorm, LeavesOutWhatIsMasked) {
  for (auto& t : settings()) {
    check_training(t, false, true, "plus", 1e-2, true);
    check_training(t, true, false, "plus", 1e-2, true);
  }
}

TEST(CudaBatchNorm, TakesConstantStatistics) {
  for (auto& t : settings())
    for (bool relu : {false, true})
      for (bool affine : {false, true}) {
        const Replicas r(t, affine);
        const Dict attrs = {{"eps", 1e-3}, {"eps_mode", relu ? "clamp" : "plus"}, {"relu", relu}};
        auto y = r.parts([&](size_t i) { return r.with_affine({r.x[i], r.mean, r.variance}); });
        check(t, "normalize_eval", y, attrs, t.tolerance());
        auto back = r.parts([&](size_t i) {
          return r.with_affine({r.g[i], r.x[i], r.mean, r.variance});
        });
        check(t, "bn_eval_reduce", back, attrs, 2e-5);
        check(t, "bn_eval_dx", back, attrs, t.tolerance());
      }
}

// Elementwise, rounded to what memory of this dtype holds.
Numbers each(const Value& a, const Value& b, DType dtype, float (*f)(float, float)) {
  Value made{a.operand, {}};
  made.operand.dtype = dtype;
  for (size_t i = 0; i < a.numbers.size(); ++i)
    made.numbers.push_back(double(f(float(a.numbers[i]), float(b.numbers[i]))));
  return value_of(*stored(made)).numbers;
}

// Against the reference, and against the bits of the operations that a fused one stands for.
void check_add(const Setting& t, bool eval, bool relu, bool affine) {
  const Replicas r(t, affine);
  const Dict attrs = {{"eps", 1e-3}, {"eps_mode", relu ? "clamp" : "plus"}, {"relu", relu}};
  const std::vector<Value> statistics = eval ? std::vector{r.mean, r.variance} : std::vector{r.m};
  auto of = [&](std::vector<Value> first) {
    first.insert(first.end(), statistics.begin(), statistics.end());
    return first;
  };
  const std::string op = eval ? "normalize_eval" : "normalize";
  auto in = r.parts([&](size_t i) { return r.with(of({r.x[i]}), r.z[i]); });
  auto apart = r.parts([&](size_t i) { return r.with_affine(of({r.x[i]})); });
  Dict plain = attrs;
  set(plain, "relu", false);
  const OnCuda joined = on_cuda(op + "_add", in, attrs), first = on_cuda(op, apart, plain);
  float (*add)(float, float) = [](float a, float b) { return a + b; };
  float (*add_relu)(float, float) = [](float a, float b) { return a + b < 0 ? 0 : a + b; };
  EXPECT_EQ(joined.status, std::vector<int64_t>(in.size()));
  for (size_t i = 0; i < in.size(); ++i) {
    const std::string what = op + " " + t.name();
    expect_close(joined.out[i].numbers, exact(op + "_add", in[i], attrs).numbers, t.tolerance(),
                 what);
    EXPECT_EQ(joined.out[i].numbers, each(first.out[i], r.z[i], t.dtype, relu ? add_relu : add))
        << what;
  }
}

void check_relu_reduce(const Setting& t, bool eval, bool affine, bool masked) {
  const Replicas r(t, affine, masked);
  Dict attrs = {{"eps", 1e-3}, {"eps_mode", "plus"}};
  if (masked) set(attrs, "masked", true);
  const std::string op = eval ? "bn_eval_" : "bn_";
  auto of = [&](size_t i, const Value& g) {
    return eval ? std::vector{g, r.x[i], r.mean, r.variance} : std::vector{g, r.x[i], r.m};
  };
  auto in = r.parts([&](size_t i) { return r.with(of(i, r.g[i]), r.y[i]); });
  const OnCuda joined = on_cuda(op + "relu_reduce", in, attrs);
  std::vector<std::vector<Value>> apart;
  for (size_t i = 0; i < in.size(); ++i) {
    Value passed = r.g[i];
    passed.numbers = each(r.g[i], r.y[i], t.dtype, [](float g, float y) { return y > 0 ? g : 0; });
    EXPECT_EQ(joined.all[i][0].numbers, passed.numbers) << op << " " << t.name();
    apart.push_back(r.with_affine(of(i, passed)));
    const auto judge = all_exact(op + "relu_reduce", in[i], attrs);
    EXPECT_EQ(judge[0].numbers, passed.numbers);
    for (int64_t k : {0, 1})
      expect_close(row(joined.all[i][1], k), row(judge[1], k), 2e-5, op + " " + t.name());
  }
  const OnCuda sums = on_cuda(op + "reduce", apart, attrs);
  for (size_t i = 0; i < in.size(); ++i)
    EXPECT_EQ(joined.all[i][1].numbers, sums.out[i].numbers) << op << " " << t.name();
}

TEST(CudaBatchNorm, AddsAfterTheNormalization) {
  for (auto& t : settings())
    for (bool eval : {false, true}) {
      check_add(t, eval, false, true);
      check_add(t, eval, true, false);
      check_add(t, eval, true, true);
    }
}

TEST(CudaBatchNorm, WritesWhatPassesReluAndReducesIt) {
  for (auto& t : settings())
    for (bool affine : {false, true}) {
      check_relu_reduce(t, false, affine, false);
      check_relu_reduce(t, true, affine, false);
      check_relu_reduce(t, false, affine, true);
    }
}

// Several tiles of several strips, more than eight of them, and parts in one launch whose tiles are
// few and many.
TEST(CudaBatchNorm, JoinsManyTiles) {
  for (auto& t : std::vector<Setting>{{{130}, {9000, 300, 40}},
                                      {{1}, {400001, 3}},
                                      {{3}, {100000, 7}},
                                      {{20, 7, 7}, {700, 12}},
                                      {{2, 33, 65}, {60, 4}},
                                      {{2, 64, 64}, {40, 2}},
                                      {{12, 64, 64}, {5, 2}, DType::bf16, "acdb"}}) {
    check_training(t, false, true, "plus", 1e-5, false);
    check_training(t, false, true, "plus", 1e-5, true);
    check_relu_reduce(t, false, true, false);
  }
}

}  // namespace
}  // namespace braid::test
