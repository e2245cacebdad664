#include "einsum/equation.h"

#include <algorithm>
#include <cctype>

namespace braid {
namespace {

bool has(std::string_view labels, char label) { return labels.find(label) != labels.npos; }

std::string quoted(char c) { return std::string("'") + c + "'"; }

std::string check(const Equation& e) {
  std::string all;
  for (auto& labels : e.in)
    for (size_t i = 0; i < labels.size(); ++i) {
      if (has(std::string_view(labels).substr(0, i), labels[i]))
        return quoted(labels[i]) + " stands twice in '" + labels + "': diagonals are not taken";
      if (!has(all, labels[i])) all += labels[i];
    }
  for (size_t i = 0; i < e.out.size(); ++i) {
    if (has(std::string_view(e.out).substr(0, i), e.out[i]))
      return quoted(e.out[i]) + " stands twice in the result '" + e.out + "'";
    if (!has(all, e.out[i])) return quoted(e.out[i]) + " of the result stands in no operand";
  }
  return {};
}

// What stands once, sorted.
std::string implied(const Equation& e) {
  std::string all, once;
  for (auto& labels : e.in) all += labels;
  for (char c : all)
    if (std::ranges::count(all, c) == 1) once += c;
  std::ranges::sort(once);
  return once;
}

}  // namespace

std::string to_string(const Equation& equation) {
  std::string text;
  for (auto& labels : equation.in) text += (&labels == equation.in.data() ? "" : ",") + labels;
  return text + "->" + equation.out;
}

Equation parse_equation(std::string_view text, std::string& problem) {
  Equation e{{""}, ""};
  bool arrow = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ') continue;
    if (std::isalpha(static_cast<unsigned char>(c))) {
      (arrow ? e.out : e.in.back()) += c;
    } else if (c == ',' && !arrow) {
      e.in.emplace_back();
    } else if (c == '-' && !arrow && text.substr(i, 2) == "->") {
      arrow = true;
      ++i;
    } else {
      problem = c == '.' ? "'...' is not taken: name each dimension by a letter"
                         : quoted(c) + " at character " + std::to_string(i + 1) +
                               " is neither a letter, a comma nor the one '->'";
      return e;
    }
  }
  if (!arrow) e.out = implied(e);
  problem = check(e);
  return e;
}

std::string kept_labels(std::string_view a, std::string_view b, const Equation& whole,
                        size_t next) {
  std::string kept, all = std::string(a) + std::string(b);
  // The result's first letter may be N, which is always dimension 0.
  if (!whole.out.empty() && has(all, whole.out[0])) kept = whole.out.substr(0, 1);
  for (char c : all) {
    bool needed = has(whole.out, c);
    for (size_t k = next; k < whole.in.size(); ++k) needed |= has(whole.in[k], c);
    if (needed && !has(kept, c)) kept += c;
  }
  return kept;
}

}  // namespace braid
