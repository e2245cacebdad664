// What a step writes: the optimizer's update of every parameter that is trained.
#include <algorithm>
#include <set>

#include <braid/core/glob.h>

#include "build.h"

namespace braid {
namespace {

/// The optimizer, when it is known and its own parameters are right.
const LayerDef* find_optimizer(const TypedDict& decl, const Registry& registry,
                               Diagnostics& found) {
  const LayerDef* def = registry.layer(decl.type);
  if (!def || def->role != Role::optimizer) {
    auto names = registry.layers(Role::optimizer);
    found
        .error("E0103", decl.type_mark ? decl.type_mark : decl.mark,
               "unknown optimizer '" + decl.type + "'" + did_you_mean(decl.type, names))
        .help(help_for_unknown(decl.type, names));
    return nullptr;
  }
  size_t before = found.errors();
  check_params(def->params, decl.params, "optimizer " + def->name, decl.mark, found);
  return found.errors() > before ? nullptr : def;
}

// A group that matches nothing: names what is nearest to what it seeks.
void refuse_unused(const OptimizerGroup& group, const Graph& graph, Diagnostics& found) {
  auto& d = found.error("E0211", group.mark, "this optimizer group matches no parameter");
  std::vector<std::string> keys;
  std::set<std::string> types;
  for (auto& state : graph.states) {
    if (!state.trainable) continue;
    keys.push_back(state.key);
    types.insert(graph.calls[size_t(state.call)].def->name);
  }
  const std::vector<std::string> known(types.begin(), types.end());
  for (auto& pattern : group.match)
    d.help("'" + pattern + "' is no key of a weight" + did_you_mean(pattern, keys));
  for (auto& type : group.types)
    d.help("'" + type + "' has no weights here" + did_you_mean(type, known));
  constexpr size_t shown = 4;
  if (keys.size() > shown) keys.resize(shown), keys.push_back("...");
  if (!group.match.empty()) d.help("keys are " + listed(keys) + "; `*` crosses dots");
}

// The gradients of all variables, scaled down together where their common norm is above `norm`.
// It is summed in the order of the variables.
std::vector<int> clipped(Builder& b, double norm) {
  const size_t states = b.graph().states.size();
  std::vector<int> gradients(states, -1);
  int total = -1;
  for (size_t s = 0; s < states; ++s) {
    const StateVar var = b.graph().states[s];
    if (!var.trainable) continue;
    b.enter(-1);
    b.label(var.key);
    gradients[s] = b.gradient_of(b.graph().state_values[s]);
    if (gradients[s] < 0) continue;
    int sum = b.one("square_sum", {gradients[s]});
    total = total < 0 ? sum : b.one("add", {total, sum});
  }
  for (size_t s = 0; s < states; ++s) {
    if (gradients[s] < 0) continue;
    b.label(b.graph().states[s].key);
    gradients[s] = b.one("clip", {gradients[s], total}, {{"norm", norm}});
  }
  return gradients;
}

}  // namespace

void check_optimizer(const Model& model, const Registry& registry, Diagnostics& found) {
  if (model.optimizer) find_optimizer(*model.optimizer, registry, found);
}

void optimize(const Model& model, Builder& b, Diagnostics& found) {
  if (!model.optimizer) return;
  auto& decl = *model.optimizer;
  const LayerDef* def = find_optimizer(decl, b.registry(), found);
  if (!def) return;
  size_t states = b.graph().states.size();
  std::vector<bool> used(model.groups.size(), false);
  std::vector<int> gradients;
  if (model.train.clip_norm) gradients = clipped(b, *model.train.clip_norm);
  for (size_t s = 0; s < states; ++s) {
    const StateVar var = b.graph().states[s];
    if (!var.trainable) continue;
    int weight = b.graph().state_values[s];
    b.enter(-1);
    b.label(var.key);
    int gradient = gradients.empty() ? b.gradient_of(weight) : gradients[s];
    if (gradient < 0) continue;
    Dict params = decl.params;
    // The rate itself is a scalar of the step: a group's own is a factor on it.
    double base = get_double(params, "lr", 0), scale = get_double(params, "lr_scale", 1);
    for (size_t g = 0; g < model.groups.size(); ++g) {
      auto& group = model.groups[g];
      const std::string& type = b.graph().calls[size_t(var.call)].def->name;
      bool hit = std::ranges::any_of(group.match, [&](auto& p) { return glob(p, var.key); }) ||
                 std::ranges::find(group.types, type) != group.types.end();
      if (!hit) continue;
      used[g] = true;
      for (auto& e : group.params)
        if (e.key == "lr_scale")
          scale *= e.value.is_number() ? e.value.as_double() : 1;
        else
          set(params, e.key, e.value);
    }
    if (base > 0 && get_double(params, "lr", base) != base)
      scale *= get_double(params, "lr") / base;
    if (scale != 1) set(params, "lr_scale", scale);
    size_t before = found.errors();
    Dict checked = check_params(def->params, params, "optimizer " + def->name, decl.mark, found);
    if (found.errors() > before) return;
    def->update(b, checked, weight, gradient);
    if (!model.train.ema) continue;
    int average = b.optimizer_state(weight, "ema", b.type(weight), Init::constant(0));
    b.add("ema", {average, weight}, {{"decay", *model.train.ema}});
  }
  for (size_t g = 0; g < used.size(); ++g)
    if (!used[g]) refuse_unused(model.groups[g], b.graph(), found);
}

}  // namespace braid
