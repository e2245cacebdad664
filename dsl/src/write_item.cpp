// What one item becomes: a layer, the layers of a block or of an inline list, or a second call.
#include <algorithm>
#include <utility>

#include "keys.h"
#include "shapes.h"
#include "writer.h"

namespace braid::dsl {
namespace {

constexpr size_t longest_label = 80;

/// What a name inside a block or list means: the value alone, not what it is made of.
Target value_of(const Target& target, const Place& at) {
  Target value;
  value.link = target.link;
  value.place = at;
  return value;
}

Dict read_dict(const Env& env, const std::vector<const Member*>& members) {
  Dict dict;
  for (const Member* member : members)
    if (auto value = evaluate(env, member->value))
      dict.push_back({member->key, std::move(*value), env.mark(member->place)});
  return dict;
}

Dict read_laws(const Env& env, const Node& node, const std::string& what) {
  auto laws = evaluate(env, node);
  if (laws && laws->is<Dict>()) return laws->as_dict();
  if (laws)
    env.error("E0064", node.place,
              what + " is a mapping from parameters to laws, {weight: {normal: {std: 0.02}}}");
  return {};
}

/// Keys that mean nothing beside `use` and `layers`.
void refuse_laws(const Env& env, const Item& item) {
  for (auto [node, key] : {std::pair(item.init, "init"),
                           {item.constant, "constant"},
                           {item.spectral_norm, "spectral_norm"}})
    if (node)
      env.error("E0064", node->place, std::string(key) + " belongs to an item with a type")
          .help("write it on the layers inside");
}

/// Parameters are the registry's to judge, but no layer has these: they are how Caffe, Keras and
/// YOLO write an item.
void refuse_foreign(const Env& env, const std::vector<const Member*>& members) {
  static constexpr std::string_view structural[] = {
      "bottom", "top", "class_name", "inbound_nodes", "args", "config", "module"};
  for (const Member* member : members) {
    const std::string& key = member->key;
    bool is_structural =
        std::find(std::begin(structural), std::end(structural), key) != std::end(structural);
    if (!is_structural && !key.ends_with("_param")) continue;
    auto& error = env.error("E0030", member->place,
                            "unknown key '" + key + "'" + did_you_mean(key, common_keys()));
    std::string ours = translated(key, common_keys());
    if (!ours.empty() && member->value.is_scalar())
      error.help("write " + ours + ": " + member->value.text);
    else if (auto advice = advice_on(key); !advice.empty())
      error.help(std::string(advice));
  }
}

}  // namespace

Target Writer::write_copy(List& list, const Copy& copy, Inputs inputs) {
  reading_.spend(copy.item.place(), copy.env.via, Limits::item_values);
  int first = int(model_.layers.size());
  Target target;
  switch (copy.item.kind) {
    case Item::Kind::type:
      target = write_type(list, copy, inputs);
      break;
    case Item::Kind::use:
      target = write_block(list, copy, inputs);
      break;
    case Item::Kind::layers:
      target = write_inline(list, copy, inputs);
      break;
    default:
      target = write_share(list, copy, std::move(inputs));
  }
  target.place = copy.item.place();
  target.first = first;
  target.last = int(model_.layers.size());
  if (target.origin) return target;  // of a shared item: that of the first call
  target.origin = std::make_shared<const Origin>(
      Origin{copy.item.node, copy.env, list.names, list.inherited, copy.one_of_many});
  return target;
}

Via Writer::frame(const Copy& copy, const std::string& what) const {
  std::string text = what + (what.empty() || copy.label.empty() ? "" : ", ") + copy.label;
  if (text.size() > longest_label) text = text.substr(0, longest_label) + "...";
  return std::make_shared<const Frame>(Frame{std::move(text), copy.env.mark(copy.item.place())});
}

Target Writer::write_type(List& list, const Copy& copy, const Inputs& inputs) {
  const Item& item = copy.item;
  auto type = evaluate(copy.env, *item.what);
  if (!type) return {};
  if (!type->is<std::string>() || type->as_text().empty()) {
    copy.env.error("E0050", item.what->place, "a type is a word, this is " + kind_of(*type));
    return {};
  }
  const std::string& name = type->as_text();
  if (copy.env.scope->file->blocks.contains(name)) {
    copy.env.error("E0050", item.what->place, "'" + name + "' is a block, not a layer type")
        .help("write use: " + name);
    return {};
  }
  refuse_foreign(copy.env, item.rest);
  return write_layer(list, copy, name, inputs);
}

Target Writer::write_layer(List& list, const Copy& copy, std::string type, const Inputs& inputs) {
  const Item& item = copy.item;
  LayerItem layer;
  layer.path = list.prefix + copy.component;
  layer.type = std::move(type);
  layer.params = read_dict(copy.env, item.rest);
  for (const Input& input : inputs) layer.from.push_back(link(copy.env, input));
  if (layer.type == "Math") name_by_expression(copy, layer);
  // Neighbours in one list are one segment; those of the next copy of a block are another.
  Inherited own = read_inherited(copy.env, item, list.inherited, model_.replicas, list.prefix);
  patterns_.complete(layer.path, own, layer.freeze_from);
  layer.sync = own.sync;
  layer.freeze = own.freeze.value_or(Freeze::none);
  layer.recompute = own.recompute;
  layer.segment = own.segment;
  layer.when = own.when;
  Via via = copy.label.empty() ? copy.env.via : frame(copy, "");
  layer.mark = reading_.mark(item.place(), via);
  layer.type_mark = reading_.mark(item.what->place, via);
  if (item.expect) {
    layer.expect = read_dims(copy.env, *item.expect, true);
    layer.expect_mark = reading_.mark(item.expect->place, via);
  }
  if (item.init) layer.init = read_laws(copy.env, *item.init, "init");
  if (item.constant) layer.constant = read_laws(copy.env, *item.constant, "constant");
  if (item.on_replicate)
    layer.on_replicate = read_text_value(copy.env, *item.on_replicate, "on_replicate").value_or("");
  if (item.spectral_norm)
    layer.spectral_norm = read_bool(copy.env, *item.spectral_norm, "spectral_norm").value_or(false);
  take_path(layer, item.place());
  model_.layers.push_back(std::move(layer));
  Target target;
  target.link = Link::layer(int(model_.layers.size()) - 1);
  target.layer = true;
  return target;
}

/// `from: {n: norm, g: gamma}` of Math: the ports are the names that its expression uses.
void Writer::name_by_expression(const Copy& copy, LayerItem& layer) const {
  Attr::List names;
  for (Link& link : layer.from)
    if (!link.into.empty()) names.emplace_back(std::exchange(link.into, "")).mark = link.mark;
  if (names.empty()) return;
  if (const Entry* given = find_entry(layer.params, "inputs"))
    copy.env.error("E0032", copy.item.from->place, "from names the inputs, and so does `inputs`")
        .note(given->mark, "inputs");
  set(layer.params, "inputs", std::move(names));
}

/// What was typed as a tree is written flat; the container remembers which layers are inside.
size_t Writer::enter(const List& list, const Copy& copy, const std::string& type) {
  Container container{.path = list.prefix + copy.component, .type = type};
  container.first = int(model_.layers.size());
  container.mark = copy.env.mark(copy.item.place());
  if (copy.item.on_replicate)
    container.on_replicate =
        read_text_value(copy.env, *copy.item.on_replicate, "on_replicate").value_or("");
  model_.containers.push_back(std::move(container));
  return model_.containers.size() - 1;
}

void Writer::take_path(const LayerItem& layer, const Place& at) {
  auto [before, fresh] = paths_.emplace(layer.path, int(model_.layers.size()));
  if (fresh) return;
  const Mark& first = model_.layers[size_t(before->second)].mark;
  bool in_a_loop = first.line == at.line && first.column == at.column;
  reading_.error("E0052", at, "two layers are called '" + layer.path + "'", layer.mark.via)
      .note(first, "the first")
      .help(in_a_loop ? "one item writes several: name them by its variable, as in name: h_$k"
                      : "rename one of the two");
}

const Block* Writer::find_block(const Env& env, const Node& node) {
  auto name = read_name(env, node, "use");
  if (!name) return nullptr;
  const File* file = env.scope->file;
  auto found = file->blocks.find(*name);
  if (found == file->blocks.end()) {
    std::vector<std::string> known;
    for (const auto& [key, block] : file->blocks) known.push_back(key);
    if (!file->complete) return ++reading_.errors, nullptr;  // it may stand in a failed include
    auto& error = env.error("E0045", node.place,
                            "no block named '" + *name + "'" + did_you_mean(*name, known));
    error.help(known.empty() ? "blocks are defined in `blocks: {name: {layers: [...]}}`"
                             : "known here: " + listed(known));
    return nullptr;
  }
  const Block* block = found->second;
  if (std::find(inside_.begin(), inside_.end(), block) != inside_.end()) {
    env.error("E0046", node.place, "block '" + *name + "' uses itself")
        .note(reading_.mark(block->place), "defined")
        .help("blocks are templates: `repeat: n` writes one n times");
    return nullptr;
  }
  return block->layers ? block : nullptr;
}

/// The names that the block's body sees; `arguments` becomes `ch=64, s=2`, for chains.
ScopePtr Writer::bind(const Copy& copy, const Block& block, std::string& arguments) {
  std::vector<Given> given;
  for (const Member* member : copy.item.rest) given.push_back({member});
  ScopePtr scope = bind_params(copy.env, block.params, given, block.file->scope, &copy.item.place(),
                               "block '" + block.name + "'");
  if (!scope) return nullptr;
  for (const Member* member : copy.item.rest) {
    const Variable* variable = find_variable(scope.get(), member->key);
    auto* value = variable ? std::get_if<Attr>(&variable->value) : nullptr;
    if (value && arguments.size() < longest_label)
      arguments += ", " + member->key + "=" + to_string(*value);
  }
  return scope;
}

/// Gives every input of the block its value, by position or by name.
bool Writer::name_inputs(const Copy& copy, const Block& block, const Inputs& inputs, Names& names) {
  std::vector<std::string> wanted;
  for (const BlockInput& input : block.inputs) wanted.push_back(input.name);
  if (wanted.empty()) wanted.push_back("in");
  std::vector<const Input*> given(wanted.size(), nullptr);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string& into = inputs[i].into;
    auto found = into.empty() ? wanted.begin() + ptrdiff_t(std::min(i, wanted.size()))
                              : std::find(wanted.begin(), wanted.end(), into);
    if (found == wanted.end()) {
      std::string what = into.empty()
                             ? "block '" + block.name + "' takes " + std::to_string(wanted.size()) +
                                   " input" + (wanted.size() > 1 ? "s" : "")
                             : "block '" + block.name + "' has no input '" + into + "'" +
                                   did_you_mean(into, wanted);
      copy.env.error("E0056", inputs[i].place, what)
          .note(reading_.mark(block.place), "defined")
          .help("its inputs are " + listed(wanted));
      return false;
    }
    given[size_t(found - wanted.begin())] = &inputs[i];
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!given[i]) {
      copy.env
          .error("E0056", copy.item.place(),
                 "block '" + block.name + "' takes " + listed(wanted) + ", but '" + wanted[i] +
                     "' is not given")
          .note(reading_.mark(block.place), "defined")
          .help("write from: [" + listed(wanted) + "] with values for them");
      return false;
    }
    Target value =
        value_of(given[i]->target, block.inputs.empty() ? block.place : block.inputs[i].place);
    if (i == 0) names.define("in", value);
    names.define(wanted[i], value);
  }
  return true;
}

Target Writer::write_block(List& list, const Copy& copy, const Inputs& inputs) {
  const Item& item = copy.item;
  const Block* block = find_block(copy.env, *item.what);
  if (!block) return {};
  refuse_laws(copy.env, item);
  std::string arguments;
  ScopePtr scope = bind(copy, *block, arguments);
  Names& names = new_names(nullptr);
  if (!name_inputs(copy, *block, inputs, names) || !scope) return {};
  List body{{reading_, scope, frame(copy, block->name + arguments)}, &names};
  body.prefix = list.prefix + copy.component + ".";
  std::string_view rest;
  body.prev = *names.find("in", rest);
  body.inherited = read_inherited(copy.env, item, list.inherited, model_.replicas, body.prefix);
  int first = int(model_.layers.size());
  size_t container = enter(list, copy, block->name);
  inside_.push_back(block);
  write(body, *block->layers);
  inside_.pop_back();
  model_.containers[container].last = int(model_.layers.size());
  Target target;
  if (body.prev) target.link = body.prev->link;
  if (block->outputs) read_outputs(body, *block, target);
  expect_of_group(copy, target, first);
  return target;
}

void Writer::read_outputs(const List& body, const Block& block, Target& target) {
  const Node& outputs = *block.outputs;
  if (!outputs.is_map() || outputs.members.empty()) {
    body.env.error("E0032", outputs.place,
                   "outputs of a block are a mapping from ports to layers, {c4: layer3}");
    return;
  }
  for (const Member& member : outputs.members)
    if (auto path = read_name(body.env, member.value, "an output"))
      target.ports.emplace_back(
          member.key, resolve(body.env, *body.names, body.prev, *path, member.value.place).link);
  if (!target.ports.empty()) target.link = target.ports.front().second;
}

Target Writer::write_inline(List& list, const Copy& copy, const Inputs& inputs) {
  const Item& item = copy.item;
  for (const Member* member : item.rest)
    copy.env.error("E0030", member->place,
                   "unknown key '" + member->key + "' beside `layers`" +
                       did_you_mean(member->key, common_keys()));
  refuse_laws(copy.env, item);
  if (inputs.size() > 1)
    copy.env.error("E0056", inputs[1].place, "an inline list takes one input")
        .help("its items can name every layer around it");
  Env env = copy.env;
  if (!copy.label.empty()) env.via = frame(copy, "");
  List body{env, &new_names(list.names)};
  body.prefix = list.prefix + copy.component + ".";
  if (!inputs.empty()) body.prev = value_of(inputs[0].target, inputs[0].place);
  body.inherited = read_inherited(copy.env, item, list.inherited, model_.replicas, body.prefix);
  int first = int(model_.layers.size());
  size_t container = enter(list, copy, "Sequential");
  write(body, *item.what);
  model_.containers[container].last = int(model_.layers.size());
  Target target;
  target.inner = body.names;
  if (body.prev) target.link = body.prev->link;
  expect_of_group(copy, target, first);
  return target;
}

/// `expect` on a block or list is about its output, which one of its layers makes.
void Writer::expect_of_group(const Copy& copy, const Target& target, int first) {
  if (!copy.item.expect) return;
  auto dims = read_dims(copy.env, *copy.item.expect, true);
  const Link& link = target.link;
  if (!dims || link.index < 0) return;
  bool own = link.kind == Link::Kind::layer && link.index >= first && link.port.empty();
  if (!own || model_.layers[size_t(link.index)].expect) {
    copy.env.error("E0060", copy.item.expect->place, "write this expect on the layer itself");
    return;
  }
  model_.layers[size_t(link.index)].expect = std::move(dims);
  model_.layers[size_t(link.index)].expect_mark = copy.env.mark(copy.item.expect->place);
}

Target Writer::write_share(List& list, const Copy& copy, Inputs inputs) {
  const Item& item = copy.item;
  auto name = read_name(copy.env, *item.what, "share");
  if (!name) return {};
  for (const Member* member : item.rest)
    copy.env
        .error("E0053", member->place,
               "a second call has the parameters of the first; '" + member->key +
                   "' cannot stand beside share")
        .help("without `share` and with a `type` it is a layer of its own");
  if (item.sync || item.freeze || item.recompute || item.init || item.constant ||
      item.on_replicate || item.spectral_norm)
    copy.env
        .error(
            "E0053", item.place(),
            "sync, freeze, recompute, init, constant, on_replicate and spectral_norm belong to the "
            "first call")
        .help("write them on '" + *name + "'");
  Target shared = resolve(copy.env, *list.names, list.prev, *name, item.what->place);
  if (!shared.origin) {
    if (shared.link.index >= 0)
      copy.env.error("E0053", item.what->place,
                     "'" + *name + "' is no layer or block to call again");
    return {};
  }
  const Origin& origin = *shared.origin;
  Env env{reading_, origin.env.scope, frame(copy, "share " + *name)};
  List around{env, origin.names, list.prefix, list.prev, origin.inherited};
  // The variables are those of the first call, the place is this one.
  Inherited here = read_inherited(copy.env, item, list.inherited, model_.replicas, "");
  around.inherited.when = here.when;
  around.inherited.recompute = here.recompute;
  around.inherited.segment = here.segment;
  Item first_call =
      origin.node->is_map() ? read_item(origin.env, *origin.node) : bare_word(*origin.node);
  int first = int(model_.layers.size());
  size_t containers = model_.containers.size();
  Target target;
  std::optional<int64_t> times;
  if (first_call.repeat && !origin.one_copy)
    times = read_integer(origin.env, *first_call.repeat, "repeat", 0, 1'000'000);
  if (times)
    target = repeat(around, first_call, env, "", *times, copy.component, std::move(inputs));
  else
    target = write_copy(around, {first_call, env, copy.component, "", origin.one_copy},
                        std::move(inputs));
  model_.containers.resize(containers);  // a second call is no second module
  share_parameters(shared, first);
  expect_of_group(copy, target, first);
  target.origin = shared.origin;
  return target;
}

/// The layers from `first` on are those of `shared`, called once more.
void Writer::share_parameters(const Target& shared, int first) {
  int count = std::min(shared.last - shared.first, int(model_.layers.size()) - first);
  for (int i = 0; i < count; ++i) {
    int original = shared.first + i;
    LayerItem& call = model_.layers[size_t(first + i)];
    const LayerItem& before = model_.layers[size_t(original)];
    call.share = before.share >= 0 ? before.share : original;
    call.sync = before.sync;
    call.freeze = before.freeze;
  }
}

}  // namespace braid::dsl
