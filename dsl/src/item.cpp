#include "item.h"

#include <array>
#include <cctype>

#include "keys.h"

namespace braid::dsl {
namespace {

struct KindKey {
  const char* key;
  Item::Kind kind;
};
constexpr std::array<KindKey, 4> kind_keys = {{{"type", Item::Kind::type},
                                               {"use", Item::Kind::use},
                                               {"layers", Item::Kind::layers},
                                               {"share", Item::Kind::share}}};

struct CommonKey {
  const char* key;
  const Node* Item::*slot;
};
constexpr std::array<CommonKey, 14> slots = {{{"name", &Item::name},
                                              {"from", &Item::from},
                                              {"repeat", &Item::repeat},
                                              {"for", &Item::loop},
                                              {"if", &Item::condition},
                                              {"when", &Item::when},
                                              {"sync", &Item::sync},
                                              {"expect", &Item::expect},
                                              {"freeze", &Item::freeze},
                                              {"recompute", &Item::recompute},
                                              {"init", &Item::init},
                                              {"constant", &Item::constant},
                                              {"on_replicate", &Item::on_replicate},
                                              {"spectral_norm", &Item::spectral_norm}}};

/// Is a kind of item already known? Two are one too many.
void take_kind(const Env& env, Item& item, const KindKey& key, const Member& member) {
  if (item.kind != Item::Kind::none) {
    env.error("E0050", member.place,
              "an item has one of type, use, layers and share, this one has two")
        .note(env.mark(item.what->place), "the first")
        .help("two items are two entries of the list, each with its own `-`");
    return;
  }
  item.kind = key.kind;
  item.what = &member.value;
}

/// True when the key is one that every item may have.
bool take_common(const Env& env, Item& item, const Member& member) {
  for (const KindKey& key : kind_keys)
    if (member.key == key.key) return take_kind(env, item, key, member), true;
  for (const CommonKey& key : slots)
    if (member.key == key.key) return item.*key.slot = &member.value, true;
  return member.key == "note" || is_users(member.key);
}

}  // namespace

const std::vector<std::string>& common_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all = {"note"};
    for (const KindKey& key : kind_keys) all.push_back(key.key);
    for (const CommonKey& key : slots) all.push_back(key.key);
    return all;
  }();
  return keys;
}

Item bare_word(const Node& node) {
  Item item;
  item.kind = Item::Kind::type;
  item.node = item.what = &node;
  return item;
}

Item read_item(const Env& env, const Node& node) {
  Item item;
  item.node = &node;
  for (const Member& member : node.members)
    if (!take_common(env, item, member)) item.rest.push_back(&member);
  if (item.kind != Item::Kind::none) return item;
  auto& error = env.error("E0050", node.place, "an item needs one of type, use, layers and share");
  bool shorthand = node.members.size() == 1 && item.rest.size() == 1 && !item.rest[0]->key.empty();
  if (shorthand && std::isupper(static_cast<unsigned char>(item.rest[0]->key[0])))
    error.help("write {type: " + item.rest[0]->key + ", ...}, with its parameters beside `type`");
  if (item.rest.empty()) error.help("such as {type: ReLU}");
  for (const Member* member : item.rest) {
    if (auto advice = advice_on(member->key); !advice.empty()) error.help(std::string(advice));
    std::string hint = did_you_mean(member->key, common_keys());
    if (hint.empty()) continue;
    error.note(env.mark(member->place), "'" + member->key + "'" + hint);
    if (member->value.is_scalar() && !member->value.text.empty())
      error.help("write " + meant(member->key, common_keys()) + ": " + member->value.text);
  }
  return item;
}

}  // namespace braid::dsl
