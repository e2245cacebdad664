#include <braid/compiler/phases.h>

#include <algorithm>

#include <braid/compiler/compile.h>

#include <braid/core/glob.h>
#include "build.h"

namespace braid {
namespace {

bool updates(const PhaseDecl& phase, const std::string& key) {
  return std::ranges::any_of(phase.update, [&](auto& p) { return glob(p, key); });
}

/// What the losses of a phase need, by layer.
std::vector<bool> needed_by(const Model& model, const PhaseDecl& phase) {
  std::vector<bool> needed(model.layers.size(), false);
  auto need = [&](const std::vector<Link>& from) {
    for (auto& link : from)
      if (link.kind == Link::Kind::layer) needed[size_t(link.index)] = true;
  };
  for (auto& loss : model.losses)
    if (std::ranges::count(phase.losses, loss.name)) need(loss.from);
  for (size_t i = model.layers.size(); i-- > 0;)
    if (needed[i]) need(model.layers[i].from);
  return needed;
}

/// The parameters of each layer that can be trained; a second call has those of the first.
std::vector<std::vector<std::string>> keys_by_layer(const Model& model, const Registry& registry) {
  Graph graph;
  Builder b(graph, registry, Mode::train);
  Model once = model;
  once.batch.accumulate = 1;
  Diagnostics found;
  forward(once, b, {.mode = Mode::train}, found);
  found.raise();
  std::vector<std::vector<std::string>> keys(model.layers.size());
  for (auto& var : graph.states)
    if (var.trainable) keys[size_t(graph.calls[size_t(var.call)].item)].push_back(var.key);
  for (auto& tie : model.ties)  // whoever shares a tensor depends on it
    for (size_t i = 0; i < keys.size(); ++i)
      if (tie.key.starts_with(model.layers[i].path + ".")) keys[i].push_back(tie.to);
  for (size_t i = 0; i < keys.size(); ++i)
    if (model.layers[i].share >= 0) keys[i] = keys[size_t(model.layers[i].share)];
  return keys;
}

/// By layer: does a phase change what it computes, through its own weights or those before it?
std::vector<bool> changed_by(const Model& model, const PhaseDecl& phase,
                             const std::vector<std::vector<std::string>>& keys) {
  std::vector<bool> changed(model.layers.size(), false);
  for (size_t i = 0; i < changed.size(); ++i) {
    changed[i] = std::ranges::any_of(keys[i], [&](auto& key) { return updates(phase, key); });
    for (auto& link : model.layers[i].from)
      if (link.kind == Link::Kind::layer && changed[size_t(link.index)]) changed[i] = true;
  }
  return changed;
}

/// Layers whose values an earlier phase worked out, with weights that are still the same.
std::vector<bool> settled_by(const Model& model, const Registry& registry,
                             const std::vector<int>& ran) {
  std::vector<bool> settled(model.layers.size(), false);
  if (ran.empty()) return settled;
  const auto keys = keys_by_layer(model, registry);
  for (int r : ran) {
    auto& phase = model.phases[size_t(r)];
    const auto needed = needed_by(model, phase), changed = changed_by(model, phase, keys);
    for (size_t i = 0; i < settled.size(); ++i)
      settled[i] = (settled[i] || needed[i]) && !changed[i];
  }
  return settled;
}

}  // namespace

Model in_phase(const Model& model, const Registry& registry, int index,
               const std::vector<int>& ran) {
  const PhaseDecl& phase = model.phases.at(size_t(index));
  const auto needed = needed_by(model, phase), settled = settled_by(model, registry, ran);
  Model m = model;
  m.phases.clear();
  m.metrics.clear();
  std::erase_if(m.losses, [&](auto& l) { return !std::ranges::count(phase.losses, l.name); });
  m.optimizer = phase.optimizer;
  m.groups = phase.groups;
  m.schedule = phase.schedule;
  m.update = phase.update;
  for (size_t i = 0; i < m.layers.size(); ++i) {
    m.layers[i].idle = !needed[i];
    m.layers[i].settled = settled[i];
  }
  return m;
}

void check_phases(const Model& model, const std::vector<StateVar>& states, Diagnostics& found) {
  std::vector<std::string> keys;
  for (auto& var : states)
    if (var.trainable) keys.push_back(var.key);
  for (auto& phase : model.phases)
    for (auto& pattern : phase.update)
      if (std::ranges::none_of(keys, [&](auto& key) { return glob(pattern, key); }))
        found.error("E0153", phase.update_mark,
                    "phase '" + phase.name + "': '" + pattern + "' matches no parameter" +
                        did_you_mean(pattern, keys));
  for (size_t a = 0; a < model.phases.size(); ++a)
    for (size_t b = a + 1; b < model.phases.size(); ++b) {
      auto &one = model.phases[a], &two = model.phases[b];
      auto both = [&](auto& key) { return updates(one, key) && updates(two, key); };
      auto key = std::ranges::find_if(keys, both);
      if (key == keys.end()) continue;
      found
          .error("E0153", two.update_mark,
                 "phases '" + one.name + "' and '" + two.name + "' both update '" + *key + "'")
          .note(one.update_mark, "the first")
          .help("each parameter belongs to one optimizer");
    }
}

}  // namespace braid
