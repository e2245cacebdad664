#include "data/keys.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace braid {

Keys::Keys(const Dict& dict, Mark mark, std::string what, Diagnostics& found)
    : dict_(dict), mark_(std::move(mark)), what_(std::move(what)), found_(found) {}

const Attr* Keys::get(const std::string& key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  return find(dict_, key);
}

const Attr* Keys::required(const std::string& key) {
  const Attr* value = get(key);
  if (!value) found_.error("E0332", mark_, fmt::format("{}: '{}' is missing", what_, key));
  return value;
}

void Keys::wrong(const Attr& value, const std::string& key, const std::string& expected) {
  found_.error("E0333", value.mark ? value.mark : mark_,
               fmt::format("{}: '{}' must be {}, not {}", what_, key, expected, to_string(value)));
}

std::string Keys::text(const std::string& key, bool is_required) {
  const Attr* value = is_required ? required(key) : get(key);
  if (!value) return {};
  if (value->is<std::string>() && !value->as_text().empty()) return value->as_text();
  wrong(*value, key, "a text");
  return {};
}

bool Keys::flag(const std::string& key, bool otherwise) {
  const Attr* value = get(key);
  if (!value) return otherwise;
  if (value->is<bool>()) return value->as_bool();
  wrong(*value, key, "true or false");
  return otherwise;
}

int64_t Keys::integer(const std::string& key, IntegerRule rule) {
  const Attr* value = rule.required ? required(key) : get(key);
  if (!value) return rule.otherwise;
  if (value->is<int64_t>() && value->as_int() >= rule.least) return value->as_int();
  wrong(*value, key, fmt::format("an integer of at least {}", rule.least));
  return rule.otherwise;
}

double Keys::number(const std::string& key, NumberRule rule) {
  const Attr* value = get(key);
  if (!value) return rule.otherwise;
  double number = value->is_number() ? value->as_double() : std::nan("");
  if (std::isfinite(number) && number >= rule.least && (rule.zero || number != 0)) return number;
  wrong(*value, key,
        std::isinf(rule.least) ? rule.zero ? "a number" : "a number other than 0"
        : rule.zero            ? fmt::format("a number of at least {}", rule.least)
                               : fmt::format("a number above {}", rule.least));
  return rule.otherwise;
}

void Keys::finish() {
  for (const Entry& entry : dict_) {
    if (entry.key.starts_with("x-")) continue;
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    found_
        .error("E0331", entry.mark ? entry.mark : mark_,
               fmt::format("{}: unknown key '{}'{}", what_, entry.key,
                           did_you_mean(entry.key, known_)))
        .help(fmt::format("known here are: {}", fmt::join(known_, ", ")));
  }
}

void unknown_type(Diagnostics& found, const Mark& mark, const std::string& what,
                  const std::string& type, const std::vector<std::string>& known) {
  found
      .error("E0330", mark,
             fmt::format("unknown type of {} '{}'{}", what, type, did_you_mean(type, known)))
      .help(fmt::format("known are: {}", fmt::join(known, ", ")));
}

}  // namespace braid
