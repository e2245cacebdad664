// The p-norm of a row, (sum |x|^p)^(1/p), and its slope, in f64: the same on a GPU.
#pragma once
#include <cmath>

namespace braid {

struct PNorm {
  double p = 2;

  /// What is summed.
  constexpr double power(double x) const {
    if (p == 2) return x * x;
    return p == 1 ? std::abs(x) : std::pow(std::abs(x), p);
  }
  constexpr double root(double sum) const {
    if (p == 2) return std::sqrt(sum);
    return p == 1 ? sum : std::pow(sum, 1 / p);
  }
  /// d norm / d x; 0 where there is none.
  constexpr double slope(double x, double norm) const {
    if (x == 0 || norm == 0) return 0;
    if (p == 2) return x / norm;
    const double sign = x > 0 ? 1 : -1;
    return p == 1 ? sign : sign * std::pow(std::abs(x) / norm, p - 1);
  }
};

}  // namespace braid
