// Lists, loops and repeats: which items are written, how often, and under which names.
#include "writer.h"

#include "keys.h"
#include "loop.h"

namespace braid::dsl {
namespace {

constexpr size_t deepest = 64;  // lists inside lists, blocks written out

Target unknown(const Place& at) {
  Target target;
  target.place = at;
  return target;
}

std::string with_index(const std::string& label, int64_t i) {
  return label + (label.empty() ? "i=" : ", i=") + std::to_string(i);
}

/// Parameter layers make their value out of nothing, so the item above is not their input.
bool takes_nothing(const Item& item) {
  return item.kind == Item::Kind::type && item.what->text == "Parameter";
}

/// YOLO's `[from, number, module, args]`.
bool is_row(const Node& node) {
  return node.items.size() == 4 && node.items[1].is_scalar() && node.items[2].is_scalar() &&
         node.items[3].is_list();
}

/// Neither a word nor a mapping.
void refuse_entry(const Env& env, const Node& node) {
  if (!is_row(node)) {
    env.error("E0050", node.place,
              "an item is a layer's type or a mapping {type: ...}, this is " + kind_of(node))
        .help(node.is_null() ? "an entry without an item: remove it, or write ReLU"
                             : "such as - {type: Linear, out_features: 10}");
    return;
  }
  const Node &from = node.items[0], &number = node.items[1];
  auto& error = env.error("E0050", node.place, "[from, number, module, args] is no item here");
  error.help("write - {type: " + node.items[2].text +
             (number.text == "1" ? "" : ", repeat: " + number.text) +
             (from.is_scalar() && from.text == "-1" ? "" : ", from: NAME") +
             ", ...}, with the parameters by name beside `type`");
}

}  // namespace

Writer::Writer(Reading& reading, Model& model, Patterns& patterns)
    : reading_(reading), model_(model), patterns_(patterns) {}

Names& Writer::new_names(const Names* outer) { return names_.emplace_back(outer); }

List Writer::start(const Env& env) {
  List list{env, &new_names(nullptr)};
  for (size_t i = 0; i < model_.inputs.size(); ++i) {
    Target target;
    target.link = Link::input(int(i));
    const Mark& mark = model_.inputs[i].mark;
    target.place = {0, mark.line, mark.column, mark.length};
    list.names->define(model_.inputs[i].name, target);
    if (model_.inputs.size() == 1) list.prev = target;
  }
  return list;
}

void Writer::write(List& list, const Node& items) {
  if (!items.is_list() || items.items.empty()) {
    list.env
        .error("E0050", items.place,
               items.is_list() ? "this list of layers is empty"
                               : "layers are a list of items, this is " + kind_of(items))
        .help(items.is_scalar() && items.text.starts_with('-')
                  ? "an item is a `-`, a blank and what follows: - ReLU"
                  : "- {name: fc, type: Linear, out_features: 10}");
    return;
  }
  if (++depth_ > deepest) {
    list.env.error("E0047", items.place, "blocks and lists stand in each other more than 64 deep");
    throw Stop{};
  }
  if (depth_ == 1) {  // a large file is one long list
    const size_t most = items.items.size();
    model_.layers.reserve(model_.layers.size() + most);
    paths_.reserve(most);
    list.names->reserve(most);
  }
  list.names->promise(items);
  for (const Node& node : items.items) write_entry(list, node, list.env);
  --depth_;
}

void Writer::write_entry(List& list, const Node& node, const Env& env) {
  reading_.spend(node.place, env.via, 1);
  if (const LayerValue* layer = layer_value(env, node)) {
    write_entry(list, *layer->node, {reading_, layer->scope, env.via});
  } else if (node.is_scalar()) {
    write_item(list, bare_word(node), env, "");
  } else if (!node.is_map()) {
    refuse_entry(env, node);
  } else if (Item item = read_item(env, node); item.kind == Item::Kind::none) {
    if (auto name = item.name ? read_name(env, *item.name, "a name") : std::nullopt)
      define(list, *name, item.name->place, unknown(node.place));
    list.prev = unknown(node.place);
  } else if (item.loop) {
    write_loop(list, item, env);
  } else {
    write_item(list, item, env, "");
  }
}

void Writer::write_loop(List& list, const Item& item, const Env& env) {
  for (Turn& turn : read_loop(env, *item.loop))
    write_item(list, item, env.with(std::move(turn.variables)), turn.label);
}

void Writer::write_item(List& list, const Item& item, const Env& env, const std::string& label) {
  std::optional<std::string> name;
  if (item.name) {
    name = read_name(env, *item.name, "a name");
    if (name && !check_name(env, *name, item.name->place, "the name")) name.reset();
    if (name && (*name == "in" || *name == "prev"))
      env.error("E0034", item.name->place, "'" + *name + "' is a word of `from`, not a name");
  }
  if (item.repeat) {
    auto times = read_integer(env, *item.repeat, "repeat", 0, 1'000'000);
    if (times) return write_repeated(list, item, env, label, *times, name);
  }
  Copy copy{item, env, name ? *name : std::to_string(list.position), label};
  auto on = is_on(copy);
  Inputs inputs = inputs_of(list, copy);
  Target target = !on   ? unknown(item.place())
                  : *on ? write_copy(list, copy, inputs)
                        : removed(copy, inputs);
  if (on.value_or(true)) ++list.position;
  if (name || on.value_or(true)) define(list, copy.component, item.place(), target);
  list.prev = std::move(target);
}

void Writer::write_repeated(List& list, const Item& item, const Env& env, const std::string& label,
                            int64_t times, const std::optional<std::string>& name) {
  Inputs inputs = inputs_of(list, {item, env, "", label});
  if (times == 0) {
    Target target = removed({item, env, "", label}, inputs);
    if (name) define(list, *name, item.place(), target);
    list.prev = std::move(target);
    return;
  }
  Target all = repeat(list, item, env, label, times, name, inputs);
  if (name) {
    ++list.position;
    define(list, *name, item.place(), all);
  }
  list.prev = std::move(all);
}

/// `times` copies in a chain by the first input: `name.0`, `name.1`, or one position each.
Target Writer::repeat(List& list, const Item& item, const Env& env, const std::string& label,
                      int64_t times, const std::optional<std::string>& name, Inputs inputs) {
  Target all = unknown(item.place());
  all.first = int(model_.layers.size());
  if (name) all.inner = &new_names(nullptr);
  Target last = unknown(item.place());
  for (int64_t i = 0; i < times; ++i) {
    std::string number = std::to_string(name ? i : list.position);
    Copy copy{item, env.with({{"i", Attr(i)}}), name ? *name + "." + number : number,
              with_index(label, i), true};
    auto on = is_on(copy);
    if (!on) return all;
    last = *on ? write_copy(list, copy, inputs) : removed(copy, inputs);
    if (*on && !name) ++list.position;
    if (name)
      all.inner->define(number, last);
    else if (*on)
      define(list, number, item.place(), last);
    if (!inputs.empty()) inputs[0].target = last;
  }
  all.link = last.link;
  all.ports = last.ports;
  all.last = int(model_.layers.size());
  all.origin =
      std::make_shared<const Origin>(Origin{item.node, env, list.names, list.inherited, false});
  return all;
}

std::optional<bool> Writer::is_on(const Copy& copy) {
  if (!copy.item.condition) return true;
  return read_bool(copy.env, *copy.item.condition, "if");
}

/// Whoever names an item that is off gets its first input.
Target Writer::removed(const Copy& copy, const Inputs& inputs) {
  Target target = unknown(copy.item.place());
  if (inputs.empty())
    copy.env.error("E0054", copy.item.place(),
                   "an item that takes no input cannot be off: nothing could stand for it");
  else
    target.link = inputs[0].target.link;
  return target;
}

Inputs Writer::inputs_of(const List& list, const Copy& copy) {
  const Item& item = copy.item;
  if (item.from) return read_from(list, copy.env, *item.from);
  if (takes_nothing(item)) return {};
  if (list.prev) return {{*list.prev, "", item.place()}};
  if (item.kind == Item::Kind::layers) return {};  // its own items may name what they take
  if (model_.inputs.empty())
    return ++reading_.errors, Inputs{{unknown(item.place()), "", item.place()}};
  copy.env.error("E0054", item.place(), "nothing stands above this item")
      .help(model_.inputs.size() > 1
                ? "the file has several inputs: write from: " + model_.inputs[0].name
                : "write from: and a name");
  return {{unknown(item.place()), "", item.place()}};
}

Inputs Writer::read_from(const List& list, const Env& env, const Node& node) {
  Inputs inputs;
  auto add = [&](const Node& name, std::string into) {
    Input input{unknown(name.place), std::move(into), name.place};
    if (auto path = read_name(env, name, "from"))
      input.target = resolve(env, *list.names, list.prev, *path, name.place);
    inputs.push_back(std::move(input));
  };
  for (const Node& item : node.items) add(item, "");
  for (const Member& member : node.members) add(member.value, member.key);
  if (node.is_scalar()) add(node, "");
  if (node.is_null())
    env.error("E0051", node.place, "from names nothing")
        .help("without `from` an item takes the one above it");
  return inputs;
}

Link Writer::link(const Env& env, const Input& input) const {
  Link link = input.target.link;
  link.into = input.into;
  link.mark = env.mark(input.place);
  return link;
}

void Writer::define(List& list, const std::string& name, const Place& at, Target target) {
  target.place = at;
  const Target* before = list.names->define(name, std::move(target));
  if (!before || reading_.has_reported("E0052", at)) return;
  list.env.error("E0052", at, "the name '" + name + "' is taken")
      .note(reading_.mark(before->place), "'" + name + "' stands here, too")
      .help("rename one of the two");
}

}  // namespace braid::dsl
