#include "parameter_rules.h"

#include <algorithm>

#include <braid/core/glob.h>
#include <braid/core/init.h>
#include <braid/core/layer.h>

namespace braid {
namespace {

bool any_match(const std::vector<std::string>& patterns, const std::string& text) {
  return std::ranges::any_of(patterns, [&](auto& pattern) { return glob(pattern, text); });
}

bool any_of(const std::vector<std::string>& texts, const std::string& pattern) {
  return std::ranges::any_of(texts, [&](auto& text) { return glob(pattern, text); });
}

std::string in_quotes(const std::vector<std::string>& words) {
  std::string text;
  for (auto& word : words) text += (text.empty() ? "'" : ", '") + word + "'";
  return text;
}

std::vector<std::string> list(const std::set<std::string>& words) {
  return {words.begin(), words.end()};
}

}  // namespace

void ParameterRules::apply(const Call& call, const std::string& name, StateVar& var) {
  if (call.item < 0) return;
  names_[call.owner].insert(name);
  all_names_.insert(name);
  freeze(model_.layers[size_t(call.item)], var);
  const Attr* law = law_for(call, name, var.key);
  if (law && !find(call.init, name)) var.init = parse_init(*law, var.type.shape);
  auto& path = var.init.path;
  if (!path.empty() && !path.starts_with('/') && !model_.folder.empty())
    path = model_.folder + "/" + path;
}

void ParameterRules::freeze(const LayerItem& item, StateVar& var) {
  for (size_t i = 0; i < model_.freeze.size(); ++i) {
    auto& rule = model_.freeze[i];
    if (!glob(rule.match, var.key)) continue;
    frozen_[i] = true;
    if (item.freeze_from < 0 || int(i) < item.freeze_from || rule.freeze == Freeze::stats) continue;
    var.trainable = rule.freeze == Freeze::none;
  }
}

// The last line that has a law for this parameter.
const Attr* ParameterRules::law_for(const Call& call, const std::string& name,
                                    const std::string& key) {
  const Attr* last = nullptr;
  for (size_t i = 0; i < model_.init.size(); ++i) {
    auto& rule = model_.init[i];
    const Attr* law = find(rule.laws, name);
    if (!law || !(std::ranges::find(rule.types, call.def->name) != rule.types.end() ||
                  any_match(rule.match, call.owner) || any_match(rule.match, key)))
      continue;
    begun_[i] = true;
    last = law;
  }
  return last;
}

void ParameterRules::check_laws(const std::vector<bool>& built, Diagnostics& found) const {
  for (size_t i = 0; i < model_.layers.size(); ++i) {
    auto& item = model_.layers[i];
    if (item.share >= 0 || !built[i]) continue;
    auto known = names_.find(item.path);
    for (auto& law : item.init) {
      if (known != names_.end() && known->second.contains(law.key)) continue;
      auto names = known == names_.end() ? std::vector<std::string>{} : list(known->second);
      auto& error =
          found.error("E0081", law.mark,
                      "init: layer '" + item.path + "' (" + item.type + ") has no parameter '" +
                          law.key + "'" + did_you_mean(law.key, names));
      error.help(names.empty() ? "it has none at all" : "it has " + in_quotes(names));
    }
  }
}

void ParameterRules::check_patterns(Diagnostics& found) const {
  if (model_.freeze.empty() && model_.init.empty()) return;
  std::vector<std::string> paths, keys;
  std::set<std::string> types;
  for (auto& item : model_.layers) paths.push_back(item.path), types.insert(item.type);
  for (auto& [path, names] : names_)
    for (auto& name : names) keys.push_back(path + "." + name);
  auto hint = [&](const std::string& pattern) {
    auto near = pattern_hint(pattern, keys);
    return near.empty() ? pattern_hint(pattern, paths) : near;
  };
  for (size_t i = 0; i < model_.freeze.size(); ++i) {
    auto& rule = model_.freeze[i];
    if (!rule.matched && !frozen_[i])
      found.error(
          "E0080", rule.mark,
          "freeze: '" + rule.match + "' matches no layer and no parameter" + hint(rule.match));
  }
  for (size_t i = 0; i < model_.init.size(); ++i) {
    auto& rule = model_.init[i];
    size_t before = found.errors();
    for (auto& law : rule.laws)
      if (!all_names_.contains(law.key))
        found.error("E0081", law.mark,
                    "init: no layer has a parameter '" + law.key + "'" +
                        did_you_mean(law.key, list(all_names_)));
    if (begun_[i] || found.errors() > before) continue;
    std::string near;
    for (auto& pattern : rule.match)
      if (near.empty() && !any_of(keys, pattern) && !any_of(paths, pattern)) near = hint(pattern);
    for (auto& type : rule.types)
      if (near.empty() && !types.contains(type)) near = did_you_mean(type, list(types));
    auto all = rule.match;
    all.insert(all.end(), rule.types.begin(), rule.types.end());
    auto& error = found.error("E0080", rule.mark,
                              "init: this line (" + in_quotes(all) +
                                  ") matches no parameter that it has a law for" + near);
    if (near.empty())
      error.help("`weight: ...` is for parameters called weight, of what the line matches");
  }
}

}  // namespace braid
