// Expressions of Math: what they mean, judged by numbers worked out by hand, and what is said about
// those that mean nothing. The layer itself is judged by its samples.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conformance/tensor.h"
#include "math/steps.h"
#include "support/kernels.h"

namespace braid::test {
namespace {

using math::Op;
using math::Program;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double value(const Program& program, const std::vector<double>& inputs) {
  std::vector<double> r;
  auto at = [&](uint8_t k) { return k < r.size() ? r[k] : 0; };
  for (auto& s : program)
    r.push_back(s.op == Op::input      ? inputs.at(s.a)
                : s.op == Op::constant ? s.value
                                       : math::apply(s.op, at(s.a), at(s.b), at(s.c)));
  return r.back();
}

double value(const char* text, double x, double y = 7) {
  bool both = std::string(text).find('y') != std::string::npos;
  return value(
      math::parse(text, both ? std::vector<std::string>{"x", "y"} : std::vector<std::string>{"x"}),
      {x, y});
}

TEST(Math, BindsAsTheLanguageDoes) {
  EXPECT_EQ(value("1 + 2 * x ** 2", 3), 19);
  EXPECT_EQ(value("-x ** 2", 3), -9);
  EXPECT_EQ(value("2 ** x ** 2", 3), 512);
  EXPECT_EQ(value("2 ** -x", 1), 0.5);
  EXPECT_EQ(value("8 / x / 2 - 1 - 1", 2), 0);
  EXPECT_EQ(value("(1 + x) * -.5e1", 3), -20);
  EXPECT_EQ(value("min(x, 4, 1) + max(x, 2, 9)", 3), 10);
  EXPECT_EQ(value("where(x > 2 and not x >= 4, 1, 0)", 3), 1);
  EXPECT_EQ(value("1 if x == 1 or x < 0 else 2 if x != 5 else 3", 5), 3);
  EXPECT_EQ(value("where(x <= 3, x, y)", 3.5), 7);
  EXPECT_DOUBLE_EQ(value("log(exp(x)) + sqrt(x) * sigmoid(0) + abs(-x)", 4), 9);
}

TEST(Math, PassesOnWhatIsNoNumber) {
  for (const char* text : {"min(x, y)", "max(x, y)", "min(y, x)", "max(y, x)"}) {
    EXPECT_TRUE(std::isnan(value(text, nan, 1))) << text;
    EXPECT_FALSE(std::isnan(value(text, 2, 1))) << text;
  }
  EXPECT_EQ(value("where(x < y, 1, 2)", nan, 1), 2);
}

TEST(Math, GradientsAtTheEdgesAreThoseOfPyTorch) {
  auto slope = [](const char* text, double x, double y, size_t input) {
    Program d = math::derivative(math::parse(text, {"x", "y"}), input, 2);
    return value(d, {x, y, 3});
  };
  EXPECT_EQ(slope("max(x, y)", 1, 1, 0), 1.5);
  EXPECT_EQ(slope("max(x, y)", 1, 1, 1), 1.5);
  EXPECT_EQ(slope("min(x, y)", 1, 2, 0), 3);
  EXPECT_EQ(slope("min(x, y)", 1, 2, 1), 0);
  EXPECT_EQ(slope("abs(x) + y", 0, 0, 0), 0);
  EXPECT_EQ(slope("x ** y", 0, 2, 1), 0);
  EXPECT_EQ(slope("x ** 3 * y", 2, 1, 0), 36);
  EXPECT_TRUE(math::derivative(math::parse("where(x > 0, y, 0)", {"x", "y"}), 0, 2).empty());
}

TEST(Math, MakesEqualStepsOnce) {
  EXPECT_EQ(math::parse("(x - y) * (x - y)", {"x", "y"}).size(), 4u);
  EXPECT_EQ(math::parse("x * (2 * 3 + 1)", {"x"}).size(), 3u);
  Program p = math::parse("where(x < 0.001, 0, x)", {"x"});
  EXPECT_EQ(math::program_of(math::to_attr(p)), p);
}

TEST(Math, SaysWhatIsWrongAndWhere) {
  auto fault = [](const char* text) {
    try {
      math::parse(text, {"x", "gamma"});
    } catch (const math::Mistake& f) {
      return std::to_string(f.at) + "+" + std::to_string(f.length) + " " + f.message;
    }
    return std::string("nothing");
  };
  EXPECT_EQ(fault("x * gama"), "4+4 has no input 'gama' (did you mean 'gamma'?)");
  EXPECT_EQ(fault("exq(x)"), "0+3 has no function 'exq' (did you mean 'exp'?)");
  EXPECT_EQ(fault("x *"), "3+0 ends where a value is expected");
  EXPECT_EQ(fault("(x + gamma"), "10+0 ends where `)` is expected");
  EXPECT_EQ(fault("x gamma"), "2+1 expects an operator where 'g' stands");
  EXPECT_EQ(fault("x // gamma"), "2+2 has no `//`");
  EXPECT_EQ(fault("x < gamma"), "0+9 needs a number, and this is a condition");
  EXPECT_EQ(fault("where(x, gamma, 1)"), "6+1 needs a condition, and this is a number");
  EXPECT_EQ(fault("0 < x < gamma"), "6+1 compares twice in a row");
  EXPECT_EQ(fault("where(x < gamma, 1)"), "0+19 where takes 3 values, given 2");
  EXPECT_EQ(fault("min(x) + gamma"), "0+6 min takes at least 2 values, given 1");
  EXPECT_EQ(fault("1.2.3 + x * gamma"), "0+5 has '1.2.3', which is no number");
  EXPECT_EQ(fault("2 * x"), "0+5 does not use its input 'gamma'");
  EXPECT_EQ(fault((std::string(100, '(') + "x").c_str()), "64+1 is nested too deeply");
  std::string sum = "x * gamma";
  for (int i = 0; i < 100; ++i) sum += " + sin(x * " + std::to_string(i) + ")";
  EXPECT_EQ(fault(sum.c_str()).substr(0, 15), "0+0 is too long");
}

/// Blocks, rows that no block boundary meets, and single numbers.
TEST(Math, BroadcastsOverAnySizes) {
  const Attr program = math::to_attr(math::parse("a - b * c", {"a", "b", "c"}));
  const std::vector<int64_t> whole{3, 5, 1, 211}, rows{5, 7, 1}, one{1};
  auto make = [](DType dtype, const std::vector<int64_t>& dims) {
    auto t = std::make_shared<Tensor>(Operand{dtype, dims});
    Numbers numbers(size_t(t->operand.elements()));
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = double(i % 97);
    t->assign(numbers);
    return t;
  };
  auto a = make(DType::f32, whole), b = make(DType::f32, rows), c = make(DType::f32, one);
  Tensor y({DType::f32, {3, 5, 7, 211}});
  Signature s{.op = "math",
              .attrs = {{"program", program}},
              .in = {a->operand, b->operand, c->operand},
              .out = {y.operand}};
  auto offer = builtin().offer(s, {});
  Tensor workspace({DType::u8, {offer->workspace}});
  void* in[] = {a->data(), b->data(), c->data()};
  void* out[] = {y.data()};
  offer->bind()({.inputs = in, .outputs = out, .workspace = workspace.data()});
  const Numbers got = y.numbers();
  size_t k = 0;
  for (size_t i = 0; i < 15; ++i)
    for (size_t h = 0; h < 7; ++h)
      for (size_t w = 0; w < 211; ++w, ++k)
        ASSERT_EQ(got[k], double((i * 211 + w) % 97) - double(i % 5 * 7 + h) * 0) << k;
}

}  // namespace
}  // namespace braid::test
