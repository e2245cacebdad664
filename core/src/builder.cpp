#include <braid/core/builder.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include <braid/core/init.h>
#include <braid/core/layer.h>
#include <braid/core/registry.h>

namespace braid {

std::string to_string(const Layout& layout) {
  switch (layout.kind) {
    case Layout::Kind::split:
      return "split";
    case Layout::Kind::copy:
      return layout.group ? "copy(" + std::to_string(layout.group) + ")" : "copy";
    default:
      return "partial(" + layout.merge + ")";
  }
}

Builder::Builder(Graph& graph, const Registry& registry, Mode mode)
    : graph_(graph), registry_(registry), mode_(mode) {}

void Builder::enter(int call) {
  call_ = call;
  label_ = call < 0 ? "" : graph_.calls[call].path;
}

int Builder::input(int index, int micro) {
  Value v{.type = graph_.inputs[index].type, .input = index, .micro = micro};
  v.layout = v.type.batched() ? Layout::split() : Layout::copy();
  graph_.values.push_back(std::move(v));
  return int(graph_.values.size()) - 1;
}

// What a node yields follows from where N went. With no split input the result is the copy of its
// inputs; the narrowest group wins.
Layout Builder::infer_layout(const Node& node, const Type& type) const {
  bool split = false, all_partial = !node.in.empty();
  int group = 0;
  for (size_t i = 0; i < node.in.size(); ++i) {
    const Layout& want = node.wants[i];
    split |= want.kind == Layout::Kind::split;
    all_partial &= want.kind == Layout::Kind::partial;
    if (want.kind == Layout::Kind::copy && want.group)
      group = group ? std::min(group, want.group) : want.group;
  }
  if (node.op->linear && all_partial) return node.wants[0];
  if (!split) return Layout::copy(group);
  if (type.batched()) return Layout::split();
  if (node.op->merge.empty())
    bug("operation '" + node.op->name + "' loses the batch dimension and names no merge");
  return Layout::partial(node.op->merge);
}

std::vector<int> Builder::add(std::string_view op, std::vector<int> in, Dict attrs, int group) {
  const OpDef* def = registry_.op(op);
  if (!def) bug("unknown operation '" + std::string(op) + "'");
  return add(*def, std::move(in), std::move(attrs), group);
}

std::vector<int> Builder::add(const OpDef& op, std::vector<int> in, Dict attrs, int group) {
  const OpDef* def = &op;
  Node node{.op = def,
            .attrs = std::move(attrs),
            .in = std::move(in),
            .call = call_,
            .label = label_,
            .backward = backward_};
  bool needs = false, all_partial = !node.in.empty();
  std::vector<Type> types;
  for (int v : node.in) {
    ensure(v >= 0, "an operation was given a value that does not exist");
    const Value& value = graph_.values[v];
    types.push_back(value.type);
    needs |= value.needs_gradient;
    all_partial &= value.layout.kind == Layout::Kind::partial;
  }
  bool stays_partial = def->linear && all_partial;
  for (int v : node.in) {
    const Layout& has = graph_.values[v].layout;
    bool merged = has.kind == Layout::Kind::partial && !stays_partial;
    // What is merged is common to all micro-batches, as a loss's count is.
    if (!merged && has.kind != Layout::Kind::copy)
      node.micro = std::max(node.micro, graph_.values[size_t(v)].micro);
    node.wants.push_back(merged ? Layout::copy(group) : has);
  }
  int id = int(graph_.nodes.size());
  for (auto& type : def->infer(node.attrs, types)) {
    Value value{.type = type, .layout = infer_layout(node, type), .node = id};
    value.needs_gradient = needs && !backward_;
    value.micro = node.micro;
    node.out.push_back(int(graph_.values.size()));
    graph_.values.push_back(std::move(value));
  }
  auto out = node.out;
  graph_.nodes.push_back(std::move(node));
  return out;
}

int Builder::one(std::string_view op, std::vector<int> in, Dict attrs, int group) {
  return add(op, std::move(in), std::move(attrs), group).at(0);
}

int Builder::state(StateVar var) {
  if (auto found = state_by_key_.find(var.key); found != state_by_key_.end()) {
    const Type& has = graph_.states[graph_.values[found->second].state].type;
    if (!(has == var.type))
      fail("E0206",
           "shares '" + var.key + "', whose type is " + to_string(has) + ", and needs " +
               to_string(var.type),
           "both uses need inputs of the same size; a layer of its own has a `type`, no `share`");
    return found->second;
  }
  std::optional<int64_t> bytes = 8;  // at most, of an element
  for (const Dim& dim : var.type.shape)
    if (bytes) bytes = checked_product(*bytes, dim.value);
  if (!bytes)
    fail("E0290",
         "'" + var.key + "' of " + to_string(var.type) + " has more elements than can be counted",
         "check the sizes of the layer and of its input");
  Value value{.type = var.type, .layout = Layout::copy()};
  value.state = int(graph_.states.size());
  value.needs_gradient = var.trainable;
  int id = int(graph_.values.size());
  state_by_key_[var.key] = id;
  graph_.values.push_back(std::move(value));
  graph_.states.push_back(std::move(var));
  graph_.state_values.push_back(id);
  return id;
}

int Builder::param(const std::string& name, Shape shape, Init init) {
  const Call& call = graph_.calls.at(call_);
  if (const Attr* law = find(call.constant, name)) {
    const Init fixed = parse_init(*law, shape);
    return buffer(name, {DType::f32, std::move(shape)}, fixed);
  }
  std::string key = call.owner + "." + name;
  if (auto tied = ties_.find(key); tied != ties_.end()) {
    tied->second.used = true;
    if (!has_state(tied->second.to))
      fail("E0152",
           "'" + key + "' is tied to '" + tied->second.to + "', which is not there above it",
           "write the layer of '" + tied->second.to + "' first, or tie the other way round");
    key = tied->second.to;
  }
  bool frozen = call.freeze == Freeze::params || call.freeze == Freeze::all;
  if (const Attr* law = find(call.init, name)) init = parse_init(*law, shape);
  const bool spectral = call.spectral_norm && name == "weight";
  StateVar var{.kind = StateVar::Kind::parameter,
               .key = key + (spectral ? "_orig" : ""),
               .type = {DType::f32, std::move(shape)},
               .init = init,
               .trainable = !frozen && (!trains_ || trains_(key)),
               .call = call_};
  if (on_parameter_) on_parameter_(call, name, var);
  const Shape dims = var.type.shape;
  const int value = state(std::move(var));
  if (spectral) singular_vectors(dims);
  return value;
}

// As PyTorch's torch.nn.utils.spectral_norm keeps them, for the weight as a matrix with a row for
// each output channel.
void Builder::singular_vectors(const Shape& weight) {
  const auto& channels = graph_.calls.at(call_).def->channels;
  ensure(channels.has_value(), "spectral_norm is of layers that name their channels");
  const int64_t rows = weight.at(size_t(channels->weight)).value;
  int64_t elements = 1;
  for (const Dim& dim : weight) elements *= dim.value;
  auto vector = [&](const char* name, int64_t n) {
    buffer(name, {DType::f32, {n}}, Init::normal(0, 1 / std::sqrt(double(n))));
  };
  vector("weight_u", rows);
  vector("weight_v", elements / rows);
}

int Builder::buffer(const std::string& name, Type type, Init init) {
  return state({.kind = StateVar::Kind::buffer,
                .key = graph_.calls.at(call_).owner + "." + name,
                .type = std::move(type),
                .init = init,
                .call = call_});
}

int Builder::optimizer_state(int weight, const std::string& name, Type type, Init init) {
  const StateVar& of = graph_.states[graph_.values[weight].state];
  return state({.kind = StateVar::Kind::optimizer,
                .key = "optimizer." + of.key + "." + name,
                .type = std::move(type),
                .init = init,
                .call = of.call});
}

void Builder::add_gradient(int value, int gradient) {
  if (gradient >= 0 && needs_gradient(value)) gradients_[value].push_back(gradient);
}

int Builder::gradient_of(int value) {
  auto found = gradients_.find(value);
  if (found == gradients_.end()) return -1;
  auto& parts = found->second;
  int sum = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) sum = one("add", {sum, parts[i]});
  parts = {sum};
  return sum;
}

std::vector<int> Builder::contributions(int value) const {
  auto found = gradients_.find(value);
  return found == gradients_.end() ? std::vector<int>() : found->second;
}

int Builder::batch_mean(int sum, int count) { return one("pair", {sum, count}); }

namespace {

const char* name_of(Role role) {
  constexpr const char* names[] = {"layer", "loss", "metric", "optimizer"};
  return names[size_t(role)];
}

}  // namespace

void Builder::fail(std::string code, std::string message, std::string help) const {
  Mark mark;
  std::string who;
  if (call_ >= 0) {
    const Call& call = graph_.calls[call_];
    mark = call.mark;
    who = std::string(call.def ? name_of(call.def->role) : "layer") + " '" + call.path + "': ";
  }
  throw Error(Fault::model, std::move(code), who + message, mark).help(std::move(help));
}

}  // namespace braid
