// Optimizer, schedule, data, devices.
#include <span>

#include "sections.h"

namespace braid::dsl {
namespace {

Dict read_rest(const Env& env, Keys& keys) {
  Dict params;
  for (const Member* member : keys.rest())
    if (auto value = evaluate(env, member->value))
      params.push_back({member->key, std::move(*value), env.mark(member->place)});
  return params;
}

std::optional<TypedDict> read_typed(const Env& env, const Node& node, Keys& keys,
                                    const char* example) {
  if (!keys.is_map()) return {};
  TypedDict dict;
  dict.mark = env.mark(node.place);
  if (const Node* type = keys.require("type", example)) {
    dict.type = read_text_value(env, *type, "type").value_or("");
    dict.type_mark = env.mark(type->place);
  }
  dict.params = read_rest(env, keys);
  return dict;
}

void read_group(const Env& env, const Node& node, std::vector<OptimizerGroup>& groups) {
  Keys keys(env, node, "an optimizer group");
  if (!keys.is_map()) return;
  OptimizerGroup group;
  group.mark = env.mark(node.place);
  const Node *match = keys.take("match"), *types = keys.take("types");
  if (match) group.match = read_texts(env, *match, "match").value_or(std::vector<std::string>{});
  if (types) group.types = read_texts(env, *types, "types").value_or(std::vector<std::string>{});
  if (!match && !types)
    env.error("E0031", node.place, "an optimizer group needs match or types")
        .help("{match: ['*.bias'], weight_decay: 0}");
  group.params = read_rest(env, keys);
  groups.push_back(std::move(group));
}

}  // namespace

std::optional<TypedDict> read_typed(const Env& env, const Node& node, const std::string& what,
                                    const char* example) {
  const std::string such = "{" + std::string(example) + "}";
  Keys keys(env, node, what, such.c_str());
  if (const Member* bare = keys.take_odd("batch_size")) refuse_batch_size(env, *bare);
  return read_typed(env, node, keys, example);
}

void read_optimizer(const Env& env, const Node& node, std::optional<TypedDict>& optimizer,
                    std::vector<OptimizerGroup>& groups) {
  Keys keys(env, node, "optimizer", "optimizer: {type: SGD, lr: 0.1}");
  if (const Node* list = keys.take("groups")) {
    if (!list->is_list())
      env.error("E0032", list->place, "groups are a list, this is " + kind_of(*list))
          .help("groups: [{match: ['*.bias'], weight_decay: 0}]");
    for (const Node& group : list->items) read_group(env, group, groups);
  }
  optimizer = read_typed(env, node, keys, "type: SGD");
}

void read_optimizer(const Env& env, Keys& keys, Model& model) {
  if (const Node* node = keys.take("optimizer"))
    read_optimizer(env, *node, model.optimizer, model.groups);
}

void read_ties(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.take("tie");
  if (!node || !Keys(env, *node, "tie", "tie: {decoder.weight: embed.weight}").is_map()) return;
  for (const Member& member : node->members) {
    if (is_users(member.key)) continue;
    auto to = read_text_value(env, member.value, "the parameter that it is tied to");
    if (!to) continue;
    if (find_member(*node, *to)) {
      env.error("E0032", member.value.place, "'" + *to + "' is tied itself")
          .help("tie both to one that is not");
      continue;
    }
    model.ties.push_back({member.key, *to, env.mark(member.place)});
  }
}

void read_schedule(const Env& env, Keys& keys, Model& model) {
  if (const Node* node = keys.take("schedule"))
    model.schedule = read_typed(env, *node, "schedule", "type: cosine");
}

void read_data(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.take("data");
  if (!node) return;
  Keys data(env, *node, "data", "data: {train: {type: Csv, path: train.csv}}");
  if (const Member* bare = data.take_odd("batch_size")) refuse_batch_size(env, *bare);
  if (const Node* train = data.take("train"))
    model.train_data = read_typed(env, *train, "data.train", "type: Csv");
  if (const Node* test = data.take("test"))
    model.test_data = read_typed(env, *test, "data.test", "type: Csv");
  data.finish();
}

void read_deployment(const Env& env, Keys& keys, Model& model) {
  if (const Node* devices = keys.take("devices")) {
    if (devices->is_scalar() && devices->text.find_first_not_of("0123456789") == std::string::npos)
      return env.error("E0032", devices->place, "devices are named, not counted")
                 .help("devices: [cpu:0, cpu:1]"),
             void();
    model.devices = read_texts(env, *devices, "a device").value_or(std::vector<std::string>{});
    model.devices_mark = env.mark(devices->place);
    if (devices->is_list() && devices->items.empty())
      env.error("E0033", devices->place, "the list of devices is empty").help("devices: [cpu]");
  }
  const Node* reduce = keys.take("reduce");
  if (!reduce) return;
  auto text = read_text_value(env, *reduce, "reduce");
  if (text && *text == "fast")
    model.reduce = Reduce::fast;
  else if (text && *text != "exact")
    env.error("E0032", reduce->place, "reduce is exact or fast, this is '" + *text + "'");
}

// Before the layers: without its types, whatever else is said of the file would follow from that.
void read_plugins(const Env& env, Keys& keys, const ReadOptions& options,
                  const std::string& folder) {
  const Member* member = keys.take_member("plugins");
  if (!member) return;
  if (!options.plugins || !options.load_plugin) {
    env.error("E0120", member->place, "this file loads plug-ins, and it was opened without them")
        .help("they run code of their own: open files that you trust without --no-plugins");
    return;
  }
  const Node& list = member->value;
  const std::span<const Node> items =
      list.is_list() ? std::span<const Node>(list.items) : std::span<const Node>(&list, 1);
  for (const Node& item : items) {
    auto path = read_text_value(env, item, "a plug-in");
    if (!path) continue;
    if (path->empty() || path->find('\0') != path->npos) {
      env.error("E0032", item.place, "a plug-in is the path of a shared library")
          .help("plugins: [libmy_layers.so]");
      continue;
    }
    try {
      options.load_plugin(*path, folder);
    } catch (const Error& e) {
      const Diagnostic& why = e.diagnostics().front();
      auto& error = env.error(why.code.c_str(), item.place, why.message);
      error.notes = why.notes;
      if (!why.helps.empty()) error.help(why.helps);
    }
  }
}

}  // namespace braid::dsl
