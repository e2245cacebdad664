// Equations of Einstein sums: "nkp,pc->nkc" names every dimension of every operand by a letter; one
// letter is one size, and letters that the result lacks are summed over.
//
//   Equation e = parse_equation("nkp, pc -> nkc", problem);    // problem says what is malformed
//   e.in[1];                                                   // "pc"
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace braid {

struct Equation {
  std::vector<std::string> in;
  std::string out;
};
std::string to_string(const Equation& equation);

/// Blanks do not count. Without `->` the result has the letters that stand once, in the order of
/// the alphabet. What is malformed is told in `problem`, which stays empty for a good one.
Equation parse_equation(std::string_view text, std::string& problem);

/// The equation of two operands that begins to work off a longer one: the result keeps what the
/// others or the result still need, in the order in which it stands there, the result's first
/// letter before all.
std::string kept_labels(std::string_view a, std::string_view b, const Equation& whole, size_t next);

}  // namespace braid
