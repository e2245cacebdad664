// Backwards through the steps, as differentiation goes through the layers of a network.
#include <algorithm>

#include "math/steps.h"

namespace braid::math {
namespace {

class Derivative {
 public:
  Derivative(const Program& program, size_t inputs)
      : program_(program), values_(program.size()), gradients_(program.size(), -1) {
    for (size_t i = 0; i < program.size(); ++i) values_[i] = again(program[i]);
    gradients_.back() = s_.input(inputs);
    for (size_t i = program.size(); i-- > 0;)
      if (gradients_[i] >= 0) step(i);
  }

  Program of(size_t input) const {
    for (size_t i = 0; i < program_.size(); ++i)
      if (program_[i].op == Op::input && program_[i].a == input && gradients_[i] >= 0)
        return s_.program(gradients_[i]);
    return {};
  }

 private:
  int again(const Step& s) {
    auto at = [&](uint8_t k) { return values_[k]; };
    if (s.op == Op::input) return s_.input(s.a);
    if (s.op == Op::constant) return s_.constant(s.value);
    if (s.op == Op::choose) return s_.choose(at(s.a), at(s.b), at(s.c));
    return operands(s.op) == 1 ? s_.unary(s.op, at(s.a)) : s_.binary(s.op, at(s.a), at(s.b));
  }

  int plus(int a, int b) { return s_.binary(Op::add, a, b); }
  int minus(int a, int b) { return s_.binary(Op::subtract, a, b); }
  int times(int a, int b) { return s_.binary(Op::multiply, a, b); }
  int over(int a, int b) { return s_.binary(Op::divide, a, b); }
  int negative(int a) { return s_.unary(Op::negate, a); }
  int number(double value) { return s_.constant(value); }

  void give(uint8_t to, int gradient) {
    int& sum = gradients_[to];
    sum = sum < 0 ? gradient : plus(sum, gradient);
  }

  /// Where both are equal each gets half, as in PyTorch.
  int share(int g, int smaller, int larger) {
    return s_.choose(
        s_.binary(Op::less, smaller, larger), g,
        s_.choose(s_.binary(Op::equal, smaller, larger), times(g, number(0.5)), number(0)));
  }

  void power(const Step& s, int g, int a, int b, int y) {
    if (program_[s.a].op != Op::constant)
      give(s.a, times(g, times(b, s_.binary(Op::power, a, minus(b, number(1))))));
    if (program_[s.b].op == Op::constant) return;
    int slope = times(g, times(y, s_.unary(Op::log, a)));
    give(s.b, s_.choose(s_.binary(Op::equal, a, number(0)), number(0), slope));
  }

  void step(size_t i) {
    const Step& s = program_[i];
    const int g = gradients_[i], y = values_[i];
    const int a = values_[s.a], b = values_[s.b];
    switch (s.op) {
      case Op::add:
        return give(s.a, g), give(s.b, g);
      case Op::subtract:
        return give(s.a, g), give(s.b, negative(g));
      case Op::multiply:
        return give(s.a, times(g, b)), give(s.b, times(g, a));
      case Op::divide:
        return give(s.a, over(g, b)), give(s.b, negative(over(times(g, y), b)));
      case Op::power:
        return power(s, g, a, b, y);
      case Op::min:
        return give(s.a, share(g, a, b)), give(s.b, share(g, b, a));
      case Op::max:
        return give(s.a, share(g, b, a)), give(s.b, share(g, a, b));
      case Op::choose:
        give(s.b, s_.choose(a, g, number(0)));
        return give(s.c, s_.choose(a, number(0), g));
      case Op::negate:
        return give(s.a, negative(g));
      case Op::abs: {
        int below = s_.binary(Op::less, a, number(0)), above = s_.binary(Op::less, number(0), a);
        return give(s.a, s_.choose(below, negative(g), s_.choose(above, g, number(0))));
      }
      case Op::exp:
        return give(s.a, times(g, y));
      case Op::log:
        return give(s.a, over(g, a));
      case Op::sqrt:
        return give(s.a, over(g, times(number(2), y)));
      case Op::sin:
        return give(s.a, times(g, s_.unary(Op::cos, a)));
      case Op::cos:
        return give(s.a, negative(times(g, s_.unary(Op::sin, a))));
      case Op::tanh:
        return give(s.a, times(g, minus(number(1), times(y, y))));
      case Op::erf:  // 2 / sqrt(pi) exp(-a^2)
        return give(s.a, times(g, times(number(1.1283791670955126),
                                        s_.unary(Op::exp, negative(times(a, a))))));
      case Op::sigmoid:
        return give(s.a, times(g, times(y, minus(number(1), y))));
      case Op::input:
      case Op::constant:
      case Op::less:  // comparisons are flat
      case Op::less_equal:
      case Op::equal:
      case Op::not_equal:
        return;
    }
  }

  const Program& program_;
  Steps s_;
  std::vector<int> values_, gradients_;
};

}  // namespace

Program derivative(const Program& program, size_t input, size_t inputs) {
  return Derivative(program, inputs).of(input);
}

}  // namespace braid::math
