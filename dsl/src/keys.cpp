#include "keys.h"

namespace braid::dsl {
bool is_users(const std::string& key) { return key.size() > 2 && key.compare(0, 2, "x-") == 0; }

Keys::Keys(const Env& env, const Node& node, std::string what, const char* example)
    : env_(env), node_(node), what_(std::move(what)), taken_(node.members.size(), false) {
  if (node.is_map()) return;
  auto& error =
      env.error("E0032", node.place,
                "expected a mapping `{key: value}` for " + what_ + ", this is " + kind_of(node));
  if (*example) error.help(std::string("such as ") + example);
}

const Member* Keys::take_member(const char* key) {
  known_.push_back(key);
  return take_odd(key);
}

const Member* Keys::take_odd(const char* key) {
  for (size_t i = 0; i < node_.members.size(); ++i)
    if (node_.members[i].key == key) {
      taken_[i] = true;
      return &node_.members[i];
    }
  return nullptr;
}

const Node* Keys::take(const char* key) {
  const Member* member = take_member(key);
  return member ? &member->value : nullptr;
}

const Node* Keys::require(const char* key, const char* example) {
  if (const Node* value = take(key)) return value;
  if (!node_.is_map()) return nullptr;
  if (const Member* other = misspelt(key)) {
    unknown(*other, {key}).help(what_ + " needs the key '" + key + "'");
    return nullptr;
  }
  auto& error = env_.error("E0031", node_.place, what_ + " has no key '" + key + "'");
  if (*example) error.help(std::string("add ") + example);
  return nullptr;
}

/// A key that nobody has taken and that stands for `key`; it is taken.
const Member* Keys::misspelt(const char* key) {
  const std::vector<std::string> wanted = {key};
  for (size_t i = 0; i < node_.members.size(); ++i) {
    const Member& member = node_.members[i];
    if (taken_[i] || is_users(member.key) || meant(member.key, wanted).empty()) continue;
    taken_[i] = true;
    return &member;
  }
  return nullptr;
}

Diagnostic& Keys::unknown(const Member& member, const std::vector<std::string>& known) {
  auto& error =
      env_.error("E0030", member.place,
                 "unknown key '" + member.key + "' in " + what_ + did_you_mean(member.key, known));
  if (auto advice = advice_on(member.key); !advice.empty()) error.help(std::string(advice));
  return error;
}

std::vector<const Member*> Keys::rest() {
  std::vector<const Member*> members;
  for (size_t i = 0; i < node_.members.size(); ++i) {
    const Member& member = node_.members[i];
    if (taken_[i] || is_users(member.key) || member.key == "note") continue;
    taken_[i] = true;
    members.push_back(&member);
  }
  return members;
}

void Keys::finish() {
  for (const Member* member : rest()) {
    auto& error = unknown(*member, known_);
    if (known_.size() <= 12) error.help("known here: " + listed(known_));
  }
}

}  // namespace braid::dsl
