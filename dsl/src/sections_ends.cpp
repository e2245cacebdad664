// Outputs, losses, metrics: what is done with the layers' values.
#include "sections.h"

namespace braid::dsl {
namespace {

std::optional<TermDecl> read_term(Writer& writer, const List& layers, const Node& node,
                                  const std::string& name, const Place& at, const char* what) {
  const Env& env = layers.env;
  Keys keys(env, node, std::string(what) + " '" + name + "'",
            "{type: CrossEntropy, from: [prediction, target]}");
  if (!keys.is_map()) return {};
  TermDecl term;
  term.name = name;
  term.mark = env.mark(at);
  if (const Node* type = keys.require(
          "type", std::string(what) == "loss" ? "type: CrossEntropy" : "type: Accuracy")) {
    term.type = read_text_value(env, *type, "type").value_or("");
    term.type_mark = env.mark(type->place);
  }
  if (const Node* from = keys.require("from", "from: [prediction, target]"))
    for (const Input& input : writer.read_from(layers, env, *from))
      term.from.push_back(writer.link(env, input));
  if (const Node* factor = keys.take("factor"))
    term.factor = read_number(env, *factor, "factor").value_or(1);
  if (const Node* target = keys.take("target"); target && std::string_view(what) == "loss")
    term.target = read_number(env, *target, "target");
  for (const Member* member : keys.rest())
    if (auto value = evaluate(env, member->value))
      term.params.push_back({member->key, std::move(*value), env.mark(member->place)});
  return term;
}

void read_terms(Writer& writer, const List& layers, const Node& node, const char* what,
                std::vector<TermDecl>& terms, const std::string& prefix = "") {
  if (!Keys(layers.env, node, what, "{type: CrossEntropy, from: [prediction, target]}").is_map())
    return;
  for (const Member& member : node.members) {
    if (is_users(member.key) || member.key == "note") continue;
    check_name(layers.env, member.key, member.place, "the name");
    if (auto term =
            read_term(writer, layers, member.value, prefix + member.key, member.place, what))
      terms.push_back(std::move(*term));
  }
}

}  // namespace

void read_outputs(Writer& writer, const List& layers, Keys& keys, Model& model) {
  const Node* node = keys.take("outputs");
  const Env& env = layers.env;
  if (!node) {
    // Without outputs a network ends with its last layer.
    if (layers.prev && !model.layers.empty())
      model.outputs.push_back(
          {model.layers.back().path, layers.prev->link, model.layers.back().mark});
    return;
  }
  if (!Keys(env, *node, "outputs", "outputs: {logits: fc}").is_map()) return;
  for (const Member& member : node->members) {
    check_name(env, member.key, member.place, "the output");
    if (!member.value.is_scalar()) {
      env.error("E0032", member.value.place,
                "an output names one layer, this is " + kind_of(member.value))
          .help("outputs: {logits: fc}");
      continue;
    }
    for (const Input& input : writer.read_from(layers, env, member.value))
      model.outputs.push_back({member.key, writer.link(env, input), env.mark(member.place)});
  }
}

namespace {

/// One loss, which is called `name`, or a map of them.
void read_losses(Writer& writer, const List& layers, const Member& member, const std::string& name,
                 const std::string& prefix, Model& model) {
  if (member.value.is_map() && find_member(member.value, "type")) {
    auto term = read_term(writer, layers, member.value, name, member.place, "loss");
    if (term) model.losses.push_back(std::move(*term));
  } else {
    read_terms(writer, layers, member.value, "loss", model.losses, prefix);
  }
}

void read_phase(Writer& writer, const List& layers, const Member& member, Model& model) {
  const Env& env = layers.env;
  check_name(env, member.key, member.place, "the phase");
  Keys keys(env, member.value, "phase '" + member.key + "'");
  if (!keys.is_map()) return;
  PhaseDecl phase{.name = member.key, .mark = env.mark(member.place)};
  const size_t before = model.losses.size();
  if (const Member* loss = keys.take_member("loss"))
    read_losses(writer, layers, *loss, member.key, member.key + ".", model);
  else
    keys.require("loss");
  for (size_t i = before; i < model.losses.size(); ++i)
    phase.losses.push_back(model.losses[i].name);
  if (const Node* optimizer = keys.require("optimizer"))
    read_optimizer(env, *optimizer, phase.optimizer, phase.groups);
  if (const Node* schedule = keys.take("schedule"))
    phase.schedule = read_typed(env, *schedule, "schedule", "type: cosine");
  if (const Node* update = keys.require("update")) {
    phase.update = read_texts(env, *update, "update").value_or(std::vector<std::string>{});
    phase.update_mark = env.mark(update->place);
    if (update->is_list() && update->items.empty())
      env.error("E0033", update->place, "a phase that updates nothing has nothing to do")
          .help("update: [\"" + member.key + ".*\"]: patterns over the keys of weights");
  }
  if (const Node* every = keys.take("every"))
    phase.every = read_integer(env, *every, "every", 1).value_or(1);
  keys.finish();
  model.phases.push_back(std::move(phase));
}

}  // namespace

void read_losses(Writer& writer, const List& layers, Keys& keys, Model& model) {
  if (const Member* member = keys.take_member("loss"))
    read_losses(writer, layers, *member, "loss", "", model);
}

void read_phases(Writer& writer, const List& layers, Keys& keys, Model& model) {
  const Member* member = keys.take_member("phases");
  if (!member) return;
  const Env& env = layers.env;
  if (!Keys(env, member->value, "phases").is_map()) return;
  for (const char* key : {"loss", "optimizer", "schedule"})
    if (const Member* other = keys.take_odd(key))
      env.error("E0067", other->place, std::string("`") + key + "` belongs to a phase")
          .note(env.mark(member->place), "the file has phases");
  for (const Member& phase : member->value.members)
    if (!is_users(phase.key) && phase.key != "note") read_phase(writer, layers, phase, model);
  if (model.phases.empty()) env.error("E0033", member->place, "phases has no phase");
}

void read_metrics(Writer& writer, const List& layers, Keys& keys, Model& model) {
  const Member* member = keys.take_member("metrics");
  if (!member) return;
  if (member->value.is_map() && find_member(member->value, "type") &&
      !find_member(member->value, "type")->value.is_map()) {
    layers.env.error("E0032", member->value.place, "metrics are a mapping from names to metrics")
        .help("metrics: {accuracy: {type: Accuracy, from: [fc, label]}}");
    return;
  }
  read_terms(writer, layers, member->value, "metrics", model.metrics);
}

}  // namespace braid::dsl
