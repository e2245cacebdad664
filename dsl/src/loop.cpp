#include "loop.h"

#include <charconv>

#include "expression.h"
#include "keys.h"

namespace braid::dsl {
namespace {

constexpr int64_t most_turns = 100'000;

std::optional<int64_t> whole(std::string_view text) {
  int64_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

/// Ranges of Python and of other notations.
std::string help_for(const std::string& text) {
  if (auto dash = text.find('-', 1); dash != text.npos && whole(text.substr(0, dash)))
    return "write " + text.substr(0, dash) + ".." + text.substr(dash + 1);
  auto turns = text.starts_with("range(") && text.ends_with(')')
                   ? whole(text.substr(6, text.size() - 7))
                   : std::nullopt;
  return turns ? "write 0.." + std::to_string(*turns - 1) : "0..4 is 0, 1, 2, 3, 4";
}

/// `a..b`, both ends included; a range that runs backwards is empty.
std::optional<Attr::List> range(const Env& env, const Node& node, const std::string& text) {
  size_t dots = text.find("..");
  auto first = dots == text.npos ? std::nullopt : whole(std::string_view(text).substr(0, dots));
  auto last = dots == text.npos ? std::nullopt : whole(std::string_view(text).substr(dots + 2));
  if (!first || !last) {
    env.error("E0055", node.place,
              "a loop runs over a range a..b or a list, this is '" + text + "'")
        .help(help_for(text));
    return {};
  }
  int64_t span = 0;
  if (__builtin_sub_overflow(*last, *first, &span) || span >= most_turns) {
    env.error("E0055", node.place, "a loop runs at most 100000 times");
    return {};
  }
  Attr::List values;
  for (int64_t i = *first; i <= *last; ++i) values.push_back(i);
  return values;
}

std::optional<Attr::List> values_of(const Env& env, const Node& node) {
  auto value = evaluate(env, node);
  if (!value) return {};
  if (value->is<Attr::List>()) return value->as_list();
  if (value->is<std::string>()) return range(env, node, value->as_text());
  env.error("E0055", node.place,
            "a loop runs over a range a..b or a list, this is " + kind_of(*value))
      .help(value->is<int64_t>() ? "0.." + std::to_string(value->as_int() - 1) + " runs " +
                                       to_string(*value) + " times"
                                 : "0..4 is 0, 1, 2, 3, 4");
  return {};
}

}  // namespace

std::vector<Turn> read_loop(const Env& env, const Node& node) {
  std::vector<Turn> turns;
  if (!node.is_map() || node.members.empty()) {
    env.error("E0055", node.place, "`for` names its variables: for: {k: 0..4}");
    return turns;
  }
  for (size_t m = 0; m < node.members.size(); ++m) {
    const Member& member = node.members[m];
    if (lone_name("$" + member.key) != member.key) {
      env.error("E0034", member.place, "a variable cannot be named '" + member.key + "'");
      return {};
    }
    auto values = values_of(env, member.value);
    if (!values) return {};
    if (m == 0) turns.resize(values->size());
    if (values->size() != turns.size()) {
      env.error("E0055", member.place,
                "variables advance together: '" + member.key + "' has " +
                    std::to_string(values->size()) + " values, '" + node.members[0].key + "' has " +
                    std::to_string(turns.size()));
      return {};
    }
    for (size_t i = 0; i < turns.size(); ++i) {
      Attr& value = (*values)[i];
      turns[i].label += (m ? ", " : "") + member.key + "=" + to_string(value);
      turns[i].variables.push_back({member.key, std::move(value)});
    }
  }
  return turns;
}

}  // namespace braid::dsl
