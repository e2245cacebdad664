#include "patterns.h"

#include <braid/core/glob.h>

#include "writer.h"

namespace braid::dsl {
namespace {

void read_init_rule(const Env& env, const Node& node, Model& model) {
  Keys keys(env, node, "a line of init");
  if (!keys.is_map()) return;
  InitRule rule;
  rule.mark = env.mark(node.place);
  const Node *match = keys.take("match"), *types = keys.take("types");
  if (match) rule.match = read_texts(env, *match, "match").value_or(std::vector<std::string>{});
  if (types) rule.types = read_texts(env, *types, "types").value_or(std::vector<std::string>{});
  const auto laws = keys.rest();
  for (const Member* member : laws)
    if (auto law = evaluate(env, member->value))
      rule.laws.push_back({member->key, std::move(*law), env.mark(member->place)});
  const char* example = "{match: '*.bias', bias: 0} or {types: [Conv2d], weight: kaiming_normal}";
  if (!match && !types)
    env.error("E0031", node.place, "a line of init needs match or types").help(example);
  else if (laws.empty())
    env.error("E0031", node.place, "this line of init says of no parameter how it begins")
        .help(example);
  model.init.push_back(std::move(rule));
}

void read_init_rules(const Env& env, const Node& node, Model& model) {
  if (!node.is_list()) {
    env.error("E0032", node.place, "init is a list of lines here, this is " + kind_of(node))
        .help("init: [{match: '*.bias', bias: 0}]");
    return;
  }
  for (const Node& item : node.items) read_init_rule(env, item, model);
}

}  // namespace

Patterns::Patterns(const Env& env, Keys& keys, Model& model) {
  if (const Node* freeze = keys.take("freeze")) read_freezes(env, *freeze);
  if (const Node* sync = keys.take("sync")) read_syncs(env, *sync, model.replicas);
  if (const Node* init = keys.take("init")) read_init_rules(env, *init, model);
}

void Patterns::read_freezes(const Env& env, const Node& node) {
  auto add = [&](std::string match, Freeze freeze, const Place& at) {
    freeze_.push_back({.match = std::move(match), .freeze = freeze, .mark = env.mark(at)});
  };
  if (node.is_map()) {
    for (const Member& member : node.members)
      if (!is_users(member.key))
        if (auto freeze = read_freeze(env, member.value)) add(member.key, *freeze, member.place);
  } else if (node.is_list()) {
    for (const Node& item : node.items)
      if (auto match = read_text_value(env, item, "a pattern"))
        add(std::move(*match), Freeze::all, item.place);
  } else {
    env.error("E0062", node.place, "freeze takes patterns here, this is " + kind_of(node))
        .help("freeze: ['backbone.*'], or {'backbone.*': stats}; of one layer: freeze: true on it");
  }
}

void Patterns::read_syncs(const Env& env, const Node& node, int64_t replicas) {
  if (!node.is_map()) {
    env.error("E0061", node.place, "sync takes patterns here, this is " + kind_of(node))
        .help("sync: {'*': all, 'backbone.*': 4, 'head.*': none}");
    return;
  }
  for (const Member& member : node.members)
    if (!is_users(member.key))
      if (auto group = read_sync(env, member.value, replicas))
        sync_.push_back({member.key, *group, member.place});
}

void Patterns::complete(const std::string& path, Inherited& own, int& freeze_from) {
  std::optional<int> group;
  for (SyncRule& rule : sync_)
    if (glob(rule.match, path)) group = rule.group, rule.matched = true;
  if (!own.sync) own.sync = group;

  std::optional<Freeze> freeze;
  size_t next = 0;  // lines above the last one that speaks of the whole layer have lost
  for (size_t i = 0; i < freeze_.size(); ++i) {
    if (!glob(freeze_[i].match, path)) continue;
    freeze_[i].matched = true;
    freeze = freeze_[i].freeze;
    next = i + 1;
  }
  freeze_from = own.freeze ? -1 : int(next);
  if (!own.freeze) own.freeze = freeze;
}

void Patterns::finish(const Env& env, Model& model) const {
  model.freeze = freeze_;
  if (env.reading.errors || sync_.empty()) return;
  std::vector<std::string> paths;
  for (const LayerItem& layer : model.layers) paths.push_back(layer.path);
  for (const SyncRule& rule : sync_)
    if (!rule.matched)
      env.error("E0080", rule.place,
                "sync: '" + rule.match + "' matches no layer" + pattern_hint(rule.match, paths));
}

}  // namespace braid::dsl
