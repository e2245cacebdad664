// The vector kernels of batch norm against their f64 reference: every format, rank and instruction
// set of this machine; the same bits whatever the address; and the ReLU mask that backward works
// out again.
#include <set>

#include "nodes/batch_norm_rig.h"

namespace braid {
namespace {

using testing::Array;
using testing::expect_close;
using testing::random_array;
using testing::reference;
using testing::Rig;

// The instruction sets that this machine can run, worst first.
std::vector<std::string> machine_isas() {
  std::vector<std::string> found;
  for (const char* isa : {"sse4", "avx2", "avx512"}) {
    Signature s{"moments", {}, {{DType::f32, {2, 3}}}, {{DType::f64, {3, 3}}}};
    try {
      testing::builtin().offer(s, {.kind = "cpu", .isa = isa}).value().bind();
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
  Array x, g, weight, bias, mean, var, moments, sums;
  Dict attrs;
  bool affine, relu;

  Case(const std::vector<int64_t>& dims, bool affine, bool relu, const char* eps_mode)
      : affine(affine), relu(relu) {
    const int64_t c = dims[1];
    x = random_array(dims, 1, 3, 2), g = random_array(dims, 2);
    weight = random_array({c}, 3, 1, 0.5), bias = random_array({c}, 4);
    mean = random_array({c}, 5, 3, 0.1), var = random_array({c}, 6, 4, 0.1);
    attrs = {{"eps", 0.5}, {"eps_mode", eps_mode}, {"affine", affine}, {"relu", relu}};
    moments = reference("moments", {x});
    sums = reference("bn_reduce", with_affine({g, x, moments}), attrs);
  }
  std::vector<Array> with_affine(std::vector<Array> in) const {
    if (affine) in.insert(in.end(), {weight, bias});
    return in;
  }
  std::vector<std::pair<std::string, std::vector<Array>>> operations() const {
    return {{"moments", {x}},
            {"normalize", with_affine({x, moments})},
            {"normalize_eval", with_affine({x, mean, var})},
            {"bn_reduce", with_affine({g, x, moments})},
            {"bn_dx", with_affine({g, x, moments, sums})},
            {"bn_eval_reduce", with_affine({g, x, mean, var})},
            {"bn_eval_dx", with_affine({g, x, mean, var})}};
  }
};

void check(const std::vector<int64_t>& dims, bool affine, bool relu, const char* eps_mode) {
  const Case c(dims, affine, relu, eps_mode);
  for (auto& [op, in] : c.operations()) {
    const Array expected = reference(op, in, c.attrs);
    for (auto& isa : machine_isas())
      for (auto& format : formats_of(dims.size())) {
        Rig rig{.format = format, .isa = isa};
        std::string what = op + " " + isa + " '" + format + "'";
        for (auto d : dims) what += " " + std::to_string(d);
        const Array got = rig.run(op, in, c.attrs);
        if (op == "moments")
          for (int row : {0, 1, 2})
            expect_close(testing::row_of(got, row), testing::row_of(expected, row), 5e-7, what);
        else
          expect_close(got, expected, 3e-6, what);
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
    if (op == "moments" || op.find("reduce") != op.npos) continue;
    for (auto& isa : machine_isas())
      for (const char* format : {"aBcd16b", "aBcd8b"}) {
        Rig rig{.format = format, .isa = isa};
        rig.run(op, in, c.attrs);
        std::vector<bool> padding(rig.raw.size(), true);
        for (int64_t i = 0; i < c.x.size(); ++i)
          padding[size_t(testing::blocked_index(c.x.dims, channel_block(format), i))] = false;
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
    const Array none = random_array(dims, 1);
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
        if (c.x.size() > 1000000 && op != "normalize" && op != "bn_dx") continue;
        const Array once = Rig{.format = format}.run(op, in, c.attrs);
        for (size_t misalign : {0, 7})
          EXPECT_EQ((Rig{.format = format, .misalign = misalign}.run(op, in, c.attrs).data),
                    once.data)
              << op << " '" << format << "' " << misalign;
      }
  }
}

TEST(BatchNormKernels, RefuseToRunAnInstructionSetThatIsNotThere) {
  Signature s{"moments", {}, {{DType::f32, {2, 3}}}, {{DType::f64, {3, 3}}}};
  EXPECT_FALSE(testing::builtin().offer(s, {.kind = "cpu", .isa = "neon"}).has_value());
}

TEST(BatchNormKernels, AskForPlainWhereTheyDoNotKnowAFormat) {
  Signature s{"moments", {}, {{DType::f32, {2, 3, 4, 4}, "acdb"}}, {{DType::f64, {3, 3}}}};
  EXPECT_EQ(testing::builtin().offer(s, {}).value().in_formats[0], "");
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
        const Array y = rig.run("normalize", {c.x, c.moments, c.weight, c.bias}, c.attrs);
        const Array dx = rig.run("bn_dx", {c.g, c.x, c.moments, c.sums, c.weight, c.bias}, c.attrs);
        const Array s = rig.run("bn_reduce", {c.g, c.x, c.moments, c.weight, c.bias}, c.attrs);
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
