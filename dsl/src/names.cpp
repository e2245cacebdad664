#include "names.h"

namespace braid::dsl {

const Target* Names::define(std::string name, Target target) {
  auto [found, fresh] = index_.emplace(name, targets_.size());
  if (!fresh) return &targets_[found->second].second;
  targets_.emplace_back(std::move(name), std::move(target));
  return nullptr;
}

void Names::reserve(size_t names) {
  targets_.reserve(targets_.size() + names);
  index_.reserve(targets_.size() + names);
}

const Target* Names::find(std::string_view path, std::string_view& rest) const {
  for (size_t end = path.size();;) {
    auto found = index_.find(std::string(path.substr(0, end)));
    if (found != index_.end()) {
      rest = end < path.size() ? path.substr(end + 1) : std::string_view();
      return &targets_[found->second].second;
    }
    end = end == 0 ? path.npos : path.rfind('.', end - 1);
    if (end == path.npos || end == 0) return nullptr;
  }
}

const Target* Names::find_around(std::string_view path, std::string_view& rest) const {
  for (const Names* names = this; names; names = names->outer_)
    if (const Target* found = names->find(path, rest)) return found;
  return nullptr;
}

const Node* Names::below(std::string_view name) const {
  for (const Names* names = this; names; names = names->outer_) {
    if (!names->items_) continue;
    for (const Node& item : names->items_->items)
      if (const Member* typed = find_member(item, "name"); typed && typed->value.text == name)
        return &typed->value;
  }
  return nullptr;
}

std::vector<std::string> Names::own() const {
  std::vector<std::string> all;
  for (const auto& [name, target] : targets_) all.push_back(name);
  return all;
}

std::vector<std::string> Names::known() const {
  std::vector<std::string> all;
  for (const Names* names = this; names; names = names->outer_)
    for (const auto& [name, target] : names->targets_) all.push_back(name);
  return all;
}

namespace {

Target unknown(const Place& at) {
  Target target;
  target.place = at;
  return target;
}

std::string latest(const std::vector<std::string>& names) {
  std::string text;
  size_t shown = 0;
  for (size_t i = names.size(); i-- > 0 && shown < 12;) {  // the latest are the likeliest
    if (names[i].find_first_not_of("0123456789") == std::string::npos) continue;
    text = names[i] + (text.empty() ? "" : ", ") + text;
    ++shown;
  }
  return text;
}

std::vector<std::string> port_names(const Target& target) {
  std::vector<std::string> names;
  for (const auto& [name, link] : target.ports) names.push_back(name);
  return names;
}

Target no_such(const Env& env, const std::string& path, std::string_view rest, const Target& target,
               const Place& at) {
  std::vector<std::string> known = target.inner ? target.inner->own() : port_names(target);
  std::string owner = path.substr(0, path.size() - rest.size() - 1);
  auto& error = env.error(
      "E0051", at,
      "'" + owner + "' has nothing named '" + std::string(rest) + "'" + did_you_mean(rest, known));
  if (!known.empty())
    error.help("it has " + latest(known));
  else if (target.layer || target.link.kind == Link::Kind::input)
    error.help("it is one value: write " + owner);
  else
    error.help("a block has one output unless it lists others: outputs: {" + std::string(rest) +
               ": layer}");
  return unknown(at);
}

/// The port `rest` of a target, or what it holds under that name.
Target follow(const Env& env, const std::string& path, std::string_view rest, const Target& start,
              const Place& at) {
  Target target = start;
  while (!rest.empty()) {
    std::string_view deeper;
    if (const Target* found = target.inner ? target.inner->find(rest, deeper) : nullptr) {
      rest = deeper;
      target = Target(*found);
      continue;
    }
    if (target.link.index < 0) return target;
    for (const auto& [name, link] : target.ports)
      if (name == rest) {
        target.link = link;
        target.ports.clear();
        return target;
      }
    bool any_port =
        target.layer && !target.inner && target.link.port.empty() && target.ports.empty();
    if (!any_port) return no_such(env, path, rest, target, at);
    target.link.port = rest;
    return target;
  }
  return target;
}

}  // namespace

/// Far more than are shown. What was meant is sought among all names, which is too slow for every
/// line of a large file.
constexpr size_t most_explained = 100;

Target resolve(const Env& env, const Names& names, const std::optional<Target>& prev,
               const std::string& path, const Place& at) {
  bool is_prev = path == "prev" || path.compare(0, 5, "prev.") == 0;
  if (is_prev && prev)
    return follow(env, path, std::string_view(path).substr(std::min<size_t>(5, path.size())), *prev,
                  at);
  if (is_prev) {
    auto& error = env.error("E0054", at, "nothing stands above this item");
    if (auto known = names.known(); !known.empty()) error.help("known here: " + latest(known));
    return unknown(at);
  }
  std::string_view rest;
  if (const Target* found = names.find_around(path, rest))
    return follow(env, path, rest, *found, at);
  if (env.reading.errors > most_explained) {
    env.error("E0051", at, "no layer or input named '" + path + "' stands above");
    return unknown(at);
  }
  if (const Node* later = names.below(path)) {
    env.error("E0051", at, "'" + path + "' does not stand above this use of it")
        .note(env.mark(later->place), "'" + path + "' stands here")
        .help("an item takes what stands above it, so there are no cycles: move one of the two");
    return unknown(at);
  }
  std::vector<std::string> known = names.known();
  auto& error =
      env.error("E0051", at,
                "no layer or input named '" + path + "' stands above" + did_you_mean(path, known));
  if (path.find_first_not_of("-0123456789") == std::string::npos)
    error.help("layers are used by name, and the one above by `prev`");
  else if (!known.empty())
    error.help("known here: " + latest(known));
  return unknown(at);
}

}  // namespace braid::dsl
