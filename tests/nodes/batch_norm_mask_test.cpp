// Masks: padding must not reach the statistics, whatever it holds. The statistics of a padded batch
// are those of its values alone; a weight says how often a value counts.
#include "conformance/layer_graph.h"
#include "nodes/batch_norm_rig.h"

namespace braid::test {
namespace {

const Dict kMasked = {{"eps", 0.1}, {"affine", true}, {"relu", false}, {"masked", true}};

Doubles ones(const Doubles& x) {
  const int64_t points = x.size() / x.dims[0] / x.dims[1];
  return {{x.dims[0], points}, std::vector<double>(size_t(x.dims[0] * points), 1)};
}

// Weights 0, 1/4, 1/2 ..., a third of them 0, and the last sample all padding.
Doubles some_weights(const Doubles& x) {
  Doubles w = ones(x);
  for (int64_t i = 0; i < w.size(); ++i)
    w[i] = std::max(0.0, double(uniform_below(77, uint64_t(i), 6)) / 4 - 0.25);
  for (int64_t i = w.size() - w.size() / w.dims[0]; i < w.size(); ++i) w[i] = 0;
  return w;
}

// What has no weight becomes `value`, in every channel.
Doubles with_padding(Doubles x, const Doubles& w, double value) {
  const int64_t points = w.dims[1], channels = x.dims[1];
  for (int64_t i = 0; i < x.size(); ++i)
    if (w[i / points / channels * points + i % points] == 0) x[i] = value;
  return x;
}

// Only the values that count, as rows (N, C): each as often as its weight says.
Doubles unpadded(const Doubles& x, const Doubles& w) {
  const int64_t points = w.dims[1], channels = x.dims[1];
  Doubles rows{{0, channels}, {}};
  for (int64_t i = 0; i < w.size(); ++i)
    for (int k = 0; k < w[i]; ++k) {
      for (int64_t c = 0; c < channels; ++c)
        rows.data.push_back(x[(i / points * channels + c) * points + i % points]);
      ++rows.dims[0];
    }
  return rows;
}

std::vector<std::string> machine_isas() {
  std::vector<std::string> found;
  for (const char* isa : {"sse4", "avx2", "avx512"}) try {
      Signature s{"moments", {}, {{DType::f32, {2, 3}}}, {{DType::f64, {3, 3}}}};
      test::builtin().offer(s, {.kind = "cpu", .isa = isa}).value().bind();
      found.push_back(isa);
    } catch (const Error& e) {
      EXPECT_EQ(e.fault(), Fault::device);
    }
  return found;
}

std::vector<Format> formats_of(size_t rank) {
  if (rank == 3) return {"", "aBc16b"};
  if (rank == 4) return {"", "aBcd16b", "aBcd8b"};
  if (rank == 5) return {"", "aBcde16b"};
  return {""};
}

const std::vector<std::vector<int64_t>> kShapes = {
    {7, 5},        {600, 20},       {3, 16},        {5, 3, 7},     {2, 33, 4},      {3, 20, 300},
    {5, 20, 7, 5}, {2, 17, 14, 14}, {2, 3, 80, 81}, {9, 17, 1, 1}, {2, 20, 3, 4, 5}};

void expect_moments(const Doubles& m, const Doubles& expected, double tolerance,
                    const std::string& what) {
  for (int row : {0, 1, 2})
    expect_close(row_of(m, row), row_of(expected, row), tolerance,
                 what + " row " + std::to_string(row));
}

TEST(MaskKernels, AgreeWithTheReferenceInEveryFormatAndShape) {
  for (auto& dims : kShapes)
    for (bool relu : {false, true}) {
      const int64_t c = dims[1];
      Doubles x = random_array(dims, 1, 3, 2);
      const Doubles g = random_array(dims, 2), w = some_weights(x);
      x = with_padding(x, w, 1e20);
      const Doubles weight = random_array({c}, 3, 1, 0.5), bias = random_array({c}, 4);
      Dict attrs = kMasked;
      set(attrs, "relu", relu);
      const Doubles m = reference("moments", {x, w});
      const Doubles clean = with_padding(x, w, -1.5);
      const Doubles s = reference("bn_reduce", {g, clean, m, weight, bias}, attrs);
      const Doubles dx = reference("bn_dx", {g, clean, m, s, weight, bias, w}, attrs);
      for (auto& isa : machine_isas())
        for (auto& format : formats_of(dims.size())) {
          Rig rig{.format = format, .isa = isa};
          std::string what = isa + " '" + format + "'";
          for (auto d : dims) what += " " + std::to_string(d);
          expect_moments(rig.run("moments", {x, w}), m, 5e-7, what);
          expect_close(rig.run("bn_reduce", {g, clean, m, weight, bias}, attrs), s, 3e-6,
                       what + " sums");
          expect_close(rig.run("bn_dx", {g, clean, m, s, weight, bias, w}, attrs), dx, 3e-6,
                       what + " dx");
        }
    }
}

TEST(MaskKernels, GiveTheSameBitsAtEveryAddress) {
  for (auto& dims : kShapes)
    for (auto& format : formats_of(dims.size())) {
      const Doubles x = random_array(dims, 1, 3, 2), g = random_array(dims, 2), w = some_weights(x);
      const Doubles m = reference("moments", {x, w}),
                    s = reference("bn_reduce", {g, x, m}, kMasked);
      const std::vector<std::pair<std::string, std::vector<Doubles>>> operations = {
          {"moments", {x, w}}, {"bn_dx", {g, x, m, s, w}}};
      for (auto& [op, in] : operations) {
        const Doubles once = Rig{.format = format}.run(op, in, kMasked);
        EXPECT_EQ((Rig{.format = format, .misalign = 6}.run(op, in, kMasked).data), once.data);
      }
    }
}

TEST(Mask, PaddingMayHoldAnything) {
  for (auto& dims : kShapes) {
    const Doubles x = random_array(dims, 1, 3, 2), w = some_weights(x);
    const Doubles zeros = with_padding(random_array(dims, 2), w, 0);  // no gradient reaches padding
    const Doubles expected = with_padding(x, w, 0);
    const Doubles m = Rig{}.run("moments", {expected, w});
    for (double garbage : {double(NAN), double(INFINITY), 3e38})
      for (auto& format : formats_of(dims.size())) {
        Rig rig{.format = format};
        const Doubles bad = with_padding(x, w, garbage);
        EXPECT_EQ(Rig{}.run("moments", {bad, w}).data, m.data);
        const Doubles s = rig.run("bn_reduce", {zeros, bad, m}, kMasked);
        EXPECT_EQ(s.data, rig.run("bn_reduce", {zeros, expected, m}, kMasked).data);
        const Doubles dx = rig.run("bn_dx", {zeros, bad, m, s, w}, kMasked);
        EXPECT_EQ(dx.data, rig.run("bn_dx", {zeros, expected, m, s, w}, kMasked).data);
        for (double v : dx.data) ASSERT_TRUE(std::isfinite(v));
        EXPECT_EQ(reference("moments", {bad, w}).data, reference("moments", {expected, w}).data);
        const Doubles judged = reference("bn_dx", {zeros, bad, m, s, w}, kMasked);
        for (double v : judged.data) ASSERT_TRUE(std::isfinite(v));
      }
  }
}

TEST(Mask, FrozenStatisticsLookAtNoPaddingEither) {
  for (auto& dims : kShapes) {
    const int64_t c = dims[1];
    const Doubles x = random_array(dims, 1, 3, 2), w = some_weights(x);
    const Doubles g = with_padding(random_array(dims, 2), w, 0), bad = with_padding(x, w, NAN);
    const Doubles mean = random_array({c}, 5, 3, 0.1), var = random_array({c}, 6, 4, 0.1);
    for (bool on_cpu : {false, true})
      for (const char* op : {"bn_eval_reduce", "bn_eval_dx"}) {
        const std::vector<Doubles> in = {g, bad, mean, var};
        const Doubles made = on_cpu ? Rig{}.run(op, in, kMasked) : reference(op, in, kMasked);
        for (double v : made.data) ASSERT_TRUE(std::isfinite(v)) << op;
      }
  }
}

TEST(Mask, APaddedBatchHasTheStatisticsOfItsValues) {
  for (auto& dims : kShapes) {
    const Doubles x = random_array(dims, 1, 100, 2);
    Doubles w = ones(x);  // sequences of several lengths; the second sample has none
    for (int64_t i = 0; i < w.size(); ++i) {
      const int64_t n = i / w.dims[1], p = i % w.dims[1];
      w[i] = n != 1 && (w.dims[1] == 1 || p < w.dims[1] - n * w.dims[1] / (dims[0] + 1));
    }
    const Doubles bad = with_padding(x, w, NAN), values = unpadded(x, w);
    const Doubles exact = reference("moments", {values});
    expect_moments(reference("moments", {bad, w}), exact, 1e-12, "f64");
    for (auto& format : formats_of(dims.size()))
      expect_moments(Rig{.format = format}.run("moments", {bad, w}), exact, 1e-6, format);
  }
}

TEST(Mask, GradientsAreThoseOfTheValuesAlone) {
  const Doubles x = random_array({4, 3, 6}, 1, 2, 2);
  Doubles g = random_array({4, 3, 6}, 2), w = ones(x);
  for (int64_t i : {3, 4, 5, 9, 10, 11, 12, 23}) w[i] = 0;
  g = with_padding(g, w, 0);
  const Doubles values = unpadded(x, w), up = unpadded(g, w), m = reference("moments", {values});
  const Doubles s = reference("bn_reduce", {up, values, m}, {{"eps", 0.1}});
  const Doubles dx = reference("bn_dx", {up, values, m, s}, {{"eps", 0.1}});
  const Doubles masked_s = reference("bn_reduce", {g, x, m}, kMasked);
  expect_close(masked_s, s, 1e-12);
  expect_close(unpadded(reference("bn_dx", {g, x, m, s, w}, kMasked), w), dx, 1e-12);
  expect_close(unpadded(Rig{}.run("bn_dx", {g, x, m, s, w}, kMasked), w), dx, 1e-6);
}

TEST(Mask, OfOnesIsNoMask) {
  for (auto& dims : kShapes) {
    const Doubles x = random_array(dims, 1, 3, 2), g = random_array(dims, 2), w = ones(x);
    const Doubles m = reference("moments", {x});
    EXPECT_EQ(reference("moments", {x, w}).data, m.data);
    const Doubles s = reference("bn_reduce", {g, x, m});
    EXPECT_EQ(reference("bn_dx", {g, x, m, s, w}, kMasked).data,
              reference("bn_dx", {g, x, m, s}, {{"eps", 0.1}}).data);
    for (auto& format : formats_of(dims.size())) {
      Rig rig{.format = format};
      expect_moments(rig.run("moments", {x, w}), m, 1e-6, format);
      EXPECT_EQ(rig.run("bn_dx", {g, x, m, s, w}, kMasked).data,
                rig.run("bn_dx", {g, x, m, s}, {{"eps", 0.1}}).data);
    }
  }
}

TEST(Mask, AWeightOfTwoIsTheValueTwice) {
  const Doubles x = random_array({6, 4, 5}, 1, 7);
  Doubles w = ones(x);
  for (int64_t i = 0; i < w.size(); ++i) w[i] = double(uniform_below(3, uint64_t(i), 4));
  expect_moments(reference("moments", {x, w}), reference("moments", {unpadded(x, w)}), 1e-12, "");
  expect_moments(Rig{}.run("moments", {x, w}), reference("moments", {unpadded(x, w)}), 1e-6, "");
}

TEST(Mask, MomentsOfPaddingAloneMergeIntoNothing) {
  const Doubles x = random_array({3, 4, 5}, 1);
  Doubles none = ones(x);
  for (double& v : none.data) v = 0;
  const Doubles empty = Rig{}.run("moments", {x, none}), some = reference("moments", {x});
  EXPECT_EQ(empty.data, std::vector<double>(12, 0));
  EXPECT_EQ(Rig{}.run("merge_chan", {empty, some}).data, some.data);
  EXPECT_EQ(Rig{}.run("merge_chan", {some, empty}).data, some.data);
}

TEST(Mask, HoldsSixDigitsOfAFarMeanAndOfHugeValues) {
  for (auto& dims : kShapes) {
    if (dims == std::vector<int64_t>{9, 17, 1, 1} || dims == std::vector<int64_t>{3, 16}) continue;
    for (auto [mean, std] : {std::pair(123.7, 1e-3), {1e6, 1.0}, {1e30, 1e29}}) {
      Doubles x = random_array(dims, 9, mean, std);
      const Doubles w = some_weights(x), bad = with_padding(x, w, NAN);
      const Doubles m = Rig{}.run("moments", {bad, w}), expected = reference("moments", {bad, w});
      expect_close(row_of(m, 1), row_of(expected, 1), 1e-12);
      expect_close(row_of(m, 2), row_of(expected, 2), 1e-5);
    }
  }
}

// ---- what is refused

std::string code_of(const std::function<void()>& f) {
  try {
    f();
    return "accepted";
  } catch (const Error& e) {
    EXPECT_FALSE(e.diagnostics()[0].helps.empty());
    return e.diagnostics()[0].code + " " + e.diagnostics()[0].message;
  }
}

TEST(Mask, WithoutASpreadIsRefused) {
  const Doubles x = random_array({2, 1}, 1);
  auto with_weight = [&](double sum) {
    return code_of([&] { Rig{}.run("normalize", {x, moments_array({sum, 0, 0})}); });
  };
  EXPECT_EQ(with_weight(0), "E0411 the mask leaves no value to take statistics from");
  EXPECT_EQ(with_weight(0.75).substr(0, 5), "E0410");
  EXPECT_NE(with_weight(0.75).find("0.75"), std::string::npos);
  EXPECT_EQ(with_weight(1).substr(0, 5), "E0410");
  EXPECT_EQ(with_weight(1.25), "accepted");
}

TEST(Mask, OfNumbersThatAreNoWeightsNamesTheSample) {
  for (float bad : {-0.5f, float(NAN), float(INFINITY)}) {
    std::vector<float> mask = {1, 0, 1, 1, bad, 1}, w(6);
    test::OpCall call("bn_weights", {{DType::f32, {3, 1, 2}}}, {{DType::f32, {3, 2}}});
    call.first_sample = 10;
    const auto said = code_of([&] { call.run({mask.data()}, {w.data()}); });
    EXPECT_EQ(said.substr(0, 5), "E0412");
    EXPECT_NE(said.find("sample 12"), std::string::npos) << said;
  }
}

TEST(Mask, BytesAreWeightsAndTruthsAreOnes) {
  std::vector<uint8_t> mask = {0, 1, 2, 255};
  for (DType dtype : {DType::u8, DType::boolean}) {
    std::vector<float> w(4);
    test::OpCall("bn_weights", {{dtype, {2, 2}}}, {{DType::f32, {2, 2}}})
        .run({mask.data()}, {w.data()});
    const bool truths = dtype == DType::boolean;
    EXPECT_EQ(w, (std::vector<float>{0, 1, truths ? 1.0f : 2, truths ? 1.0f : 255}));
  }
}

std::string refusal(const std::string& layer, Shape x, Type mask) {
  const Sample sample{.inputs = {{DType::f32, std::move(x)}, std::move(mask)}};
  try {
    const test::LayerGraph graph(test::builtin(), *test::builtin().layer(layer), sample,
                                 Mode::train);
    return "accepted";
  } catch (const Error& e) {
    auto& d = e.diagnostics()[0];
    return d.code + " " + d.message + " | " + d.helps;
  }
}

TEST(Mask, FitsWithoutTheChannelsOrWithOneForThem) {
  EXPECT_EQ(refusal("BatchNorm1d", {N, 6}, {DType::u8, {N}}), "accepted");
  EXPECT_EQ(refusal("BatchNorm1d", {N, 6}, {DType::f32, {N, 1}}), "accepted");
  EXPECT_EQ(refusal("BatchNorm1d", {N, 6, 7}, {DType::boolean, {N, 7}}), "accepted");
  EXPECT_EQ(refusal("BatchNorm2d", {N, 6, 7, 5}, {DType::u8, {N, 1, 7, 5}}), "accepted");
  EXPECT_EQ(refusal("BatchNorm3d", {N, 6, 2, 7, 5}, {DType::u8, {N, 2, 7, 5}}), "accepted");
  EXPECT_EQ(refusal("BatchNorm1d", {N, 6, 7}, {DType::u8, {N, 6, 7}}),
            "E0270 layer 'it': mask is [N, 6, 7], and the input [N, 6, 7]: a mask has one weight "
            "for each position, whatever its channel | a mask of shape [N, 7] or [N, 1, 7] fits");
  EXPECT_EQ(refusal("BatchNorm1d", {N, 6, 7}, {DType::u8, {1, 7}}).substr(0, 5), "E0270");
  EXPECT_EQ(refusal("BatchNorm2d", {N, 6, 7, 5}, {DType::u8, {N, 7}}).substr(0, 5), "E0270");
  EXPECT_EQ(refusal("BatchNorm1d", {N, 6}, {DType::i64, {N}}),
            "E0271 layer 'it': mask is i64 [N], BatchNorm1d needs f32, u8 or bool | declare it "
            "with dtype u8, or f32 for weights between 0 and 1");
}

}  // namespace
}  // namespace braid::test
