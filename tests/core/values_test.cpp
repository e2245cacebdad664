// Attr, Mark, Type: the small values that everything else is made of.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include <braid/core/attr.h>
#include <braid/core/error.h>
#include <braid/core/type.h>

namespace braid {
namespace {

TEST(Attr, IsEqualByKindAndValueButNotByMark) {
  EXPECT_EQ(Attr(1), Attr(1));
  EXPECT_FALSE(Attr(1) == Attr(1.0));
  EXPECT_FALSE(Attr(1) == Attr(true));
  EXPECT_EQ(Attr(), Attr());
  Attr marked = 1;
  marked.mark.line = 7;
  EXPECT_EQ(marked, Attr(1));
  EXPECT_EQ(Attr(Attr::List{1, "a"}), Attr(Attr::List{1, "a"}));
  EXPECT_FALSE(Attr(Attr::List{1}) == Attr(Attr::List{1, 2}));
  EXPECT_EQ(Attr(Dict{{"a", 1}}), Attr(Dict{{"a", 1}}));
  EXPECT_FALSE(Attr(Dict{{"a", 1}}) == Attr(Dict{{"b", 1}}));
  EXPECT_FALSE(Attr(Dict{{"a", 1}}) == Attr(Dict{{"a", 2}}));
}

TEST(Attr, ReadsAndWritesDictionaries) {
  Dict dict = {{"a", 1}, {"b", 2.5}, {"c", true}, {"d", "text"}, {"e", Attr::List{3, 4}}};
  EXPECT_EQ(get_int(dict, "a"), 1);
  EXPECT_EQ(get_int(dict, "z", 9), 9);
  EXPECT_EQ(get_double(dict, "a"), 1.0);  // integers convert
  EXPECT_EQ(get_double(dict, "b"), 2.5);
  EXPECT_EQ(get_bool(dict, "c"), true);
  EXPECT_EQ(get_text(dict, "d"), "text");
  EXPECT_EQ(get_ints(dict, "e"), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(get_ints(dict, "a"), std::vector<int64_t>{1});
  EXPECT_EQ(get_ints(dict, "z", {5}), std::vector<int64_t>{5});
  EXPECT_THROW(get_int(dict, "d"), std::bad_variant_access);
  set(dict, "a", 7);
  set(dict, "f", 8);
  EXPECT_EQ(get_int(dict, "a"), 7);
  EXPECT_EQ(dict.size(), 6u);
  EXPECT_EQ(find(dict, "z"), nullptr);
  EXPECT_EQ(find_entry(dict, "f")->key, "f");
}

TEST(Attr, IsWrittenAsTheLanguageWritesIt) {
  EXPECT_EQ(to_string(Attr()), "null");
  EXPECT_EQ(to_string(Attr(true)), "true");
  EXPECT_EQ(to_string(Attr(-3)), "-3");
  EXPECT_EQ(to_string(Attr(0.5)), "0.5");
  EXPECT_EQ(to_string(Attr("word")), "word");
  EXPECT_EQ(to_string(Attr("3")), "'3'");
  EXPECT_EQ(to_string(Attr("true")), "'true'");
  EXPECT_EQ(to_string(Attr("a, b")), "'a, b'");
  EXPECT_EQ(to_string(Attr("it's")), "'it''s'");
  EXPECT_EQ(to_string(Attr("")), "''");
  EXPECT_EQ(to_string(Attr(Attr::List{1, Attr::List{}, Dict{{"a", 1}}})), "[1, [], {a: 1}]");
  EXPECT_EQ(kind_of(Attr(1)), "an integer");
  EXPECT_EQ(kind_of(Attr(Dict{})), "a dictionary");
}

TEST(Shortest, ReadsBackAsTheSameNumber) {
  const double values[] = {0.0,         1.0,   -1.5,   0.1,
                           1.0 / 3,     1e-4,  9.9e-5, 1e15,
                           123456789.0, 1e300, 5e-324, 1e-300,
                           2.5e-10,     1e22,  1e100,  std::numeric_limits<double>::max()};
  for (double value : values) {
    std::string text = shortest(value);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    EXPECT_NE(text.find_first_of(".e"), std::string::npos) << text;
  }
  EXPECT_EQ(shortest(1), "1.0");
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(1e-5), "1e-5");
  EXPECT_EQ(shortest(1e20), "1e20");
  EXPECT_EQ(shortest(-2.5e-10), "-2.5e-10");
  EXPECT_EQ(shortest(INFINITY), ".inf");
  EXPECT_EQ(shortest(NAN), ".nan");
}

TEST(Mark, NamesItsPlaceAndItsLine) {
  auto source = std::make_shared<const Source>(Source{"f.yaml", "one\r\ntwo\n\nfour"});
  EXPECT_EQ(to_string(Mark{source, 2, 3}), "f.yaml:2:3");
  EXPECT_EQ(to_string(Mark{source, 2}), "f.yaml:2");
  EXPECT_EQ(to_string(Mark{source}), "f.yaml");
  EXPECT_EQ(to_string(Mark{}), "");
  EXPECT_EQ(source_line({source, 1}), "one");
  EXPECT_EQ(source_line({source, 2}), "two");
  EXPECT_EQ(source_line({source, 3}), "");
  EXPECT_EQ(source_line({source, 4}), "four");
  EXPECT_EQ(source_line({source, 5}), "");
  EXPECT_EQ(source_line({}), "");
}

TEST(Type, CountsAndPrints) {
  Type image{DType::f32, {N, 3, 224, 224}};
  EXPECT_TRUE(image.batched());
  EXPECT_EQ(image.elements(64), 64 * 3 * 224 * 224);
  EXPECT_EQ(image.bytes(2), 2 * 3 * 224 * 224 * 4);
  EXPECT_EQ(image.elements(0), 0);
  EXPECT_EQ(image.dims(5), (std::vector<int64_t>{5, 3, 224, 224}));
  EXPECT_EQ(to_string(image), "f32 [N, 3, 224, 224]");
  EXPECT_EQ(to_string(Shape{Dim(16, true), 2}), "[16*N, 2]");
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ((Type{DType::i64, {}}).elements(9), 1);
  EXPECT_FALSE((Type{DType::f32, {3}}).batched());
  EXPECT_THROW((Type{DType::f32, {N, INT64_MAX}}).elements(2), Error);
}

TEST(DType, HasANameAndASize) {
  const std::pair<const char*, size_t> all[] = {{"f32", 4}, {"f64", 8}, {"f16", 2}, {"bf16", 2},
                                                {"i64", 8}, {"i32", 4}, {"u8", 1},  {"bool", 1}};
  for (const auto& [name, size] : all) {
    auto dtype = parse_dtype(name);
    ASSERT_TRUE(dtype.has_value()) << name;
    EXPECT_EQ(to_string(*dtype), name);
    EXPECT_EQ(size_of(*dtype), size);
  }
  EXPECT_FALSE(parse_dtype("float").has_value());
  EXPECT_TRUE(is_floating(DType::bf16));
  EXPECT_FALSE(is_floating(DType::i64));
}

TEST(CheckedProduct, RefusesWhatDoesNotFit) {
  EXPECT_EQ(checked_product(3, 4), 12);
  EXPECT_EQ(checked_product(0, INT64_MAX), 0);
  EXPECT_FALSE(checked_product(INT64_MAX, 2).has_value());
  EXPECT_FALSE(checked_product(int64_t{1} << 32, int64_t{1} << 32).has_value());
  EXPECT_FALSE(checked_product(-1, 2).has_value());
}

}  // namespace
}  // namespace braid
