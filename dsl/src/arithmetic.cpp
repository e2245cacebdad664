#include "arithmetic.h"

#include <cmath>

#include "expression.h"

namespace braid::dsl {
namespace {

[[noreturn]] void fail(std::string message, std::string help = {}) {
  throw ExpressionError{"E0022", 0, 0, std::move(message), std::move(help)};
}

Attr finite(double value) {
  if (!std::isfinite(value)) fail("the result is not a finite number");
  return value;
}

[[noreturn]] void overflow() { fail("the result does not fit into 64 bits"); }

/// Rounds towards minus infinity, as Python does.
int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) fail("division by zero");
  if (b == -1) return a == INT64_MIN ? overflow(), 0 : -a;
  int64_t q = a / b;
  return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

int64_t modulo(int64_t a, int64_t b) {
  if (b == 0) fail("division by zero");
  if (b == -1) return 0;
  int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

Attr power(int64_t base, int64_t exponent) {
  if (exponent < 0) return finite(std::pow(double(base), double(exponent)));
  int64_t result = 1;
  while (exponent > 0) {
    if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return result;
}

Attr on_integers(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+") return __builtin_add_overflow(a, b, &result) ? overflow(), 0 : result;
  if (op == "-") return __builtin_sub_overflow(a, b, &result) ? overflow(), 0 : result;
  if (op == "*") return __builtin_mul_overflow(a, b, &result) ? overflow(), 0 : result;
  if (op == "//") return floor_divide(a, b);
  if (op == "%") return modulo(a, b);
  if (op == "**") return power(a, b);
  if (b == 0) fail("division by zero");
  return finite(double(a) / double(b));
}

Attr on_reals(std::string_view op, double a, double b) {
  if (op == "+") return finite(a + b);
  if (op == "-") return finite(a - b);
  if (op == "*") return finite(a * b);
  if (op == "**") return finite(std::pow(a, b));
  if (b == 0) fail("division by zero");
  if (op == "/") return finite(a / b);
  double floored = std::floor(a / b);
  return op == "//" ? finite(floored) : finite(a - floored * b);
}

Attr integer(double value) {
  if (!(std::fabs(value) < 9.2e18)) overflow();
  return int64_t(value);
}

double half_to_even(double value) {
  double low = std::floor(value), rest = value - low;
  bool up = rest > 0.5 || (rest == 0.5 && std::fmod(low, 2) != 0);
  return up ? low + 1 : low;
}

const Attr& number(const Attr& a, std::string_view who) {
  if (!a.is_number()) fail(std::string(who) + " needs numbers, this is " + kind_of(a));
  return a;
}

Attr extreme(std::string_view name, const std::vector<Attr>& arguments) {
  bool list = arguments.size() == 1 && arguments[0].is<Attr::List>();
  const std::vector<Attr>& values = list ? arguments[0].as_list() : arguments;
  if (values.empty()) fail(std::string(name) + " of nothing");
  const Attr* best = &number(values[0], name);
  for (const Attr& v : values) {
    bool better = compare("<", number(v, name), *best).as_bool();
    bool worse = compare(">", v, *best).as_bool();
    if (name == "min" ? better : worse) best = &v;
  }
  return *best;
}

}  // namespace

Attr arithmetic(std::string_view op, const Attr& a, const Attr& b) {
  for (const Attr* side : {&a, &b})
    if (!side->is_number())
      fail("`" + std::string(op) + "` needs numbers, this is " + kind_of(*side),
           side->is<std::string>() ? "text is put together without an operator: b1_$k" : "");
  if (a.is<int64_t>() && b.is<int64_t>()) return on_integers(op, a.as_int(), b.as_int());
  return on_reals(op, a.as_double(), b.as_double());
}

Attr compare(std::string_view op, const Attr& a, const Attr& b) {
  bool numbers = a.is_number() && b.is_number();
  if (!numbers && a.value.index() != b.value.index() && !a.is_null() && !b.is_null())
    fail("cannot compare " + kind_of(a) + " with " + kind_of(b));
  if (op == "==" || op == "!=") {
    bool both = a.is<int64_t>() == b.is<int64_t>();
    bool equal = numbers && !both ? a.as_double() == b.as_double() : a == b;
    return equal == (op == "==");
  }
  bool texts = a.is<std::string>() && b.is<std::string>();
  if (!numbers && !texts) fail("`" + std::string(op) + "` needs numbers, this is " + kind_of(a));
  int order;
  if (texts)
    order = a.as_text().compare(b.as_text());
  else if (a.is<int64_t>() && b.is<int64_t>())
    order = (a.as_int() > b.as_int()) - (a.as_int() < b.as_int());
  else
    order = (a.as_double() > b.as_double()) - (a.as_double() < b.as_double());
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  return op == ">" ? order > 0 : order >= 0;
}

Attr negate(const Attr& a) { return arithmetic("-", Attr(0), a); }

Attr item_of(const Attr& list, const Attr& index) {
  if (!list.is<Attr::List>()) fail("only a list has items, this is " + kind_of(list));
  if (!index.is<int64_t>()) fail("the index of a list is an integer, not " + kind_of(index));
  const auto& items = list.as_list();
  int64_t at = index.as_int();
  if (at < 0) at += int64_t(items.size());
  if (at < 0 || at >= int64_t(items.size()))
    fail("index " + to_string(index) + " in a list of " + std::to_string(items.size()));
  return items[size_t(at)];
}

Attr call_function(std::string_view name, const std::vector<Attr>& arguments) {
  if (name == "min" || name == "max") return extreme(name, arguments);
  if (arguments.size() != 1)
    fail(std::string(name) + " takes one number, not " + std::to_string(arguments.size()));
  const Attr& x = number(arguments[0], name);
  if (name == "abs") return compare("<", x, 0).as_bool() ? negate(x) : x;
  if (x.is<int64_t>()) return x;
  if (name == "floor") return integer(std::floor(x.as_double()));
  if (name == "ceil") return integer(std::ceil(x.as_double()));
  return integer(half_to_even(x.as_double()));
}

const std::vector<std::string>& function_names() {
  static const std::vector<std::string> names = {"min", "max", "round", "floor", "ceil", "abs"};
  return names;
}

}  // namespace braid::dsl
