#include "values.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "expression.h"
#include "scalar.h"

namespace braid::dsl {
namespace {

[[noreturn]] void unknown_name(const Scope* scope, std::string_view name) {
  std::vector<std::string> known;
  for (; scope; scope = scope->outer.get())
    for (const Variable& v : scope->variables) known.push_back(v.name);
  std::string help = known.empty() ? "params of the file are declared in `params: {name: default}`"
                                   : "known here: ";
  for (size_t i = 0; i < known.size() && i < 12; ++i) help += (i ? ", " : "") + known[i];
  throw ExpressionError{"E0023", 0, 0,
                        "no param named '" + std::string(name) + "'" + did_you_mean(name, known),
                        help};
}

const Attr& look_up(const Scope* scope, std::string_view name) {
  const Variable* found = find_variable(scope, name);
  if (!found) unknown_name(scope, name);
  if (auto* value = std::get_if<Attr>(&found->value)) return *value;
  throw ExpressionError{"E0022", 0, 0,
                        "'" + std::string(name) + "' is a layer, which only an item can be",
                        "write it as an item of its own: - $" + std::string(name)};
}

std::optional<Attr> evaluate_scalar(const Env& env, const Node& node) {
  Attr value;
  if (has_expression(node.text)) {
    const Scope* scope = env.scope.get();
    try {
      value = interpolate(node.text, [scope](std::string_view name) -> const Attr& {
        return look_up(scope, name);
      });
    } catch (const ExpressionError& e) {
      auto& error = env.error(e.code, inside(node, e.at, e.length), e.message);
      if (!e.help.empty()) error.help(e.help);
      return {};
    }
  } else if (node.quoted) {
    value = Attr(node.text);
  } else {
    Scalar scalar = read_plain(node.text);
    if (!scalar.wrong.empty()) {
      auto& error = env.error("E0012", node.place, scalar.wrong);
      if (!scalar.help.empty()) error.help(scalar.help);
      return {};
    }
    value = std::move(scalar.value);
  }
  size_t bytes = value.is<std::string>() ? value.as_text().size() : 0;
  env.reading.spend(node.place, env.via, 1, bytes);
  return value;
}

/// A list or dictionary: all its faults are reported, not only the first.
std::optional<Attr> evaluate_items(const Env& env, const Node& node) {
  Attr::List list;
  bool fine = true;
  for (const Node& item : node.items) {
    auto value = evaluate(env, item);
    fine &= value.has_value();
    if (value) list.push_back(std::move(*value));
  }
  return fine ? std::optional<Attr>(std::move(list)) : std::nullopt;
}

std::optional<Attr> evaluate_members(const Env& env, const Node& node) {
  Dict dict;
  bool fine = true;
  for (const Member& member : node.members) {
    auto value = evaluate(env, member.value);
    fine &= value.has_value();
    if (value) dict.push_back({member.key, std::move(*value), env.mark(member.place)});
  }
  return fine ? std::optional<Attr>(std::move(dict)) : std::nullopt;
}

void wrong_kind(const Env& env, const Node& node, const std::string& what, const char* wanted,
                const Attr& got) {
  auto& error =
      env.error("E0032", node.place, what + " is " + wanted + ", this is " + described(got));
  const std::string_view kind = wanted;
  if (kind == "text" && (got.is_number() || got.is<bool>()))
    error.help("text that looks like a number or a boolean needs quotes: '" + node.text + "'");
  if (kind == "an integer" && got.is<double>() && got.as_double() == std::floor(got.as_double()))
    error.help("write it without a fraction");
  if (kind == "true or false" && (got == Attr(0) || got == Attr(1)))
    error.help(got == Attr(1) ? "write true" : "write false");
  if (!got.is<std::string>()) return;
  const std::string& text = got.as_text();
  if (node.quoted && !read_plain(text).value.is<std::string>())
    error.help("a value in quotes is text; write " + text + " without quotes");
  static constexpr std::string_view yes[] = {"yes", "on", "True", "TRUE", "y", "Yes", "YES", "On"},
                                    no[] = {"no", "off", "False", "FALSE", "n", "No", "NO", "Off"};
  for (auto& [words, ours] : {std::pair{std::span(yes), "true"}, std::pair{std::span(no), "false"}})
    if (std::find(words.begin(), words.end(), text) != words.end())
      error.help(std::string("only true and false are booleans: write ") + ours);
}

}  // namespace

std::string described(const Attr& value) {
  if (value.is<bool>() || value.is_null()) return to_string(value);
  if (value.is<Attr::List>() || value.is<Dict>()) return kind_of(value);
  if (value.is<std::string>()) {
    const std::string& text = value.as_text();
    return text.size() > 40 ? "text" : "the text '" + text + "'";
  }
  return (value.is<int64_t>() ? "the integer " : "the number ") + to_string(value);
}

const Variable* find_variable(const Scope* scope, std::string_view name) {
  for (; scope; scope = scope->outer.get())
    for (const Variable& v : scope->variables)
      if (v.name == name) return &v;
  return nullptr;
}

Env Env::with(std::vector<Variable> variables) const {
  auto inner = std::make_shared<Scope>();
  inner->outer = scope;
  inner->file = scope ? scope->file : nullptr;
  inner->variables = std::move(variables);
  return {reading, std::move(inner), via};
}

std::optional<Attr> evaluate(const Env& env, const Node& node) {
  std::optional<Attr> value = Attr();
  if (node.is_scalar())
    value = evaluate_scalar(env, node);
  else
    env.reading.spend(node.place, env.via, 1);
  if (node.is_list()) value = evaluate_items(env, node);
  if (node.is_map()) value = evaluate_members(env, node);
  if (value) value->mark = env.mark(node.place);
  return value;
}

const LayerValue* layer_value(const Env& env, const Node& node) {
  if (!node.is_scalar()) return nullptr;
  std::string_view name = lone_name(node.text);
  const Variable* found = name.empty() ? nullptr : find_variable(env.scope.get(), name);
  return found ? std::get_if<LayerValue>(&found->value) : nullptr;
}

std::optional<std::string> read_name(const Env& env, const Node& node, const std::string& what) {
  if (!node.is_scalar()) {
    env.error("E0032", node.place, what + " must be a word, this is " + kind_of(node));
    return {};
  }
  if (!has_expression(node.text)) return node.text;
  auto value = evaluate(env, node);
  if (!value) return {};
  if (value->is<std::string>()) return value->as_text();
  if (value->is<int64_t>()) return to_string(*value);
  env.error("E0032", node.place, what + " must be a word, this is " + described(*value));
  return {};
}

std::optional<std::string> read_text_value(const Env& env, const Node& node,
                                           const std::string& what) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (value->is<std::string>()) return value->as_text();
  wrong_kind(env, node, what, "text", *value);
  return {};
}

std::optional<bool> read_bool(const Env& env, const Node& node, const std::string& what) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (value->is<bool>()) return value->as_bool();
  wrong_kind(env, node, what, "true or false", *value);
  return {};
}

std::optional<int64_t> read_integer(const Env& env, const Node& node, const std::string& what,
                                    int64_t min, int64_t max) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (!value->is<int64_t>()) {
    wrong_kind(env, node, what, "an integer", *value);
    return {};
  }
  int64_t number = value->as_int();
  if (number >= min && number <= max) return number;
  std::string range = max == INT64_MAX
                          ? " at least " + std::to_string(min)
                          : " between " + std::to_string(min) + " and " + std::to_string(max);
  env.error("E0033", node.place, what + " must be" + range + ", this is " + std::to_string(number));
  return {};
}

std::optional<double> read_number(const Env& env, const Node& node, const std::string& what) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (value->is_number()) return value->as_double();
  wrong_kind(env, node, what, "a number", *value);
  return {};
}

std::optional<std::vector<std::string>> read_texts(const Env& env, const Node& node,
                                                   const std::string& what) {
  std::vector<std::string> texts;
  bool fine = true;
  auto read = [&](const Node& item) {
    auto text = read_text_value(env, item, what);
    fine &= text.has_value();
    if (text) texts.push_back(std::move(*text));
  };
  if (node.is_list())
    for (const Node& item : node.items) read(item);
  else
    read(node);
  return fine ? std::optional(std::move(texts)) : std::nullopt;
}

bool check_name(const Env& env, const std::string& name, const Place& at, const std::string& what) {
  auto allowed = [](char c) {
    return static_cast<unsigned char>(c) >= 0x80 || c == '_' || c == '-' || c == '.' ||
           (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  const char* why = nullptr;
  if (name.empty())
    why = "is empty";
  else if (name.size() > Limits::key_bytes)
    why = "is longer than 128 bytes";
  else if (!std::all_of(name.begin(), name.end(), allowed))
    why = "may hold letters, digits, `_`, `-` and dots";
  else if (name.front() == '.' || name.back() == '.' || name.find("..") != std::string::npos)
    why = "may not begin or end with a dot, nor hold two in a row";
  if (!why) return true;
  auto& error = env.error("E0034", at, what + " '" + name.substr(0, 40) + "' " + why);
  if (name.empty() || name.size() > Limits::key_bytes) return false;
  std::string better;
  for (char c : name)
    if (allowed(c) && (c != '.' || (!better.empty() && better.back() != '.')))
      better += c;
    else if (!allowed(c) && !better.empty() && better.back() != '_')
      better += '_';
  while (!better.empty() && (better.back() == '.' || better.back() == '_')) better.pop_back();
  if (!better.empty()) error.help("such as " + better);
  return false;
}

}  // namespace braid::dsl
