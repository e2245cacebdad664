#include <algorithm>
#include <cmath>

#include <braid/core/layer.h>

namespace braid {
namespace {

std::string wanted(const ParamDef& def) {
  switch (def.kind) {
    case ParamKind::boolean:
      return "true or false";
    case ParamKind::integer:
      return "an integer";
    case ParamKind::number:
      return "a number";
    case ParamKind::text:
      return "text";
    case ParamKind::choice: {
      std::string s = "one of";
      for (auto& c : def.choices) s += (s == "one of" ? " " : ", ") + c;
      return s;
    }
    case ParamKind::integers:
      return def.length ? "an integer or a list of " + std::to_string(def.length)
                        : "an integer or a list of integers";
    case ParamKind::numbers:
      return def.length ? "a list of " + std::to_string(def.length) + " numbers"
                        : "a list of numbers";
    default:
      return "a value";
  }
}

bool in_range(const ParamDef& def, double v) {
  return (def.min_exclusive ? v > def.min : v >= def.min) &&
         (def.max_exclusive ? v < def.max : v <= def.max);
}

std::string range_of(const ParamDef& def) {
  std::string s;
  auto text = [](double v) {
    return v == std::floor(v) && std::abs(v) < 1e15 ? std::to_string(int64_t(v)) : shortest(v);
  };
  if (def.min > -1e300) s += (def.min_exclusive ? "more than " : "at least ") + text(def.min);
  if (def.max < 1e300)
    s += (s.empty() ? "" : " and ") +
         ((def.max_exclusive ? "less than " : "at most ") + text(def.max));
  return s;
}

bool has_length(const ParamDef& def, const Attr& list) {
  return list.is<Attr::List>() && (!def.length || int(list.as_list().size()) == def.length);
}

// The value as its kind keeps it, or nothing when the kind is wrong.
std::optional<Attr> converted(const ParamDef& def, const Attr& given) {
  Attr out = given;
  switch (def.kind) {
    case ParamKind::boolean:
      return given.is<bool>() ? std::optional(out) : std::nullopt;
    case ParamKind::integer:
      return given.is<int64_t>() ? std::optional(out) : std::nullopt;
    case ParamKind::number:
      if (!given.is_number()) return std::nullopt;
      out.value = given.as_double();
      return out;
    case ParamKind::text:
      return given.is<std::string>() ? std::optional(out) : std::nullopt;
    case ParamKind::choice:
      if (!given.is<std::string>() ||
          std::ranges::find(def.choices, given.as_text()) == def.choices.end())
        return std::nullopt;
      return out;
    case ParamKind::integers:
      if (given.is<int64_t>()) {
        out.value = Attr::List(size_t(std::max(1, def.length)), given);
        return out;
      }
      if (!has_length(def, given)) return std::nullopt;
      for (auto& e : given.as_list())
        if (!e.is<int64_t>()) return std::nullopt;
      return out;
    case ParamKind::numbers: {
      if (!has_length(def, given)) return std::nullopt;
      Attr::List floats;
      for (auto& e : given.as_list()) {
        if (!e.is_number()) return std::nullopt;
        floats.emplace_back(e.as_double()).mark = e.mark;
      }
      out.value = std::move(floats);
      return out;
    }
    default:
      return out;
  }
}

bool numbers_in_range(const ParamDef& def, const Attr& value) {
  if (value.is_number()) return in_range(def, value.as_double());
  if (!value.is<Attr::List>()) return true;
  return std::ranges::all_of(value.as_list(),
                             [&](const Attr& e) { return numbers_in_range(def, e); });
}

bool looks_like_number(const std::string& text) {
  size_t first = text.find_first_of("0123456789");
  return first != text.npos && text.find_first_not_of("0123456789.+-eE") == text.npos;
}

// Text where a number or a boolean is wanted was put in quotes, or is a boolean of other readers.
std::string help_for_text(const ParamDef& def, const std::string& text) {
  static constexpr std::string_view yes[] = {"yes", "Yes", "YES", "on", "On", "True", "TRUE", "y"},
                                    no[] = {"no", "No", "NO", "off", "Off", "False", "FALSE", "n"};
  if (def.kind == ParamKind::boolean) {
    if (std::ranges::find(yes, text) != std::end(yes)) return "write " + def.name + ": true";
    if (std::ranges::find(no, text) != std::end(no)) return "write " + def.name + ": false";
    if (text == "true" || text == "false")
      return "a value in quotes is text; write " + def.name + ": " + text;
  }
  if (text.find("{{") != text.npos) return "a param is written $name, an expression $(a + b)";
  bool numeric = def.kind != ParamKind::text && def.kind != ParamKind::choice;
  if (numeric && looks_like_number(text))
    return "a value in quotes is text; write " + def.name + ": " + text;
  return def.kind == ParamKind::choice && !nearest(text, def.choices).empty()
             ? "write " + def.name + ": " + nearest(text, def.choices)
             : "";
}

std::string help_for_kind(const ParamDef& def, const Attr& given) {
  if (given.is<std::string>()) return help_for_text(def, given.as_text());
  if (def.kind == ParamKind::boolean && given.is<int64_t>())
    return "write " + def.name + ": " + (given.as_int() ? "true" : "false");
  if (given.is_null()) return "a key without a value: give it one, or leave the key out";
  bool whole = def.kind == ParamKind::integer && given.is<double>() &&
               given.as_double() == std::floor(given.as_double());
  if (whole) return "write it without a fraction";
  return def.kind == ParamKind::integer && given.is<double>()
             ? "in expressions `//` divides whole numbers"
             : "";
}

void refuse_unknown(const Entry& entry, const std::vector<std::string>& names,
                    const std::string& who, const Mark& mark, Diagnostics& found) {
  auto& d =
      found.error("E0104", entry.mark ? entry.mark : mark,
                  who + " has no parameter '" + entry.key + "'" + did_you_mean(entry.key, names));
  std::string ours = translated(entry.key, names);
  if (!ours.empty()) d.help("write " + ours + ": " + to_string(entry.value));
  if (std::string_view advice = advice_on(entry.key); ours.empty() && !advice.empty())
    d.help(std::string(advice));
  const std::string list = listed(names);
  d.help(list.empty() ? who + " has no parameters" : "parameters: " + list);
}

}  // namespace

Dict check_params(const std::vector<ParamDef>& params, const Dict& given, const std::string& who,
                  Mark mark, Diagnostics& found) {
  std::vector<std::string> names;
  for (auto& def : params) names.push_back(def.name);
  std::vector<std::string> misspelt;  // reported once: not as missing, too
  for (auto& entry : given)
    if (std::ranges::find(names, entry.key) == names.end()) {
      refuse_unknown(entry, names, who, mark, found);
      misspelt.push_back(meant(entry.key, names));
    }
  Dict checked;
  for (auto& def : params) {
    const Entry* entry = find_entry(given, def.name);
    if (!entry || (entry->value.is_null() && def.optional)) {
      bool needed = !entry && def.fallback.is_null() && !def.optional;
      if (needed && std::ranges::find(misspelt, def.name) == misspelt.end())
        found.error("E0106", mark, who + " needs the parameter '" + def.name + "'")
            .help(def.name + ": " + def.doc);
      Attr fallback = def.fallback;
      if (entry) fallback = {};
      if (!fallback.is_null()) fallback = converted(def, fallback).value_or(def.fallback);
      checked.push_back({def.name, fallback, mark});
      continue;
    }
    auto value = converted(def, entry->value);
    if (!value) {
      auto& d = found.error("E0105", entry->value.mark ? entry->value.mark : mark,
                            who + ": '" + def.name + "' is " + kind_of(entry->value) + " (" +
                                to_string(entry->value) + "), expected " + wanted(def));
      if (auto help = help_for_kind(def, entry->value); !help.empty()) d.help(help);
    } else if (!numbers_in_range(def, *value)) {
      found.error("E0107", entry->value.mark ? entry->value.mark : mark,
                  who + ": '" + def.name + "' is " + to_string(entry->value) + ", must be " +
                      range_of(def));
    } else if (value->is_number() && value->as_double() >= def.doubtful_from) {
      found
          .warning("W0201", entry->value.mark ? entry->value.mark : mark,
                   who + ": '" + def.name + "' is " + to_string(entry->value))
          .help(def.doubt);
    }
    checked.push_back({def.name, value.value_or(def.fallback), entry->mark});
  }
  return checked;
}

}  // namespace braid
