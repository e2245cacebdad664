// Batch norm on CUDA where numbers are hard, and its arithmetic on a few numbers per channel.
#include "batch_norm/merge.h"
#include "batch_norm/running.h"
#include "cuda/batch_norm_rig.h"

namespace braid::test {
namespace {

Operand f32(std::vector<int64_t> dims, const Format& format = {}) {
  return {DType::f32, std::move(dims), format};
}

struct Exact {
  long double mean = 0, m2 = 0;
};
Exact exact_moments(const Value& x, int64_t c) {
  const auto& dims = x.operand.dims;
  const int64_t points = int64_t(x.numbers.size()) / dims[0] / dims[1];
  Exact e;
  auto each = [&](auto f) {
    for (int64_t n = 0; n < dims[0]; ++n)
      for (int64_t p = 0; p < points; ++p)
        f((long double)(x.numbers[size_t((n * dims[1] + c) * points + p)]));
  };
  each([&](long double v) { e.mean += v; });
  e.mean /= (long double)(dims[0] * points);
  each([&](long double v) { e.m2 += (v - e.mean) * (v - e.mean); });
  return e;
}

void expect_exact(const Value& x, const std::string& what, double digits = 1e-6) {
  const Value m = on_cuda("moments", {x});
  const int64_t channels = x.operand.dims[1];
  for (int64_t c = 0; c < channels; ++c) {
    const Exact e = exact_moments(x, c);
    const double count = row(m, 0)[size_t(c)], mean = row(m, 1)[size_t(c)],
                 m2 = row(m, 2)[size_t(c)], std = std::sqrt(double(e.m2) / count);
    EXPECT_EQ(count, double(int64_t(x.numbers.size()) / channels)) << what;
    EXPECT_LE(std::abs(double(mean - e.mean)), digits * std + 1e-15 * std::abs(double(e.mean)))
        << what;
    EXPECT_LE(std::abs(double(m2 / e.m2 - 1)), digits) << what << " '" << x.operand.format << "'";
  }
}

std::vector<Operand> operands() {
  return {f32({4096, 3}),     f32({64, 3, 32, 32}),     f32({64, 3, 32, 32}, "acdb"),
          f32({50, 8, 7, 7}), f32({5, 3, 7, 5}),        f32({9, 2, 65, 33}),
          f32({3000, 36}),    f32({5, 3, 7, 5}, "acdb")};
}

TEST(CudaMoments, HoldSixDigitsHoweverFarTheMean) {
  for (auto& o : operands()) {
    expect_exact(random_value(o, 1, 0, 1), "mean 0");
    expect_exact(random_value(o, 2, 1e4, 1), "mean 1e4");
    expect_exact(random_value(o, 3, 1e6, 1), "mean 1e6");
    expect_exact(random_value(o, 4, 1e4, 0.01), "mean 1e4, std 0.01");
    expect_exact(random_value(o, 5, -123.7, 1e-3), "mean -123.7, std 1e-3");
  }
}

TEST(CudaMoments, DoNotLeanOnTheFirstValue) {
  for (auto& o : operands())
    for (double first : {0.0, -1e6, 1e9}) {
      Value x = random_value(o, 6, 1e4, 1);
      const size_t points = x.numbers.size() / size_t(o.dims[0] * o.dims[1]);
      for (int64_t c = 0; c < o.dims[1]; ++c) x.numbers[size_t(c) * points] = first;
      expect_exact(x, "outlier in front", 5e-6);
    }
}

TEST(CudaMoments, FollowAMeanThatDrifts) {
  for (auto& o : operands()) {
    Value x = random_value(o, 7, 0, 1);
    const size_t n = x.numbers.size();
    for (size_t i = 0; i < n; ++i) x.numbers[i] = float(x.numbers[i] + 1e3 * double(i) / double(n));
    expect_exact(x, "drift");
    for (size_t i = 0; i < n; ++i) x.numbers[i] = float(x.numbers[i] + (i < n / 2 ? 0 : 1e6));
    expect_exact(x, "jump", 5e-6);
  }
}

TEST(CudaMoments, OfEqualValuesHaveNoSpread) {
  for (auto& o : operands())
    for (double value : {0.0, 0.1, -123.456, 1e7, 1e30}) {
      Value x{o, Numbers(size_t(o.elements()), double(float(value)))};
      const Value m = on_cuda("moments", {x});
      for (double mean : row(m, 1)) EXPECT_EQ(mean, double(float(value)));
      for (double m2 : row(m, 2)) EXPECT_EQ(m2, 0) << value;
    }
}

TEST(CudaMoments, SurviveSquaresThatOverflowAFloat) {
  for (auto& o : operands()) {
    const Value x = random_value(o, 9, 1e30, 1e29), g = random_value(o, 10);
    expect_exact(x, "1e30");
    const Value m = exact("moments", {x});
    const Dict attrs = {{"eps", 1e-5}};
    Value typed = m;
    typed.operand = {DType::f64, {3, o.dims[1]}};
    expect_close(on_cuda("normalize", {x, typed}, attrs).numbers,
                 exact("normalize", {x, m}, attrs).numbers, 1e-5, "y");
    Value s = exact("bn_reduce", {g, x, m}, attrs);
    expect_close(on_cuda("bn_reduce", {g, x, typed}, attrs).numbers, s.numbers, 1e-5, "sums");
    s.operand = {DType::f64, {2, o.dims[1]}};
    expect_close(on_cuda("bn_dx", {g, x, typed, s}, attrs).numbers,
                 exact("bn_dx", {g, x, m, s}, attrs).numbers, 1e-5, "dx");
  }
}

// A few values at a time are summed in floats, if these hold them.
TEST(CudaMoments, OfBf16AreExactWhateverTheirSize) {
  auto bf16 = [](std::vector<int64_t> dims, Format format = "") {
    return Operand{DType::bf16, std::move(dims), std::move(format)};
  };
  for (auto& o : {bf16({64, 3, 32, 32}), bf16({64, 3, 14, 14}), bf16({50, 3, 7, 7}),
                  bf16({64, 16, 9, 9}, "acdb"), bf16({64, 12, 9, 9}, "acdb"), bf16({3000, 3})})
    for (auto [mean, std] : std::vector<std::pair<double, double>>{
             {0, 1}, {-100, 1}, {1e30, 1e29}, {0, 1e25}, {0, 1e-14}, {1e-20, 1e-21}, {3, 0.1}}) {
      const std::string what = std::to_string(mean) + ", " + std::to_string(std);
      expect_exact(random_value(o, 12, mean, std), what, 1e-5);
      Value outlier = random_value(o, 13, mean, std);
      const size_t points = outlier.numbers.size() / size_t(o.dims[0] * o.dims[1]);
      for (int64_t c = 0; c < o.dims[1]; ++c) outlier.numbers[size_t(c) * points] = mean + 64 * std;
      expect_exact(value_of(*stored(outlier)), "outlier in front, " + what, 1e-4);
    }
}

TEST(CudaMoments, OfASmallSpreadFarFromZeroNormalize) {
  for (auto& o : operands())
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const Value x = random_value(o, 1000 + seed, 123.7, 1e-3), m = on_cuda("moments", {x});
      for (double m2 : row(m, 2)) EXPECT_GE(m2, 0);
      const Dict attrs = {{"eps", 1e-5}};
      expect_close(on_cuda("normalize", {x, m}, attrs).numbers,
                   exact("normalize", {x, exact("moments", {x})}, attrs).numbers, 1e-5, "y");
    }
}

TEST(CudaMoments, KeepANaNToItsChannel) {
  for (auto& o : operands())
    for (double bad : {double(NAN), double(INFINITY)}) {
      const Value clean = random_value(o, 11);
      Value x = clean;
      const size_t points = x.numbers.size() / size_t(o.dims[0] * o.dims[1]);
      x.numbers[size_t((o.dims[0] - 1) * o.dims[1]) * points + points] = bad;
      const Numbers m2 = row(on_cuda("moments", {x}), 2),
                    good = row(on_cuda("moments", {clean}), 2);
      for (size_t c = 0; c < m2.size(); ++c)
        if (c == 1)
          EXPECT_TRUE(std::isnan(m2[c]));
        else
          EXPECT_EQ(m2[c], good[c]);
      const Value y = on_cuda("normalize", {x, on_cuda("moments", {x})}, {{"relu", true}});
      EXPECT_TRUE(std::isnan(y.numbers[points]));
      EXPECT_FALSE(std::isnan(y.numbers[0]));
    }
}

TEST(CudaBatchNorm, RefusesStatisticsOfASingleValue) {
  const Value x = random_value(f32({3, 2, 5, 5}), 1);
  auto moments = [](double count) {
    return Value{{DType::f64, {3, 2}}, {count, count, 0.5, 1, 4, 4}};
  };
  std::vector<std::vector<Value>> parts;
  for (double count : {1.0, 75.0, 0.0, 0.75, 1.25}) parts.push_back({x, moments(count)});
  EXPECT_EQ(on_cuda("normalize", parts).status, (std::vector<int64_t>{1, 0, 1, 1, 0}));
}

TEST(CudaBatchNorm, OfAMaskThatLeavesNothingIsNothing) {
  for (auto& o : operands()) {
    const int64_t points = o.elements() / o.dims[0] / o.dims[1];
    const Value w{f32({o.dims[0], points}), Numbers(size_t(o.dims[0] * points))};
    const Value m = on_cuda("moments", {Value{o, Numbers(size_t(o.elements()), NAN)}, w});
    for (double v : m.numbers) EXPECT_EQ(v, 0);
  }
}

TEST(CudaBatchNorm, JudgesMasks) {
  for (int64_t n : {1, 3, 40, 5000}) {
    Numbers f{}, u{};
    for (int64_t i = 0; i < n; ++i) f.push_back(double(i % 5) / 4), u.push_back(double(i % 5));
    const Value floats{f32({n, 1}), f}, bytes{{DType::u8, {n, 1}}, u},
        truths{{DType::boolean, {n, 1}}, u};
    EXPECT_EQ(on_cuda("bn_weights", {floats}).numbers, f);
    EXPECT_EQ(on_cuda("bn_weights", {bytes}).numbers, u);
    for (auto& v : u) v = v != 0;
    EXPECT_EQ(on_cuda("bn_weights", {truths}).numbers, u);
    for (double bad : {-0.5, double(NAN), double(INFINITY)}) {
      Value wrong = floats;
      wrong.numbers[size_t(n - 1)] = bad;
      EXPECT_EQ(on_cuda("bn_weights", std::vector<std::vector<Value>>{{floats}, {wrong}}).status,
                (std::vector<int64_t>{0, 1}));
    }
  }
}

TensorPtr moments_tensor(uint64_t key, int64_t channels) {
  Value m =
      exact("moments", {random_value(f32({3 + int64_t(key), channels}), key, double(key), 2)});
  m.operand = {DType::f64, {3, channels}};
  return stored(m);
}

TensorPtr merged_on_cpu(const TensorPtr& left, const TensorPtr& right) {
  auto out = std::make_shared<Tensor>(left->operand);
  OpCall("merge_chan", {left->operand, right->operand}, {out->operand})
      .run({left->data(), right->data()}, {out->data()});
  return out;
}

TEST(CudaMergeChan, GoesThroughATreeAsTheCpuDoes) {
  for (int64_t channels : {1, 5, 300}) {
    std::vector<TensorPtr> leaves;
    for (uint64_t k = 0; k < 4; ++k) leaves.push_back(moments_tensor(k, channels));
    auto left = tensor(DType::f64, {3, channels}), all = tensor(DType::f64, {3, channels});
    auto right = merged_on_cpu(leaves[2], leaves[3]);
    auto expected = merged_on_cpu(merged_on_cpu(leaves[0], leaves[1]), right);
    auto done = rig().run("merge_chan", {{.in = {leaves[0], leaves[1]}, .out = {left}},
                                         {.in = {leaves[2], leaves[3]}, .out = {leaves[2]}},
                                         {.in = {left, leaves[2]}, .out = {all}}});
    EXPECT_TRUE(done.ganged);
    EXPECT_TRUE(same_bytes(*all, *expected));
    auto none = tensor(DType::f64, {3, channels}, Numbers(size_t(3 * channels), 0.0));
    auto same = tensor(DType::f64, {3, channels});
    rig().run("merge_chan", {{.in = {none, right}, .out = {same}}});
    EXPECT_TRUE(same_bytes(*same, *right));
  }
}

// Two layers' merges in one step, as bundles have them.
TEST(CudaMergeChan, TwoLayersAtOnceHaveTheBitsOfEachAlone) {
  std::vector<TensorPtr> a, b;
  for (uint64_t k = 0; k < 3; ++k)
    a.push_back(moments_tensor(k, 4)), b.push_back(moments_tensor(k + 5, 70));
  auto out = [](int64_t channels) { return tensor(DType::f64, {3, channels}); };
  auto a1 = out(4), b1 = out(70), a2 = out(4), b2 = out(70);
  auto done = rig().run("merge_chan", {{.in = {a[0], b[0], a[1], b[1]}, .out = {a1, b1}},
                                       {.in = {a1, b1, a[2], b[2]}, .out = {a2, b2}}});
  EXPECT_TRUE(done.ganged);
  EXPECT_TRUE(same_bytes(*a2, *merged_on_cpu(merged_on_cpu(a[0], a[1]), a[2])));
  EXPECT_TRUE(same_bytes(*b2, *merged_on_cpu(merged_on_cpu(b[0], b[1]), b[2])));
}

TEST(CudaBatchNorm, TakesRowsOfSums) {
  const Value s{{DType::f64, {2, 3}}, {1, 2, 3, 4.5, 5, 1e-3}};
  EXPECT_EQ(on_cuda("bn_row", {s}, {{"row", 0}}).numbers, (Numbers{1, 2, 3}));
  EXPECT_EQ(on_cuda("bn_row", {s}, {{"row", 1}}).numbers, (Numbers{4.5, 5, double(1e-3f)}));
}

struct Running {
  TensorPtr moments, mean, variance, batches;
  explicit Running(double count, int64_t channels = 300)
      : moments(tensor(DType::f64, {3, channels})),
        mean(tensor(DType::f32, {channels}, Numbers(size_t(channels), 0.25))),
        variance(tensor(DType::f32, {channels}, Numbers(size_t(channels), 2))),
        batches(tensor(DType::i64, {}, {6})) {
    Numbers m(size_t(channels), count);
    for (int64_t c = 0; c < 2 * channels; ++c) m.push_back(1 + double(c) / 7);
    moments->assign(m);
  }
  CudaPart part() const { return {.in = {moments, mean, variance, batches}}; }
};

TEST(CudaBatchNorm, UpdatesRunningStatisticsAsTheCpuDoes) {
  for (const Dict& attrs : {Dict{{"momentum", 0.3}}, Dict{{"momentum", Attr()}},
                            Dict{{"momentum", 0.1}, {"unbiased", false}}})
    for (double count : {0.0, 1.0, 1.5, 32.0}) {
      const Running cuda(count), again(count), cpu(count), stopped(count);
      rig().run("bn_running", {cuda.part(), again.part()}, attrs);
      rig().run("bn_running", {stopped.part()}, attrs, true, true);
      auto part = cpu.part();
      OpCall call("bn_running", {}, {}, attrs);
      std::vector<void*> in;
      for (auto& t : part.in) call.signature.in.push_back(t->operand), in.push_back(t->data());
      call.run(in, {});
      const Running before(count);
      for (size_t i = 1; i < 4; ++i) {
        EXPECT_TRUE(same_bytes(*cuda.part().in[i], *part.in[i])) << count;
        EXPECT_TRUE(same_bytes(*again.part().in[i], *part.in[i])) << count;
        EXPECT_TRUE(same_bytes(*stopped.part().in[i], *before.part().in[i])) << count;
      }
    }
}

}  // namespace
}  // namespace braid::test
