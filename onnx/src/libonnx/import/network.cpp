#include <algorithm>

#include <braid/core/error.h>

#include "libonnx/import/importing.h"

namespace braid::onnx_import {
namespace {

constexpr size_t most_bytes = size_t{1} << 32;

std::string reason_of(const Diagnostics& found) {
  std::string text;
  for (auto& d : found.all())
    if (d.severity == Severity::error) text += (text.empty() ? "" : "; ") + d.message;
  return text;
}

bool same(const ParamDef& def, const Attr& value) {
  if (value == def.fallback) return true;
  if (value.is_number() && def.fallback.is_number())
    return value.as_double() == def.fallback.as_double();
  if (def.kind != ParamKind::integers || def.fallback.is_null()) return false;
  const auto all = get_ints({{"v", value}}, "v"), wanted = get_ints({{"v", def.fallback}}, "v");
  return !all.empty() && wanted.size() == 1 &&
         std::ranges::all_of(all, [&](int64_t v) { return v == wanted[0]; });
}

/// What differs from the defaults, in the order of the definition.
Dict typed(const LayerDef& def, const Dict& params) {
  Dict kept;
  for (auto& param : def.params) {
    const Attr* value = find(params, param.name);
    if (!value || (value->is_null() && param.optional) || same(param, *value)) continue;
    const bool equal =
        param.kind == ParamKind::integers && param.length > 1 && value->is<Attr::List>();
    set(kept, param.name, equal ? short_list(get_ints(params, param.name)) : *value);
  }
  for (auto& entry : params)
    if (std::ranges::none_of(def.params, [&](auto& p) { return p.name == entry.key; }))
      set(kept, entry.key, entry.value);
  return kept;
}

bool legal(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

}  // namespace

void cannot(std::string reason) { throw Uncovered{std::move(reason)}; }

Network::Network(const Registry& registry, int opset)
    : opset(opset), registry_(registry), builder_(graph_, registry, Mode::eval) {}

// Legal in a file, not there yet, and not to be taken for an output of another layer.
std::string Network::take(std::string name) {
  for (char& c : name)
    if (!legal(c)) c = '_';
  while (!name.empty() && (name.back() == '.' || name.back() == '_')) name.pop_back();
  const auto first = name.find_first_not_of("._-");
  name = first == name.npos ? "layer" : name.substr(first);
  const bool letter = (name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z');
  static const std::set<std::string> words{"N",  "in", "prev", "true", "false", "null", "yes",
                                           "no", "on", "off",  "True", "False", "Null", "Yes",
                                           "No", "On", "Off",  "TRUE", "FALSE", "NULL", "YES",
                                           "NO", "ON", "OFF",  "y",    "n",     "Y"};
  if (!letter || (words.contains(name) && name != "y")) name = "v" + name;
  auto clashes = [&](const std::string& n) {
    if (names_.contains(n)) return true;
    for (size_t dot = n.find('.'); dot != n.npos; dot = n.find('.', dot + 1))
      if (names_.contains(n.substr(0, dot))) return true;
    auto after = names_.lower_bound(n + ".");
    return after != names_.end() && after->starts_with(n + ".");
  };
  if (clashes(name)) std::ranges::replace(name, '.', '_');
  std::string free = name;
  for (int k = 2; clashes(free); ++k) free = name + "_" + std::to_string(k);
  names_.insert(free);
  return free;
}

Value Network::input(const std::string& name, const Type& type) {
  const int index = int(model.inputs.size());
  std::string plain = name;
  std::ranges::replace(plain, '.', '_');
  model.inputs.push_back({take(plain), type});
  graph_.inputs = model.inputs;
  graph_.micros = 1;
  input_ids.push_back(builder_.input(index, 0));
  return {.link = Link::input(index), .id = input_ids.back()};
}

std::optional<Value> Network::image_of(const Ints& sizes) const {
  for (auto& [name, value] : values) {
    if (!value.link || value.truth) continue;
    const Type type = this->type(value);
    if (type.dtype != DType::f32 || type.rank() != sizes.size() + 2) continue;
    if (std::equal(sizes.begin(), sizes.end(), type.shape.begin() + 2,
                   [](int64_t size, Dim dim) { return dim == Dim(size); }))
      return value;
  }
  return {};
}

std::optional<Value> Network::batched_value() const {
  for (auto& [name, value] : values) {
    if (!value.link || value.truth) continue;
    const Type type = this->type(value);
    if (type.dtype == DType::f32 && type.rank() > 1 && type.shape[0] == N) return value;
  }
  return {};
}

Call Network::call_of(const LayerItem& item, const std::vector<Value>& from) {
  const LayerDef* def = registry_.layer(item.type);
  ensure(def, "an importer names a layer that is not there");
  Call call{.def = def, .path = item.path, .owner = item.path, .item = int(model.layers.size())};
  Diagnostics found;
  call.params = check_params(def->params, item.params, item.type, {}, found);
  if (found.has_errors()) cannot(reason_of(found));
  if (def->ports) call.ports = std::make_shared<const Ports>(def->ports(item.type, item.params));
  for (auto& value : from) call.in.push_back(value.id);
  return call;
}

/// All that a layer with statistics is made of: one that is equal is a second call of it. "" where
/// it has none, or has weights of its own.
std::string Network::made_of(const Call& call, const Weights& given) {
  std::string all = call.def->name + to_string(Attr(call.params));
  bool statistics = false;
  for (auto& weight : given) {
    if (weight.source.empty()) return "";
    all += "\n" + weight.name + " " + weight.source;
    statistics |= weight.name == "running_mean";
  }
  return statistics ? all : "";
}

// What two layers learn of one tensor is one parameter; statistics are each layer's own.
void Network::tie_weights(const std::string& path, Weights& given) {
  std::erase_if(given, [&](const Weight& w) {
    if (w.source.empty() || w.name.starts_with("running_")) return false;
    const std::string key = path + "." + w.name;
    auto [found, fresh] = learned_.try_emplace(w.source, key, w.array.dims);
    if (fresh || found->second.second != w.array.dims) return false;
    builder_.tie(key, found->second.first);
    model.ties.push_back({key, found->second.first});
    return true;
  });
}

void Network::take_weights(const std::string& path, Weights& given) {
  size_t taken = 0;
  for (auto& state : graph_.states) {
    if (!state.key.starts_with(path + ".")) continue;
    const std::string name = state.key.substr(path.size() + 1);
    auto found = std::ranges::find(given, name, [](auto& w) { return w.name; });
    const auto dims = state.type.dims(0);
    if (found == given.end()) {
      if (name != "num_batches_tracked") cannot("it has no " + name);
      weights.emplace(state.key, Array::zeros(state.type.dtype, dims));
    } else if (found->array.dtype != state.type.dtype || found->array.dims != dims) {
      cannot("its " + name + " is " + to_string(found->array) + ", not " + to_string(state.type));
    } else {
      bytes_ += found->array.bytes.size();
      if (bytes_ > most_bytes) cannot("the weights of all layers are more than 4 GiB");
      weights.emplace(state.key, std::move(found->array));
      ++taken;
    }
  }
  ensure(taken == given.size(), "an importer brings a weight that its layer does not have");
}

std::vector<Value> Network::layer(const std::string& name, const std::string& type, Dict params,
                                  const std::vector<Value>& from, Weights given) {
  LayerItem item{.path = "?", .type = type, .params = std::move(params)};
  const size_t nodes = graph_.nodes.size();
  std::string known;
  for (auto& value : from) ensure(value.link && value.id >= 0, "an operand that is no value");
  Call call;
  try {
    item.path = take(name);
    call = call_of(item, from);
    known = made_of(call, given);
    if (auto first = settled_.find(known); first != settled_.end()) {
      item.share = first->second;
      call.owner = model.layers[size_t(item.share)].path;
      given.clear();
    }
    tie_weights(item.path, given);
    graph_.calls.push_back(call);
    builder_.enter(int(graph_.calls.size()) - 1);
    call.handed = call.out = call.def->forward(builder_, call);
    graph_.calls.back() = call;
    take_weights(item.path, given);
  } catch (const Error& e) {
    graph_.nodes.resize(nodes);
    names_.erase(item.path);
    if (e.fault() == Fault::bug) throw;
    std::string reason = e.diagnostics()[0].message;
    const std::string who = "layer '" + item.path + "': ";
    if (reason.starts_with(who)) reason = reason.substr(who.size());
    if (reason.starts_with(item.path + ": ")) reason = reason.substr(item.path.size() + 2);
    cannot(type + ": " + reason);
  }
  for (auto& value : from) item.from.push_back(*value.link);
  item.params = typed(*call.def, item.params);
  if (!known.empty()) settled_.try_emplace(known, int(model.layers.size()));
  model.layers.push_back(item);
  std::vector<Value> made;
  auto& ports = outputs_of(call);
  for (size_t k = 0; k < call.out.size(); ++k)
    made.push_back({.link = Link::layer(int(model.layers.size()) - 1,
                                        call.out.size() > 1 ? ports[k].name : std::string()),
                    .id = call.out[k]});
  return made;
}

}  // namespace braid::onnx_import
