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
  for (const Member* member : keys.rest())
    if (auto value = evaluate(env, member->value))
      term.params.push_back({member->key, std::move(*value), env.mark(member->place)});
  return term;
}

void read_terms(Writer& writer, const List& layers, const Node& node, const char* what,
                std::vector<TermDecl>& terms) {
  if (!Keys(layers.env, node, what, "{type: CrossEntropy, from: [prediction, target]}").is_map())
    return;
  for (const Member& member : node.members) {
    if (is_users(member.key) || member.key == "note") continue;
    check_name(layers.env, member.key, member.place, "the name");
    if (auto term = read_term(writer, layers, member.value, member.key, member.place, what))
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

void read_losses(Writer& writer, const List& layers, Keys& keys, Model& model) {
  const Member* member = keys.take_member("loss");
  if (!member) return;
  if (member->value.is_map() && find_member(member->value, "type")) {
    auto term = read_term(writer, layers, member->value, "loss", member->place, "loss");
    if (term) model.losses.push_back(std::move(*term));
  } else {
    read_terms(writer, layers, member->value, "loss", model.losses);
  }
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
