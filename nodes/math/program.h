// What Math computes for each element: a list of steps, each of which takes results of steps before
// it; the last one is the result.
//
//   Program p = parse("n * (1 + g)", {"n", "g"});   // n; g; 1; add 2 1; multiply 0 3
//   Program d = derivative(p, 0);                   // of input 0, given that of the result
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <braid/core/attr.h>

namespace braid::math {

/// Conditions are 1 and 0.
enum class Op : uint8_t {
  input,     ///< number `a`
  constant,  ///< `value`
  add,
  subtract,
  multiply,
  divide,
  power,
  min,  ///< of min and max either is NaN where an operand is
  max,
  less,
  less_equal,
  equal,
  not_equal,
  choose,  ///< b where a holds, else c
  negate,
  abs,
  exp,
  log,
  sqrt,
  sin,
  cos,
  tanh,
  erf,
  sigmoid
};

struct Step {
  Op op = Op::constant;
  uint8_t a = 0, b = 0, c = 0;
  double value = 0;
  bool operator==(const Step&) const = default;
};
using Program = std::vector<Step>;

constexpr size_t most_steps = 96, most_inputs = 8;

/// How many steps before it a step reads.
int operands(Op op);

/// A list of steps: ["input", 0], ["constant", 0.5], ["add", 0, 1].
Attr to_attr(const Program& program);
Program program_of(const Attr& attr);

/// What is wrong with an expression, and with which of its bytes.
struct Mistake {
  size_t at, length;
  std::string message, help = {};
};

/// Throws Mistake.
Program parse(std::string_view text, const std::vector<std::string>& inputs);

/// A number that an expression calls by a name.
struct Named {
  std::string name;
  double value;
};
/// For expressions that are the code's own: of the inputs it need not use all.
Program parse(std::string_view text, const std::vector<std::string>& inputs,
              const std::vector<Named>& numbers);

/// The gradient of one input. Its inputs are those of `program`, and behind them the gradient of
/// the result. Empty where the result does not depend on the input. Throws Mistake when it would
/// take too many steps.
Program derivative(const Program& program, size_t input, size_t inputs);

/// The inputs that a program reads, which are numbered anew in that order.
std::vector<size_t> compact(Program& program);

}  // namespace braid::math
