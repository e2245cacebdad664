// `$name`, `$(expr)` and `$$` in the text of a scalar.
#include <algorithm>
#include <optional>

#include "expression.h"

namespace braid::dsl {
namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

/// A value inside text: without quotes.
std::string as_text(const Attr& attr) {
  return attr.is<std::string>() ? attr.as_text() : to_string(attr);
}

size_t name_end(std::string_view text, size_t at) {
  if (at < text.size() && digit(text[at])) return at;
  while (at < text.size() && (letter(text[at]) || digit(text[at]))) ++at;
  return at;
}

/// `${name}` of shells and of Hydra, or a dollar that is meant as one.
std::string help_for_lone(std::string_view rest) {
  size_t end = rest.find('}');
  if (!rest.starts_with('{') || end == rest.npos) return "a dollar is written $$";
  std::string inner(rest.substr(1, end - 1));
  return "write " + (name_end(inner, 0) == inner.size() ? "$" + inner : "$(" + inner + ")");
}

/// The value of the `$...` at `at`, which moves behind it; nothing for `$$`.
std::optional<Attr> read_dollar(std::string_view text, size_t& at, const Lookup& lookup) {
  size_t from = at;
  if (text.substr(at, 2) == "$$") return at += 2, std::nullopt;
  if (text.substr(at, 2) == "$(") {
    ++at;
    return parenthesized(text, at, lookup);
  }
  size_t end = name_end(text, at + 1);
  if (end == at + 1)
    throw ExpressionError{"E0021", at, 1, "a lone `$`", help_for_lone(text.substr(at + 1))};
  at = end;
  try {
    return lookup(text.substr(from + 1, end - from - 1));
  } catch (ExpressionError& e) {
    e.at = from, e.length = end - from;
    throw;
  }
}

}  // namespace

bool has_expression(std::string_view text) { return text.find('$') != text.npos; }

std::string_view lone_name(std::string_view text) {
  if (text.size() < 2 || text[0] != '$' || name_end(text, 1) != text.size()) return {};
  return text.substr(1);
}

Attr interpolate(std::string_view text, const Lookup& lookup) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '$') {
      size_t next = std::min(text.find('$', at), text.size());
      out += text.substr(at, next - at);
      at = next;
      continue;
    }
    size_t from = at;
    std::optional<Attr> result = read_dollar(text, at, lookup);
    if (result && from == 0 && at == text.size()) return *result;
    out += result ? as_text(*result) : "$";
  }
  return out;
}

}  // namespace braid::dsl
