#include "spelling.h"

#include <algorithm>
#include <array>

#include "expression.h"
#include "scalar.h"

namespace braid::dsl {
namespace {

bool is_one_of(std::string_view word, auto& list) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

constexpr std::string_view nulls[] = {"~", "null", "Null", "NULL"};
/// Words that other readers of YAML take for booleans.
constexpr std::string_view booleans[] = {"yes", "Yes",  "YES",  "no",    "No",   "NO", "on",
                                         "On",  "ON",   "off",  "Off",   "OFF",  "y",  "Y",
                                         "n",   "True", "TRUE", "False", "FALSE"};
/// Without quotes these are types of params.
constexpr std::string_view types[] = {"int", "float", "bool", "text", "list", "layer"};

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

/// Can it stand without quotes?
bool is_plain(std::string_view text, bool flow) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  if (std::any_of(text.begin(), text.end(), is_control)) return false;
  if (std::string_view("?:,[]{}#&*!|>'\"%@`").find(text.front()) != text.npos) return false;
  if (text.front() == '-' && (text.size() == 1 || text[1] == ' ' || text[1] == '-')) return false;
  if (text.starts_with("...") || text == "<<" || text == "=") return false;
  if (text.find(": ") != text.npos || text.find(" #") != text.npos) return false;
  return !flow || text.find_first_of(",[]{}?") == text.npos;
}

std::string in_double_quotes(std::string_view text) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (is_control(c))
      out += std::string("\\x") + digits[c >> 4 & 15] + digits[c & 15];
    else
      out += c;
  }
  return out + "\"";
}

std::string in_quotes(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), is_control)) return in_double_quotes(text);
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

}  // namespace

bool is_text(const Node& scalar) {
  if (scalar.quoted || has_expression(scalar.text)) return true;
  const Scalar read = read_plain(scalar.text);
  return read.wrong.empty() && read.value.is<std::string>();
}

std::string spelled(const Node& scalar, bool flow) {
  const std::string& text = scalar.text;
  if (!is_plain(text, flow)) return in_quotes(text);
  if (!scalar.quoted) return text;
  Node bare = scalar;
  bare.quoted = false;
  const bool odd = is_one_of(text, nulls) || is_one_of(text, booleans) || is_one_of(text, types);
  return odd || !is_text(bare) ? in_quotes(text) : text;
}

std::string spelled_key(const std::string& key, bool flow) {
  return is_plain(key, flow) && !is_one_of(key, nulls) ? key : in_quotes(key);
}

bool fits_literal(const std::string& text) {
  if (text.find('\n') == text.npos || text.front() == ' ' || text.front() == '\n') return false;
  return std::none_of(text.begin(), text.end(), [](char c) { return c != '\n' && is_control(c); });
}

}  // namespace braid::dsl
