#include <braid/core/attr.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace braid {
namespace {

bool equal(const Dict& a, const Dict& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Entry& x, const Entry& y) {
    return x.key == y.key && x.value == y.value;
  });
}

/// Would the plain word read back as this text, also inside a flow list?
bool needs_quotes(std::string_view text) {
  if (text.empty() || text == "null" || text == "~" || text == "true" || text == "false")
    return true;
  if (text.front() == ' ' || text.back() == ' ') return true;
  if (std::string_view("-+.0123456789").find(text.front()) != text.npos &&
      text.find_first_not_of("+-.0123456789eE") == text.npos)
    return true;
  if (std::string_view("&*!|>%@`?").find(text.front()) != text.npos) return true;
  return text.find_first_of(",[]{}:#\"'\n\t") != text.npos;
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

template <class Items, class Write>
std::string joined(char open, const Items& items, char close, Write write) {
  std::string out(1, open);
  for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + write(item);
  return out + close;
}

std::string word(const std::string& text) { return needs_quotes(text) ? quoted(text) : text; }

}  // namespace

double Attr::as_double() const {
  if (is<int64_t>()) return double(as_int());
  return std::get<double>(value);
}

bool operator==(const Attr& a, const Attr& b) {
  if (a.value.index() != b.value.index()) return false;
  if (a.is<Dict>()) return equal(a.as_dict(), b.as_dict());
  if (a.is<Attr::List>()) return a.as_list() == b.as_list();
  if (a.is<std::string>()) return a.as_text() == b.as_text();
  if (a.is<double>()) return std::get<double>(a.value) == std::get<double>(b.value);
  if (a.is<int64_t>()) return a.as_int() == b.as_int();
  return a.is_null() || a.as_bool() == b.as_bool();
}

const Entry* find_entry(const Dict& dict, std::string_view key) {
  for (const Entry& entry : dict)
    if (entry.key == key) return &entry;
  return nullptr;
}

const Attr* find(const Dict& dict, std::string_view key) {
  const Entry* entry = find_entry(dict, key);
  return entry ? &entry->value : nullptr;
}

void set(Dict& dict, std::string key, Attr value) {
  for (Entry& entry : dict)
    if (entry.key == key) {
      entry.value = std::move(value);
      return;
    }
  dict.push_back({std::move(key), std::move(value)});
}

bool get_bool(const Dict& dict, std::string_view key, bool otherwise) {
  const Attr* found = find(dict, key);
  return found ? found->as_bool() : otherwise;
}

int64_t get_int(const Dict& dict, std::string_view key, int64_t otherwise) {
  const Attr* found = find(dict, key);
  return found ? found->as_int() : otherwise;
}

double get_double(const Dict& dict, std::string_view key, double otherwise) {
  const Attr* attr = find(dict, key);
  return attr && attr->is_number() ? attr->as_double() : otherwise;
}

std::string get_text(const Dict& dict, std::string_view key, std::string otherwise) {
  const Attr* found = find(dict, key);
  return found ? found->as_text() : otherwise;
}

std::vector<int64_t> get_ints(const Dict& dict, std::string_view key,
                              std::vector<int64_t> otherwise) {
  const Attr* found = find(dict, key);
  if (!found) return otherwise;
  if (!found->is<Attr::List>()) return {found->as_int()};
  std::vector<int64_t> ints;
  for (const Attr& item : found->as_list()) ints.push_back(item.as_int());
  return ints;
}

std::vector<double> get_doubles(const Dict& dict, std::string_view key) {
  std::vector<double> numbers;
  if (const Attr* found = find(dict, key); found && found->is<Attr::List>())
    for (const Attr& item : found->as_list()) numbers.push_back(item.as_double());
  return numbers;
}

std::string to_string(const Attr& attr) {
  if (attr.is_null()) return "null";
  if (attr.is<bool>()) return attr.as_bool() ? "true" : "false";
  if (attr.is<int64_t>()) return std::to_string(attr.as_int());
  if (attr.is<double>()) return shortest(attr.as_double());
  if (attr.is<std::string>()) return word(attr.as_text());
  if (attr.is<Attr::List>())
    return joined('[', attr.as_list(), ']', [](const Attr& item) { return to_string(item); });
  return joined('{', attr.as_dict(), '}',
                [](const Entry& e) { return word(e.key) + ": " + to_string(e.value); });
}

std::string kind_of(const Attr& attr) {
  static constexpr const char* kinds[] = {"nothing", "true or false", "an integer",  "a number",
                                          "text",    "a list",        "a dictionary"};
  return kinds[attr.value.index()];
}

std::string shortest(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  char buffer[64];
  double size = std::fabs(value);
  bool fixed = size == 0 || (size >= 1e-4 && size < 1e15);
  auto format = fixed ? std::chars_format::fixed : std::chars_format::scientific;
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr;
  std::string text(buffer, end);
  if (fixed) return text.find('.') == text.npos ? text + ".0" : text;
  size_t digits = text.find('e') + 1;  // 1e-05 and 1e+20 become 1e-5 and 1e20
  if (text[digits] == '+')
    text.erase(digits, 1);
  else
    ++digits;
  while (text[digits] == '0' && digits + 1 < text.size()) text.erase(digits, 1);
  return text;
}

}  // namespace braid
