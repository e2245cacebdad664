// Expressions: `$name` and `$(expr)` in a scalar. Arithmetic `+ - * / // % **`, comparisons,
// `and or not`, `a if c else b`, `min max round floor ceil abs`, lists and their items, 'text'.
//
//   interpolate("b1_$k", lookup)             // text "b1_2"
//   interpolate("$(2 if i == 0 else 1)", l)  // the integer 2
//
// A scalar that is nothing but one expression keeps the expression's type.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include <braid/core/attr.h>

namespace braid::dsl {

/// What is wrong, and with which bytes of the scalar.
struct ExpressionError {
  const char* code;
  size_t at, length;
  std::string message, help = {};
};

/// The value of a name; throws ExpressionError (at and length are filled in) when there is none.
using Lookup = std::function<const Attr&(std::string_view name)>;

bool has_expression(std::string_view text);

/// Throws ExpressionError.
Attr interpolate(std::string_view text, const Lookup& lookup);

/// The value of the expression whose `(` stands at `at`, which moves behind its `)`.
Attr parenthesized(std::string_view text, size_t& at, const Lookup& lookup);

/// `name` when the scalar is nothing but `$name`, else "".
std::string_view lone_name(std::string_view text);

}  // namespace braid::dsl
