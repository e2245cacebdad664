// The vector kernels of batch norm against their f64 reference: every format, rank and instruction
// set of this machine; the same bits whatever the address; and the ReLU mask that backward works
// out again.
#include <set>

#include "nodes/batch_norm_rig.h"

namespace braid {
namespace {

using test::Doubles;
using test::expect_close;
using test::random_array;
using test::reference;
using test::Rig;

// The instruction sets that this machine can run, worst first.
std::vector<std::string> machine_isas() {
  std::vector<std::string> found;
  for (const char* isa : {"sse4", "avx2", "avx512"}) {
    Signature s{"moments", {}, {{DType::f32, {2, 3}}}, {{DType::f64, {3, 3}}}};
    try {
      test::builtin().offer(s, {.kind = "cpu", .isa = isa}).value().bind();
      found.push_back(isa);
    } catch (const Error& e) {
      EXPECT_EQ(e.fault(), Fault::device);
    }
  }
  return found;
}

std::vector<Format> formats_of(size_t rank) {
  if (rank == 3) return {"", "aBc16b"};
  if (rank == 4) return {"", "aBcd16b", "aBcd8b"};
  if (rank == 5) return {"", "aBcde16b"};
  return {""};
}

// One layer's numbers, with everything that its operations need.
struct Case {
  Doubles x, z, g, y, weight, bias, mean, var, moments, sums;
  Dict attrs;
  bool affine, relu;

  Case(const std::vector<int64_t>& dims, bool affine, bool relu, const char* eps_mode)
      : affine(affine), relu(relu) {
    const int64_t c = dims[1];
    x = random_array(dims, 1, 3, 2), g = random_array(dims, 2);
    z = random_array(dims, 7), y = random_array(dims, 8);
    weight = random_array({c}, 3, 1, 0.5), bias = random_array({c}, 4);
    mean = random_array({c}, 5, 3, 0.1), var = random_array({c}, 6, 4, 0.1);
    attrs = {{"eps", 0.5}, {"eps_mode", eps_mode}, {"affine", affine}, {"relu", relu}};
    moments = reference("moments", {x});
    sums = reference("bn_reduce", with_affine({g, x, moments}), attrs);
  }
  std::vector<Doubles> with_affine(std::vector<Doubles> in) const {
    if (affine) in.insert(in.end(), {weight, bias});
    return in;
  }
  Dict without_relu() const {
    Dict made = attrs;
    set(made, "relu", false);
    return made;
  }
  std::vector<Doubles> with(std::vector<Doubles> in, const Doubles& last) const {
    in = with_affine(std::move(in));
    in.push_back(last);
    return in;
  }
  std::vector<std::pair<std::string, std::vector<Doubles>>> operations() const {
    return {{"moments", {x}},
            {"normalize", with_affine({x, moments})},
            {"normalize_eval", with_affine({x, mean, var})},
            {"normalize_add", with({x, moments}, z)},
            {"normalize_eval_add", with({x, mean, var}, z)},
            {"bn_reduce", with_affine({g, x, moments})},
            {"bn_dx", with_affine({g, x, moments, sums})},
            {"bn_eval_reduce", with_affine({g, x, mean, var})},
            {"bn_relu_reduce", with({g, x, moments}, y)},
            {"bn_eval_relu_reduce", with({g, x, mean, var}, y)},
            {"bn_eval_dx", with_affine({g, x, mean, var})}};
  }
};

void check(const std::vector<int64_t>& dims, bool affine, bool relu, const char* eps_mode) {
  const Case c(dims, affine, relu, eps_mode);
  for (auto& [op, in] : c.operations()) {
    // Where y decides which gradients pass, x does not.
    const Dict attrs = op.ends_with("relu_reduce") ? c.without_relu() : c.attrs;
    const auto expected = test::all_of_reference(op, in, attrs);
    for (auto& isa : machine_isas())
      for (auto& format : formats_of(dims.size())) {
        Rig rig{.format = format, .isa = isa};
        std::string what = op + " " + isa + " '" + format + "'";
        for (auto d : dims) what += " " + std::to_string(d);
        const auto got = rig.run_all(op, in, attrs);
        if (op == "moments")
          for (int row : {0, 1, 2})
            expect_close(test::row_of(got[0], row), test::row_of(expected[0], row), 5e-7, what);
        else
          for (size_t k = 0; k < got.size(); ++k) expect_close(got[k], expected[k], 3e-6, what);
      }
  }
}

TEST(BatchNormKernels, AgreeWithTheReferenceInEveryFormatAndShape) {
  for (const std::vector<int64_t>& dims : std::vector<std::vector<int64_t>>{{7, 5},
                                                                            {2, 1},
                                                                            {3, 16},
                                                                            {70, 37},
                                                                            {600, 20},
                                                                            {5, 3, 7},
                                                                            {2, 33, 4},
                                                                            {2, 1, 7, 5},
                                                                            {5, 20, 7, 5},
                                                                            {3, 16, 28, 28},
                                                                            {4, 17, 1, 1},
                                                                            {2, 40, 14, 14},
                                                                            {1, 3, 130, 131},
                                                                            {9, 8, 3, 3},
                                                                            {2, 20, 3, 4, 5}})
    check(dims, true, true, "plus");
}

TEST(BatchNormKernels, AgreeWithTheReferenceInEveryMode) {
  for (bool affine : {false, true})
    for (bool relu : {false, true})
      for (const char* eps_mode : {"plus", "clamp"}) {
        check({6, 20, 7, 5}, affine, relu, eps_mode);
        check({33, 19}, affine, relu, eps_mode);
      }
}

TEST(BatchNormKernels, LeaveZerosInThePaddingOfBlockedFormats) {
  const Case c({2, 20, 3, 5}, true, false, "plus");
  for (auto& [op, in] : c.operations()) {
    if (op == "moments" || op.ends_with("n_reduce") || op.ends_with("l_reduce")) continue;
    for (auto& isa : machine_isas())
      for (const char* format : {"aBcd16b", "aBcd8b"}) {
        Rig rig{.format = format, .isa = isa};
        rig.run(op, in, c.attrs);
        std::vector<bool> padding(rig.raw.size(), true);
        for (int64_t i = 0; i < c.x.size(); ++i)
          padding[size_t(test::blocked_index(c.x.dims, channel_block(format), i))] = false;
        for (size_t i = 0; i < padding.size(); ++i)
          if (padding[i]) {
            ASSERT_EQ(rig.raw[i], 0.0f) << op << " " << isa << " " << format << " at " << i;
          }
      }
  }
}

TEST(BatchNormKernels, TakeEmptySlices) {
  for (const std::vector<int64_t>& dims : std::vector<std::vector<int64_t>>{{0, 5}, {0, 5, 3, 2}}) {
    const Case c({4, 5}, true, true, "plus");
    const Doubles none = random_array(dims, 1);
    Rig rig;
    EXPECT_EQ(rig.run("moments", {none}).data, std::vector<double>(15, 0));
    EXPECT_EQ(rig.run("bn_reduce", {none, none, c.moments, c.weight, c.bias}, c.attrs).data,
              std::vector<double>(10, 0));
    EXPECT_TRUE(rig.run("normalize", {none, c.moments, c.weight, c.bias}, c.attrs).data.empty());
    EXPECT_TRUE(
        rig.run("bn_dx", {none, none, c.moments, c.sums, c.weight, c.bias}, c.attrs).data.empty());
  }
}

TEST(BatchNormKernels, GiveTheSameBitsAtEveryAddressAndOnEveryCall) {
  // The last shape is large enough for stores that bypass the cache.
  for (const std::vector<int64_t>& dims : std::vector<std::vector<int64_t>>{
           {37, 21}, {3, 20, 7, 5}, {2, 17, 14, 14}, {1, 20, 331, 331}}) {
    const Case c(dims, true, true, "plus");
    for (auto& format : formats_of(dims.size()))
      for (auto& [op, in] : c.operations()) {
        if (c.x.size() > 1000000 && !op.starts_with("normalize") && op != "bn_dx") continue;
        const auto once = Rig{.format = format}.run_all(op, in, c.attrs);
        for (size_t misalign : {0, 7}) {
          const auto again = Rig{.format = format, .misalign = misalign}.run_all(op, in, c.attrs);
          for (size_t k = 0; k < once.size(); ++k)
            EXPECT_EQ(again[k].data, once[k].data) << op << " '" << format << "' " << misalign;
        }
      }
  }
}

TEST(BatchNormKernels, RefuseToRunAnInstructionSetThatIsNotThere) {
  Signature s{"moments", {}, {{DType::f32, {2, 3}}}, {{DType::f64, {3, 3}}}};
  EXPECT_FALSE(test::builtin().offer(s, {.kind = "cpu", .isa = "neon"}).has_value());
}

TEST(BatchNormKernels, AskForPlainWhereTheyDoNotKnowAFormat) {
  Signature s{"moments", {}, {{DType::f32, {2, 3, 4, 4}, "acdb"}}, {{DType::f64, {3, 3}}}};
  EXPECT_EQ(test::builtin().offer(s, {}).value().in_formats[0], "");
}

// Elementwise, as the operations do that a fused one stands for.
Doubles each(const Doubles& a, const Doubles& b, float (*f)(float, float)) {
  Doubles made = a;
  for (int64_t i = 0; i < a.size(); ++i) made[i] = f(float(a[i]), float(b[i]));
  return made;
}

// What is summed first is rounded as if it had been stored; zeros and NaNs are those of ReLU.
TEST(BatchNormAdd, HasTheBitsOfTheOperationsItStandsFor) {
  // The last shapes are large enough for stores that bypass the cache.
  for (const std::vector<int64_t>& dims : std::vector<std::vector<int64_t>>{
           {70, 37}, {2, 33, 4}, {3, 20, 7, 5}, {2, 17, 14, 14}, {1, 20, 331, 331}, {65600, 32}})
    for (bool affine : {false, true}) {
      Case c(dims, affine, false, "plus");
      for (int64_t i = 0; i < c.x.size(); i += 7) c.z[i] = i % 3 ? NAN : -INFINITY, c.y[i] = c.z[i];
      for (auto& isa : machine_isas())
        for (auto& format : formats_of(dims.size())) {
          auto run = [&](const std::string& op, const std::vector<Doubles>& in, bool relu = false) {
            Dict attrs = c.attrs;
            set(attrs, "relu", relu);
            return Rig{.format = format, .isa = isa}.run_all(op, in, attrs);
          };
          auto expect_same = [&](const Doubles& a, const Doubles& b, const std::string& what) {
            ASSERT_EQ(a.data.size(), b.data.size());
            EXPECT_EQ(std::memcmp(a.data.data(), b.data.data(), a.data.size() * 8), 0)
                << what << " " << isa << " '" << format << "' " << dims[0] << "x" << dims[1];
          };
          for (bool eval : {false, true}) {
            const std::string op = eval ? "normalize_eval" : "normalize";
            const std::vector<Doubles> in =
                eval ? std::vector{c.x, c.mean, c.var} : std::vector{c.x, c.moments};
            const Doubles sum =
                each(run(op, c.with_affine(in))[0], c.z, [](float a, float b) { return a + b; });
            expect_same(run(op + "_add", c.with(in, c.z))[0], sum, op);
            const Doubles y = each(sum, sum, [](float v, float) { return v < 0 ? 0 : v; });
            expect_same(run(op + "_add", c.with(in, c.z), true)[0], y, op + " relu");
            if (c.x.size() > 1000000) continue;
            std::vector<Doubles> back = in;
            back.insert(back.begin(), c.g);
            const std::string reduce = eval ? "bn_eval_" : "bn_";
            const auto joined = run(reduce + "relu_reduce", c.with(back, c.y));
            back[0] = each(c.g, c.y, [](float g, float y) { return y > 0 ? g : 0; });
            expect_same(joined[0], back[0], reduce);
            expect_same(joined[1], run(reduce + "reduce", c.with_affine(back))[0], reduce);
          }
        }
    }
}

// A million values whose y is next to zero: forward's y > 0 and backward's mask are one function.
TEST(BatchNormRelu, BackwardLetsThroughExactlyWhatForwardLeftPositive) {
  for (const std::vector<int64_t>& dims :
       std::vector<std::vector<int64_t>>{{62500, 16}, {25, 16, 50, 50}}) {
    Case c(dims, true, true, "plus");
    for (auto& v : c.g.data) v = 1;
    for (auto& v : c.sums.data) v = 0;
    const int64_t channels = dims[1], points = c.x.size() / dims[0] / channels;
    for (int64_t i = 0; i < c.x.size(); ++i) {
      const int64_t ch = i / points % channels;
      const double var = c.moments[2 * channels + ch] / c.moments[ch];
      const double root =
          c.moments[channels + ch] - c.bias[ch] * std::sqrt(var + 0.5) / c.weight[ch];
      c.x[i] = float(root + 1e-6 * normal(7, uint64_t(i)));
    }
    for (auto& isa : machine_isas())
      for (auto& format : formats_of(dims.size())) {
        Rig rig{.format = format, .isa = isa};
        const Doubles y = rig.run("normalize", {c.x, c.moments, c.weight, c.bias}, c.attrs);
        const Doubles dx =
            rig.run("bn_dx", {c.g, c.x, c.moments, c.sums, c.weight, c.bias}, c.attrs);
        const Doubles s = rig.run("bn_reduce", {c.g, c.x, c.moments, c.weight, c.bias}, c.attrs);
        int64_t positive = 0, differ = 0;
        for (int64_t i = 0; i < y.size(); ++i) {
          positive += y[i] > 0;
          differ += (y[i] > 0) != (dx[i] != 0);
        }
        EXPECT_EQ(differ, 0) << isa << " '" << format << "'";
        EXPECT_GT(positive, y.size() / 10);
        EXPECT_LT(positive, y.size() * 9 / 10);
        double passed = 0;
        for (int64_t ch = 0; ch < channels; ++ch) passed += s[ch];
        EXPECT_EQ(passed, double(positive)) << isa << " '" << format << "'";
      }
  }
}

}  // namespace
}  // namespace braid
