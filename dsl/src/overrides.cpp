#include "overrides.h"

#include <array>
#include <charconv>

#include "shapes.h"
#include "text.h"

namespace braid::dsl {
namespace {

/// Keys of the file that are single values, and those that hold more below them.
constexpr std::array<const char*, 5> single = {"name", "replicas", "seed", "reduce", "devices"};
constexpr std::array<const char*, 10> sections = {"batch",   "train",  "optimizer", "schedule",
                                                  "weights", "data",   "loss",      "metrics",
                                                  "inputs",  "outputs"};

/// Two ways to say one thing: the one that is set replaces the other.
constexpr std::array<std::array<const char*, 3>, 2> either = {
    {{"train", "steps", "epochs"}, {"batch", "global", "per_replica"}}};

std::vector<std::string> split(const std::string& key) {
  std::vector<std::string> parts(1);
  for (char c : key)
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

bool is_one_of(const std::string& key, const auto& list) {
  for (const char* known : list)
    if (key == known) return true;
  return false;
}

std::vector<std::string> param_names(const Node& root) {
  std::vector<std::string> names;
  if (const Member* params = find_member(root, "params"))
    for (const Member& member : params->value.members) names.push_back(member.key);
  return names;
}

Member* find_or_add(Node& map, const std::string& key, const Place& at) {
  for (Member& member : map.members)
    if (member.key == key) return &member;
  map.kind = Node::Kind::map;
  map.members.push_back({key, at, {}});
  map.members.back().value.place = at;
  return &map.members.back();
}

/// The node below `node` that `part` names, or null when there can be none.
Node* step(Node& node, const std::string& part, const Place& at) {
  if (node.is_map() || node.is_null()) return &find_or_add(node, part, at)->value;
  size_t index = 0;
  auto [end, failed] = std::from_chars(part.data(), part.data() + part.size(), index);
  bool whole = failed == std::errc() && end == part.data() + part.size();
  return node.is_list() && whole && index < node.items.size() ? &node.items[index] : nullptr;
}

void drop(Node& map, std::string_view key) {
  std::erase_if(map.members, [&](const Member& member) { return member.key == key; });
}

void drop_alternative(Node& root, const std::vector<std::string>& parts) {
  if (parts.size() != 2) return;
  for (const auto& [section, a, b] : either)
    if (parts[0] == section && (parts[1] == a || parts[1] == b))
      for (Member& member : root.members)
        if (member.key == section) drop(member.value, parts[1] == a ? b : a);
}

class Setter {
 public:
  Setter(Reading& reading, Node& root) : reading_(reading), root_(root) {}

  void set(const std::string& option, const std::string& key, std::string value) {
    auto source = add_text(reading_, option, std::move(value));
    Node node;
    if (!source || !parse_yaml(reading_, *source, node)) return;
    Place at = node.place.line > 0 ? node.place : Place{*source, 0, 0, 0};
    std::vector<std::string> parts = split(key);
    if (parts.size() == 2 && parts[0] == "params") parts.erase(parts.begin());
    if (parts.size() == 1 && is_param(parts[0])) {
      overrides_.members.push_back({parts[0], at, std::move(node)});
      overrides_.params.push_back({&overrides_.members.back()});
    } else if (is_free_name(key)) {
      auto size = read_integer({reading_}, node, key, 1, INT32_MAX);
      if (size) reading_.sizes.push_back({key, *size, at});
    } else if (parts.size() == 1 ? is_one_of(parts[0], single) : is_one_of(parts[0], sections)) {
      put(parts, at, std::move(node));
    } else {
      unknown(key, at);
    }
  }

  Overrides take() { return std::move(overrides_); }

 private:
  bool is_param(const std::string& name) const {
    const Member* params = find_member(root_, "params");
    return params && find_member(params->value, name);
  }

  void put(const std::vector<std::string>& parts, const Place& at, Node value) {
    Node* node = &root_;
    for (const std::string& part : parts) {
      node = part.empty() ? nullptr : step(*node, part, at);
      if (node) continue;
      reading_.error("E0038", at, "nothing can be set at '" + part + "' of this path");
      return;
    }
    *node = std::move(value);
    drop_alternative(root_, parts);
  }

  void unknown(const std::string& key, const Place& at) {
    std::vector<std::string> known = param_names(root_);
    std::vector<std::string> starts(sections.begin(), sections.end());
    std::string hint =
        key.find('.') == key.npos ? did_you_mean(key, known) : did_you_mean(split(key)[0], starts);
    auto& error = reading_.error("E0038", at, "no param of the file is named '" + key + "'" + hint);
    const std::string list = listed(known);
    error.help((list.empty() ? "the file has no params" : "its params are " + list) +
               "; a dotted path such as optimizer.lr or train.steps works, too");
  }

  Reading& reading_;
  Node& root_;
  Overrides overrides_;
};

}  // namespace

Overrides apply_overrides(Reading& reading, const ReadOptions& options, Node& root) {
  Setter setter(reading, root);
  for (const auto& [key, value] : options.set) setter.set("--set " + key, key, value);
  if (options.replicas) setter.set("--replicas", "replicas", std::to_string(*options.replicas));
  return setter.take();
}

}  // namespace braid::dsl
