// Optimizer, schedule, data, devices.
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

std::optional<TypedDict> read_typed(const Env& env, const Node& node, Keys& keys) {
  if (!keys.is_map()) return {};
  TypedDict dict;
  dict.mark = env.mark(node.place);
  if (const Node* type = keys.require("type")) {
    dict.type = read_text_value(env, *type, "type").value_or("");
    dict.type_mark = env.mark(type->place);
  }
  dict.params = read_rest(env, keys);
  return dict;
}

void read_group(const Env& env, const Node& node, Model& model) {
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
  model.groups.push_back(std::move(group));
}

}  // namespace

std::optional<TypedDict> read_typed(const Env& env, const Node& node, const std::string& what) {
  Keys keys(env, node, what);
  return read_typed(env, node, keys);
}

void read_optimizer(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.take("optimizer");
  if (!node) return;
  Keys optimizer(env, *node, "optimizer");
  if (const Node* groups = optimizer.take("groups")) {
    if (!groups->is_list())
      env.error("E0032", groups->place, "groups are a list, this is " + kind_of(*groups));
    for (const Node& group : groups->items) read_group(env, group, model);
  }
  model.optimizer = read_typed(env, *node, optimizer);
}

void read_schedule(const Env& env, Keys& keys, Model& model) {
  if (const Node* node = keys.take("schedule")) model.schedule = read_typed(env, *node, "schedule");
}

void read_data(const Env& env, Keys& keys, Model& model) {
  const Node* node = keys.take("data");
  if (!node) return;
  Keys data(env, *node, "data");
  if (const Node* train = data.take("train"))
    model.train_data = read_typed(env, *train, "data.train");
  if (const Node* test = data.take("test")) model.test_data = read_typed(env, *test, "data.test");
  data.finish();
}

void read_deployment(const Env& env, Keys& keys, Model& model) {
  if (const Node* devices = keys.take("devices")) {
    model.devices = read_texts(env, *devices, "a device").value_or(std::vector<std::string>{});
    model.devices_mark = env.mark(devices->place);
    if (devices->is_list() && devices->items.empty())
      env.error("E0033", devices->place, "the list of devices is empty");
  }
  const Node* reduce = keys.take("reduce");
  if (!reduce) return;
  auto text = read_text_value(env, *reduce, "reduce");
  if (text && *text == "fast")
    env.error("E0815", reduce->place,
              "`reduce: fast` is not there yet: sums go by the fixed tree on all devices")
        .help("`exact`, the default, gives equal bits on any devices");
  else if (text && *text != "exact")
    env.error("E0032", reduce->place, "reduce is exact or fast, this is " + *text);
}

void refuse_later_sections(Keys& keys) {
  keys.not_yet("plugins", "E0801", "plug-ins are");
  keys.not_yet("phases", "E0802", "phases with optimizers of their own are");
  keys.not_yet("pipeline", "E0803", "pipelines are");
  keys.not_yet("tie", "E0804", "tied parameters are");
}

}  // namespace braid::dsl
