// Puts a Program together: equal steps are made once, constants are computed.
#pragma once
#include "math/program.h"

namespace braid::math {

class Steps {
 public:
  int input(size_t index) { return add({Op::input, uint8_t(index)}); }
  int constant(double value) { return add({.op = Op::constant, .value = value}); }
  int unary(Op op, int a) { return add({op, uint8_t(a)}); }
  int binary(Op op, int a, int b) { return add({op, uint8_t(a), uint8_t(b)}); }
  int choose(int condition, int yes, int no) {
    return add({Op::choose, uint8_t(condition), uint8_t(yes), uint8_t(no)});
  }
  const Step& operator[](int step) const { return steps_[size_t(step)]; }
  bool is_constant(int step) const { return (*this)[step].op == Op::constant; }
  /// What `result` needs, and no more.
  Program program(int result) const;

 private:
  int add(Step step);

  Program steps_;
};

/// One step in f64, on operands that are numbers.
double apply(Op op, double a, double b, double c);

}  // namespace braid::math
