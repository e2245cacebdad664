#include "expression.h"

#include <algorithm>
#include <optional>
#include <variant>

#include <braid/core/error.h>

#include "arithmetic.h"
#include "scalar.h"

namespace braid::dsl {
namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

/// A value, or the fault that stands in its place until somebody needs it: the branch of an
/// `a if c else b` that is not taken may divide by zero.
using Outcome = std::variant<Attr, ExpressionError>;

const Attr& value(const Outcome& outcome) {
  if (auto* fault = std::get_if<ExpressionError>(&outcome)) throw *fault;
  return std::get<Attr>(outcome);
}

/// A recursive-descent parser that evaluates as it reads.
class Parser {
 public:
  Parser(std::string_view text, size_t at, const Lookup& lookup)
      : text_(text), at_(at), open_(at), lookup_(lookup) {}

  /// What stands between the parentheses that begin at `at`; moves behind the closing one.
  Attr parenthesized() {
    ++at_;
    Outcome result = conditional();
    if (!accept(")")) expected("`)`");
    return value(result);
  }
  size_t position() const { return at_; }

 private:
  template <class Make>
  Outcome attempt(size_t from, Make make) {
    try {
      return make();
    } catch (ExpressionError& e) {
      if (e.length == 0) e.at = from, e.length = std::max<size_t>(1, at_ - from);
      return e;
    }
  }

  Outcome conditional();
  Outcome either();
  Outcome both();
  Outcome negation();
  Outcome comparison();
  Outcome sum();
  Outcome product();
  Outcome sign();
  Outcome power();
  Outcome postfix();
  Outcome atom();
  Outcome word();
  Outcome number();
  Outcome quoted();
  std::vector<Outcome> list(const char* close);
  Outcome list_value(size_t from, const std::vector<Outcome>& items);
  Outcome call(size_t from, std::string_view name);
  bool condition(const Outcome& outcome, const char* who);

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool accept(std::string_view symbol);
  bool accept_word(std::string_view word);
  std::string_view accept_any(std::initializer_list<std::string_view> symbols);
  [[noreturn]] void expected(const char* what);
  void descend() {
    if (++depth_ > 40) throw ExpressionError{"E0021", at_, 1, "an expression nested too deeply"};
  }

  std::string_view text_;
  size_t at_, open_;
  const Lookup& lookup_;
  int depth_ = 0;
};

void Parser::expected(const char* what) {
  skip_blanks();
  if (at_ >= text_.size())
    throw ExpressionError{"E0021", open_, text_.size() - open_, "this `$(` is never closed",
                          "a comma inside $(...) in a flow map or list needs quotes: "
                          "\"$(min(a, b))\""};
  std::string_view next = text_.substr(at_);
  std::string help;
  if (next.starts_with('=')) help = "a comparison is ==";
  if (next.starts_with('&')) help = "combine with `and`";
  if (next.starts_with('|')) help = "combine with `or`";
  if (next.starts_with('?')) help = "write a if condition else b";
  if (next.starts_with('^')) help = "a power is **";
  throw ExpressionError{"E0021", at_, 1, std::string("expected ") + what + " here", help};
}

bool Parser::accept(std::string_view symbol) {
  skip_blanks();
  if (text_.substr(at_, symbol.size()) != symbol) return false;
  at_ += symbol.size();
  return true;
}

std::string_view Parser::accept_any(std::initializer_list<std::string_view> symbols) {
  for (std::string_view symbol : symbols)
    if (accept(symbol)) return symbol;
  return {};
}

bool Parser::accept_word(std::string_view word) {
  skip_blanks();
  size_t end = at_ + word.size();
  if (text_.substr(at_, word.size()) != word) return false;
  if (end < text_.size() && (letter(text_[end]) || digit(text_[end]))) return false;
  at_ = end;
  return true;
}

bool Parser::condition(const Outcome& outcome, const char* who) {
  const Attr& v = value(outcome);
  if (!v.is<bool>())
    throw ExpressionError{"E0022", 0, 0,
                          std::string(who) + " needs true or false, this is " + kind_of(v)};
  return v.as_bool();
}

Outcome Parser::conditional() {
  descend();
  size_t from = at_;
  Outcome chosen = either();
  if (accept_word("if")) {
    Outcome test = either();
    if (!accept_word("else")) expected("`else`");
    Outcome otherwise = conditional();
    Outcome held = attempt(from, [&]() -> Outcome { return Attr(condition(test, "`if`")); });
    if (held.index() == 1)
      chosen = held;
    else if (!value(held).as_bool())
      chosen = otherwise;
  }
  --depth_;
  return chosen;
}

Outcome Parser::either() {
  size_t from = at_;
  Outcome left = both();
  while (accept_word("or")) {
    Outcome right = both();
    left = attempt(from, [&]() -> Outcome {
      return Attr(condition(left, "`or`") || condition(right, "`or`"));
    });
  }
  return left;
}

Outcome Parser::both() {
  size_t from = at_;
  Outcome left = negation();
  while (accept_word("and")) {
    Outcome right = negation();
    left = attempt(from, [&]() -> Outcome {
      return Attr(condition(left, "`and`") && condition(right, "`and`"));
    });
  }
  return left;
}

Outcome Parser::negation() {
  size_t from = at_;
  if (!accept_word("not")) return comparison();
  descend();
  Outcome operand = negation();
  --depth_;
  return attempt(from, [&]() -> Outcome { return Attr(!condition(operand, "`not`")); });
}

Outcome Parser::comparison() {
  size_t from = at_;
  Outcome left = sum();
  std::string_view op = accept_any({"==", "!=", "<=", ">=", "<", ">"});
  if (op.empty()) return left;
  Outcome right = sum();
  size_t end = at_;
  if (!accept_any({"==", "!=", "<=", ">=", "<", ">"}).empty())
    throw ExpressionError{"E0021", end, at_ - end, "comparisons do not chain",
                          "write a < b and b < c"};
  return attempt(from, [&]() -> Outcome { return compare(op, value(left), value(right)); });
}

Outcome Parser::sum() {
  size_t from = at_;
  Outcome left = product();
  for (;;) {
    std::string_view op = accept_any({"+", "-"});
    if (op.empty()) return left;
    Outcome right = product();
    left = attempt(from, [&]() -> Outcome { return arithmetic(op, value(left), value(right)); });
  }
}

Outcome Parser::product() {
  size_t from = at_;
  Outcome left = sign();
  for (;;) {
    std::string_view op = accept_any({"*", "//", "/", "%"});
    if (op.empty()) return left;
    Outcome right = sign();
    left = attempt(from, [&]() -> Outcome { return arithmetic(op, value(left), value(right)); });
  }
}

Outcome Parser::sign() {
  size_t from = at_;
  std::string_view op = accept_any({"-", "+"});
  if (op.empty()) return power();
  descend();
  Outcome operand = sign();
  --depth_;
  return attempt(from, [&]() -> Outcome {
    return op == "-" ? negate(value(operand)) : arithmetic("+", 0, value(operand));
  });
}

Outcome Parser::power() {
  size_t from = at_;
  Outcome base = postfix();
  if (!accept("**")) return base;
  descend();
  Outcome exponent = sign();
  --depth_;
  return attempt(from, [&]() -> Outcome { return arithmetic("**", value(base), value(exponent)); });
}

Outcome Parser::postfix() {
  size_t from = at_;
  Outcome result = atom();
  while (accept("[")) {
    Outcome index = conditional();
    if (!accept("]")) expected("`]`");
    result = attempt(from, [&]() -> Outcome { return item_of(value(result), value(index)); });
  }
  return result;
}

Outcome Parser::atom() {
  skip_blanks();
  size_t from = at_;
  if (accept("(")) {
    Outcome inner = conditional();
    if (!accept(")")) expected("`)`");
    return inner;
  }
  if (accept("[")) return list_value(from, list("]"));
  if (at_ < text_.size()) {
    if (text_[at_] == '\'') return quoted();
    if (digit(text_[at_]) || text_[at_] == '.') return number();
    if (letter(text_[at_])) return word();
    if (text_[at_] == '$')
      throw ExpressionError{"E0021", at_, 1, "inside $(...) a name stands without `$`",
                            "remove the inner `$`"};
    if (text_[at_] == '"')
      throw ExpressionError{"E0021", at_, 1, "text inside $(...) stands in 'single quotes'",
                            "write 'text'"};
    if (text_[at_] == '=' || text_[at_] == '!' || text_[at_] == '&' || text_[at_] == '|')
      throw ExpressionError{"E0021", at_, 1, "not an operator of the language",
                            "compare with == and !=, combine with `and`, `or`, `not`"};
  }
  expected("a value");
}

std::vector<Outcome> Parser::list(const char* close) {
  std::vector<Outcome> items;
  if (accept(close)) return items;
  do {
    items.push_back(conditional());
  } while (accept(","));
  if (!accept(close)) expected(*close == ')' ? "`,` or `)`" : "`,` or `]`");
  return items;
}

Outcome Parser::list_value(size_t from, const std::vector<Outcome>& items) {
  return attempt(from, [&]() -> Outcome {
    Attr::List values;
    for (const Outcome& item : items) values.push_back(value(item));
    return Attr(std::move(values));
  });
}

Outcome Parser::call(size_t from, std::string_view name) {
  std::vector<Outcome> items = list(")");
  return attempt(from, [&]() -> Outcome {
    std::vector<Attr> arguments;
    for (const Outcome& item : items) arguments.push_back(value(item));
    return call_function(name, arguments);
  });
}

Outcome Parser::word() {
  size_t from = at_;
  while (at_ < text_.size() && (letter(text_[at_]) || digit(text_[at_]))) ++at_;
  std::string_view name = text_.substr(from, at_ - from);
  if (name == "true") return Attr(true);
  if (name == "false") return Attr(false);
  if (name == "null") return Attr();
  for (const char* reserved : {"if", "else", "and", "or", "not"})
    if (name == reserved) {
      at_ = from;
      expected("a value");
    }
  if (accept("(")) {
    const auto& known = function_names();
    if (std::find(known.begin(), known.end(), name) != known.end()) return call(from, name);
    throw ExpressionError{"E0021", from, name.size(),
                          "no function '" + std::string(name) + "'" + did_you_mean(name, known),
                          "there are min, max, round, floor, ceil and abs"};
  }
  size_t end = at_;
  at_ = from + name.size();
  Outcome result = attempt(from, [&]() -> Outcome { return lookup_(name); });
  at_ = std::max(at_, end);
  return result;
}

Outcome Parser::number() {
  size_t from = at_;
  auto part = [&](char c) { return digit(c) || letter(c) || c == '.'; };
  while (at_ < text_.size() && part(text_[at_])) {
    bool exponent = (text_[at_] == 'e' || text_[at_] == 'E') && at_ + 1 < text_.size() &&
                    (text_[at_ + 1] == '-' || text_[at_ + 1] == '+');
    at_ += exponent ? 2 : 1;
  }
  std::string_view typed = text_.substr(from, at_ - from);
  Scalar scalar = read_plain(typed);
  if (scalar.wrong.empty() && !scalar.value.is_number())
    scalar.wrong = "'" + std::string(typed) + "' is not a number";
  if (!scalar.wrong.empty()) throw ExpressionError{"E0012", from, typed.size(), scalar.wrong};
  return scalar.value;
}

Outcome Parser::quoted() {
  size_t from = at_++;
  std::string text;
  for (; at_ < text_.size(); ++at_) {
    if (text_[at_] != '\'') {
      text += text_[at_];
    } else if (text_.substr(at_, 2) == "''") {
      text += text_[at_++];
    } else {
      ++at_;
      return Attr(text);
    }
  }
  throw ExpressionError{"E0021", from, 1, "this text is never closed"};
}

}  // namespace

Attr parenthesized(std::string_view text, size_t& at, const Lookup& lookup) {
  Parser parser(text, at, lookup);
  Attr result = parser.parenthesized();
  at = parser.position();
  return result;
}

}  // namespace braid::dsl
