// The text of an expression to its steps. Operators bind as in `$(...)`.
#include <charconv>

#include <braid/core/error.h>

#include "math/steps.h"

namespace braid::math {
namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

struct Function {
  const char* name;
  Op op;
};
constexpr Function functions[] = {{"exp", Op::exp},   {"log", Op::log}, {"sqrt", Op::sqrt},
                                  {"abs", Op::abs},   {"sin", Op::sin}, {"cos", Op::cos},
                                  {"tanh", Op::tanh}, {"erf", Op::erf}, {"sigmoid", Op::sigmoid},
                                  {"min", Op::min},   {"max", Op::max}, {"where", Op::choose}};

std::string all_functions() {
  std::string list;
  for (auto& f : functions) list += std::string(list.empty() ? "" : " ") + f.name;
  return list;
}

/// A step and what it is.
struct Value {
  int step;
  bool condition = false;
};

class Parser {
 public:
  Parser(std::string_view text, const std::vector<std::string>& inputs,
         const std::vector<Named>& numbers)
      : text_(text), inputs_(inputs), numbers_(numbers) {}

  Program run() {
    Value all = number(conditional(), 0);
    skip_blanks();
    if (at_ < text_.size()) expected("an operator");
    return s_.program(all.step);
  }

 private:
  Value conditional() {
    Deeper deeper(*this);
    size_t from = start();
    Value yes = either();
    if (!accept_word("if")) return yes;
    size_t test = start();
    Value condition = truth(either(), test);
    if (!accept_word("else")) expected("`else`");
    size_t otherwise = start();
    Value no = number(conditional(), otherwise);
    return {s_.choose(condition.step, number(yes, from).step, no.step)};
  }

  Value either() {
    size_t from = start();
    Value left = both();
    while (accept_word("or")) {
      size_t right = start();
      left = {s_.binary(Op::max, truth(left, from).step, truth(both(), right).step), true};
    }
    return left;
  }

  Value both() {
    size_t from = start();
    Value left = negation();
    while (accept_word("and")) {
      size_t right = start();
      left = {s_.binary(Op::min, truth(left, from).step, truth(negation(), right).step), true};
    }
    return left;
  }

  Value negation() {
    if (!accept_word("not")) return comparison();
    Deeper deeper(*this);
    size_t from = start();
    Value operand = truth(negation(), from);
    return {s_.binary(Op::subtract, s_.constant(1), operand.step), true};
  }

  Value comparison() {
    size_t from = start();
    Value left = sum();
    std::string_view op = accept_any({"==", "!=", "<=", ">=", "<", ">"});
    if (op.empty()) return left;
    size_t right_at = start();
    int a = number(left, from).step, b = number(sum(), right_at).step;
    size_t end = start();
    if (!accept_any({"==", "!=", "<=", ">=", "<", ">"}).empty())
      throw Mistake{end, at_ - end, "compares twice in a row", "write a < b and b < c"};
    if (op[0] == '>') std::swap(a, b);
    Op what = op == "=="       ? Op::equal
              : op == "!="     ? Op::not_equal
              : op.size() == 2 ? Op::less_equal
                               : Op::less;
    return {s_.binary(what, a, b), true};
  }

  Value sum() {
    size_t from = start();
    Value left = product();
    for (;;) {
      std::string_view op = accept_any({"+", "-"});
      if (op.empty()) return left;
      left = joined(op == "+" ? Op::add : Op::subtract, left, from, &Parser::product);
    }
  }

  Value product() {
    size_t from = start();
    Value left = sign();
    for (;;) {
      size_t at = start();
      for (const char* none : {"//", "%"})
        if (text_.substr(at, std::string_view(none).size()) == none)
          throw Mistake{at, std::string_view(none).size(), std::string("has no `") + none + "`",
                        "there are + - * / ** and comparisons"};
      std::string_view op = text_.substr(at, 2) == "**" ? "" : accept_any({"*", "/"});
      if (op.empty()) return left;
      left = joined(op == "*" ? Op::multiply : Op::divide, left, from, &Parser::sign);
    }
  }

  Value joined(Op op, Value left, size_t from, Value (Parser::*operand)()) {
    size_t right = start();
    Value other = number((this->*operand)(), right);
    return {s_.binary(op, number(left, from).step, other.step)};
  }

  Value sign() {
    std::string_view op = accept_any({"-", "+"});
    if (op.empty()) return power();
    Deeper deeper(*this);
    size_t from = start();
    Value operand = number(sign(), from);
    return op == "-" ? Value{s_.unary(Op::negate, operand.step)} : operand;
  }

  Value power() {
    size_t from = start();
    Value base = atom();
    if (!accept("**")) return base;
    Deeper deeper(*this);
    size_t at = start();
    Value exponent = number(sign(), at);
    number(base, from);
    if (s_.is_constant(exponent.step) && s_[exponent.step].value == 2)
      return {s_.binary(Op::multiply, base.step, base.step)};
    if (s_.is_constant(exponent.step) && s_[exponent.step].value == 1) return {base.step};
    return {s_.binary(Op::power, base.step, exponent.step)};
  }

  Value atom() {
    size_t from = start();
    if (accept("(")) {
      Value inner = conditional();
      if (!accept(")")) expected("`)`");
      return inner;
    }
    if (at_ < text_.size() && (digit(text_[at_]) || text_[at_] == '.')) return literal();
    if (at_ < text_.size() && letter(text_[at_])) return word();
    at_ = from;
    expected("a value");
  }

  Value literal() {
    size_t from = at_;
    auto part = [&](char c) { return digit(c) || letter(c) || c == '.'; };
    while (at_ < text_.size() && part(text_[at_])) {
      bool exponent = (text_[at_] == 'e' || text_[at_] == 'E') && at_ + 1 < text_.size() &&
                      (text_[at_ + 1] == '-' || text_[at_ + 1] == '+');
      at_ += exponent ? 2 : 1;
    }
    std::string_view typed = text_.substr(from, at_ - from);
    double value = 0;
    auto [end, wrong] = std::from_chars(typed.data(), typed.data() + typed.size(), value);
    if (wrong != std::errc() || end != typed.data() + typed.size())
      throw Mistake{from, typed.size(), "has '" + std::string(typed) + "', which is no number"};
    return {s_.constant(value)};
  }

  Value word() {
    size_t from = at_;
    while (at_ < text_.size() && (letter(text_[at_]) || digit(text_[at_]))) ++at_;
    std::string name(text_.substr(from, at_ - from));
    if (accept("(")) return call(name, from);
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (inputs_[i] == name) return {s_.input(i)};
    for (auto& number : numbers_)
      if (number.name == name) return {s_.constant(number.value)};
    const std::string list = listed(inputs_);
    throw Mistake{from, name.size(), "has no input '" + name + "'" + did_you_mean(name, inputs_),
                  "its inputs are " + list + "; name others by from: {" + name + ": LAYER}"};
  }

  Value call(const std::string& name, size_t from) {
    std::vector<std::string> names;
    for (auto& f : functions) {
      names.push_back(f.name);
      if (name == f.name) return call(f, from);
    }
    throw Mistake{from, name.size(), "has no function '" + name + "'" + did_you_mean(name, names),
                  "there are " + all_functions()};
  }

  Value call(const Function& f, size_t from) {
    std::vector<Value> given;
    std::vector<size_t> at, end;
    do {
      at.push_back(start());
      given.push_back(conditional());
      end.push_back(at_);
    } while (accept(","));
    if (!accept(")")) expected("`,` or `)`");
    bool folds = f.op == Op::min || f.op == Op::max;
    size_t wanted = folds ? std::max<size_t>(2, given.size()) : size_t(operands(f.op));
    if (given.size() != wanted)
      throw Mistake{from, at_ - from,
                    std::string(f.name) + " takes " +
                        (folds ? "at least 2" : std::to_string(wanted)) + " values, given " +
                        std::to_string(given.size())};
    for (size_t k = f.op == Op::choose; k < given.size(); ++k) number(given[k], at[k], end[k]);
    if (f.op == Op::choose)
      return {s_.choose(truth(given[0], at[0], end[0]).step, given[1].step, given[2].step)};
    if (!folds) return {s_.unary(f.op, given[0].step)};
    Value all = given[0];
    for (size_t k = 1; k < given.size(); ++k) all = {s_.binary(f.op, all.step, given[k].step)};
    return all;
  }

  /// Operands are judged once they have been read: they end here, unless `end` says otherwise.
  Value number(Value value, size_t from, size_t end = 0) {
    if (value.condition)
      throw Mistake{from, (end ? end : at_) - from, "needs a number, and this is a condition",
                    "where(condition, 1, 0) makes a number of it"};
    return value;
  }
  Value truth(Value value, size_t from, size_t end = 0) {
    if (!value.condition)
      throw Mistake{from, (end ? end : at_) - from, "needs a condition, and this is a number",
                    "compare it: x > 0"};
    return value;
  }

  size_t start() {
    skip_blanks();
    return at_;
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n'))
      ++at_;
  }
  bool accept(std::string_view symbol) {
    skip_blanks();
    if (text_.substr(at_, symbol.size()) != symbol) return false;
    at_ += symbol.size();
    return true;
  }
  std::string_view accept_any(std::initializer_list<std::string_view> symbols) {
    for (std::string_view symbol : symbols)
      if (accept(symbol)) return symbol;
    return {};
  }
  bool accept_word(std::string_view word) {
    skip_blanks();
    size_t end = at_ + word.size();
    if (text_.substr(at_, word.size()) != word) return false;
    if (end < text_.size() && (letter(text_[end]) || digit(text_[end]))) return false;
    at_ = end;
    return true;
  }
  [[noreturn]] void expected(const char* what) {
    skip_blanks();
    bool over = at_ >= text_.size();
    throw Mistake{at_, over ? size_t{0} : 1,
                  over ? std::string("ends where ") + what + " is expected"
                       : std::string("expects ") + what + " where '" + text_[at_] + "' stands"};
  }

  struct Deeper {
    explicit Deeper(Parser& parser) : of(parser) {
      if (++of.depth_ > 64) throw Mistake{of.at_, 1, "is nested too deeply"};
    }
    ~Deeper() { --of.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    Parser& of;
  };

  std::string_view text_;
  const std::vector<std::string>& inputs_;
  const std::vector<Named>& numbers_;
  Steps s_;
  size_t at_ = 0;
  int depth_ = 0;
};

void refuse_unused(const Program& program, std::string_view text,
                   const std::vector<std::string>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    bool used = false;
    for (const Step& s : program) used |= s.op == Op::input && s.a == i;
    if (!used)
      throw Mistake{0, text.size(), "does not use its input '" + inputs[i] + "'",
                    "take it out of `from`"};
  }
}

}  // namespace

Program parse(std::string_view text, const std::vector<std::string>& inputs) {
  Program program = parse(text, inputs, {});
  refuse_unused(program, text, inputs);
  return program;
}

Program parse(std::string_view text, const std::vector<std::string>& inputs,
              const std::vector<Named>& numbers) {
  return Parser(text, inputs, numbers).run();
}

}  // namespace braid::math
