// Where two sets of tensors differ.
#include <braid/runtime/compare.h>

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace braid::test {
namespace {

using Kind = TensorDifference::Kind;
using Tensors = std::map<std::string, Array>;

Array row(std::vector<float> values) { return Array::of<float>({int64_t(values.size())}, values); }

TEST(Differences, AreNoneBetweenEqualBits) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Tensors a{{"x", row({1, 2})}, {"y", row({nan, -0.0f})}};
  EXPECT_TRUE(differences(a, a).empty());
  EXPECT_TRUE(differences({}, {}).empty());
}

TEST(Differences, SayHowManyHowMuchAndWhere) {
  auto a = Array::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}), b = a;
  b.as<float>()[4] = 5.5f, b.as<float>()[5] = -8;
  auto found = differences({{"w", a}}, {{"w", b}});
  ASSERT_EQ(found.size(), 1u);
  auto& d = found[0];
  EXPECT_EQ(d.name, "w");
  EXPECT_EQ(d.kind, Kind::values);
  EXPECT_EQ(d.elements, 6);
  EXPECT_EQ(d.different, 2);
  EXPECT_EQ(d.largest, 14);
  EXPECT_EQ(d.relative, 14 / 8.0);
  EXPECT_EQ(d.at, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(d.a, 5);
  EXPECT_EQ(d.b, 5.5);
}

TEST(Differences, NameWhatIsMissingOrOfAnotherType) {
  auto found = differences({{"a", row({1})}, {"c", row({1})}},
                           {{"b", row({1, 2})}, {"c", Array::of<double>({1}, std::vector{1.0})}});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].kind, Kind::only_first);
  EXPECT_EQ(found[0].first, "f32 [1]");
  EXPECT_EQ(found[1].kind, Kind::only_second);
  EXPECT_EQ(found[1].second, "f32 [2]");
  EXPECT_EQ(found[2].kind, Kind::type);
  EXPECT_EQ(found[2].first, "f32 [1]");
  EXPECT_EQ(found[2].second, "f64 [1]");
}

TEST(Differences, OfValuesThatAreNoNumbers) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(differences({{"x", row({nan})}}, {{"x", row({1})}})[0].largest));
  EXPECT_TRUE(std::isinf(differences({{"x", row({1})}}, {{"x", row({inf})}})[0].relative));
  auto zero = differences({{"x", row({0.0f})}}, {{"x", row({-0.0f})}});
  ASSERT_EQ(zero.size(), 1u);
  EXPECT_EQ(zero[0].largest, 0);
  EXPECT_EQ(zero[0].relative, 0);
  EXPECT_TRUE(std::isinf(differences({{"x", row({1})}}, {{"x", row({0})}})[0].relative));
}

Array halves(DType dtype, std::vector<uint16_t> bits) {
  Array array = Array::zeros(dtype, {int64_t(bits.size())});
  std::memcpy(array.bytes.data(), bits.data(), array.bytes.size());
  return array;
}

TEST(Differences, OfHalfPrecision) {
  // 1.5, the smallest subnormal, -65504 and infinity against 0, 0, 0, 1.
  const std::vector<uint16_t> f16 = {0x3e00, 0x0001, 0xfbff, 0x7c00}, none = {0, 0, 0, 0x3c00};
  for (size_t i = 0; i < f16.size(); ++i) {
    auto d =
        differences({{"x", halves(DType::f16, {f16[i]})}}, {{"x", halves(DType::f16, {none[i]})}});
    ASSERT_EQ(d.size(), 1u);
    EXPECT_EQ(d[0].a, (std::vector<double>{1.5, std::ldexp(1, -24), -65504, INFINITY})[i]);
  }
  auto d =
      differences({{"x", halves(DType::bf16, {0x3fc0})}}, {{"x", halves(DType::bf16, {0xc000})}});
  ASSERT_EQ(d.size(), 1u);
  EXPECT_EQ(d[0].a, 1.5);
  EXPECT_EQ(d[0].b, -2);
}

}  // namespace
}  // namespace braid::test
