#include "keys.h"

#include <algorithm>
#include <array>

namespace braid::dsl {
namespace {

struct Foreign {
  const char *theirs, *ours;
};

/// What Caffe, Keras, YOLO and PyTorch's Python call things that have another name here.
constexpr std::array<Foreign, 14> foreign = {{{"bottom", "from"},
                                              {"input", "from"},
                                              {"inputs", "from"},
                                              {"layer", "type"},
                                              {"module", "type"},
                                              {"class", "type"},
                                              {"num_output", "out_channels"},
                                              {"filters", "out_channels"},
                                              {"units", "out_features"},
                                              {"strides", "stride"},
                                              {"epoch", "epochs"},
                                              {"max_iter", "steps"},
                                              {"base_lr", "lr"},
                                              {"learning_rate", "lr"}}};

}  // namespace

bool is_users(const std::string& key) { return key.size() > 2 && key.compare(0, 2, "x-") == 0; }

std::string key_hint(const std::string& key, const std::vector<std::string>& known) {
  for (const Foreign& f : foreign)
    if (key == f.theirs && std::find(known.begin(), known.end(), f.ours) != known.end())
      return std::string(" (here it is called '") + f.ours + "')";
  return did_you_mean(key, known);
}

void not_yet(const Env& env, const Place& at, const char* code, const std::string& feature) {
  env.error(code, at, feature + " not in this version").help("take it out to go on without it");
}

Keys::Keys(const Env& env, const Node& node, std::string what)
    : env_(env), node_(node), what_(std::move(what)), taken_(node.members.size(), false) {
  if (!node.is_map())
    env.error("E0032", node.place,
              "expected a mapping `{key: value}` for " + what_ + ", this is " + kind_of(node));
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

const Node* Keys::require(const char* key) {
  const Node* value = take(key);
  if (!value && node_.is_map())
    env_.error("E0031", node_.place, what_ + " has no key '" + key + "'");
  return value;
}

void Keys::not_yet(const char* key, const char* code, const char* feature) {
  if (const Member* member = take_odd(key)) dsl::not_yet(env_, member->place, code, feature);
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
    auto& error =
        env_.error("E0030", member->place,
                   "unknown key '" + member->key + "' in " + what_ + key_hint(member->key, known_));
    std::string list;
    for (const std::string& key : known_) list += (list.empty() ? "" : ", ") + key;
    if (known_.size() <= 12) error.help("known here: " + list);
  }
}

}  // namespace braid::dsl
