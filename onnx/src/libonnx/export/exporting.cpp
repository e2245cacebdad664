#include "libonnx/export/exporting.h"

#include <onnx/onnx_pb.h>

#include <algorithm>

#include <braid/core/error.h>

#include "libonnx/export/proto.h"

namespace braid::onnx_export {

void cannot(std::string reason) { throw Unsayable{std::move(reason)}; }

int64_t known(Dim dim, const char* what) {
  if (!known(dim))
    cannot(std::string(what) + " follows from the size " + to_string(dim) + ", which is free");
  return dim.value;
}

Attr list(const Ints& values) {
  Attr::List all;
  for (int64_t v : values) all.push_back(v);
  return all;
}

bool all_known(const Shape& shape, size_t from) {
  return std::all_of(shape.begin() + std::ptrdiff_t(from), shape.end(),
                     [](Dim dim) { return known(dim); });
}

std::string Pool::take(const std::string& name) {
  std::string free = name;
  for (int i = 2; !taken_.insert(free).second; ++i) free = name + "_" + std::to_string(i);
  return free;
}

std::string Network::initializer(const std::string& key) {
  auto tie = ties.find(key);
  const std::string& own = tie == ties.end() ? key : tie->second;
  auto found = weights.find(own);
  if (found == weights.end())
    throw Error(Fault::data, "E0374", "the weights lack '" + own + "'")
        .help("`braid weights FILE` lists what a file holds");
  if (initializers.insert(own).second) set_tensor(*to.add_initializer(), own, found->second);
  return own;
}

Exporting::Exporting(Network& network, const Call& call, int index)
    : network_(network), call_(call), index_(index) {}

std::string Exporting::key(const std::string& name) const { return call_.owner + "." + name; }

const Array& Exporting::values_of(const std::string& name) const {
  network_.initializer(key(name));
  return network_.weights.at(key(name));
}

Ints Exporting::axes(const std::string& name) const {
  Ints all = get_ints(params(), name);
  for (auto& d : all)
    if (d < 0) d += int64_t(rank());
  std::ranges::sort(all);
  return all;
}

int64_t Exporting::axis(const std::string& name) const { return axes(name).at(0); }

Ints Exporting::ints(const std::string& name, size_t length) const {
  const Attr* typed = find(params(), name);
  if (!typed || typed->is_null()) return {};
  Ints all = get_ints(params(), name);
  if (all.size() == 1) all.resize(length, all[0]);
  return all;
}

onnx::NodeProto& Exporting::add(const std::string& op, const Names& in,
                                const Attributes& attributes, const std::string& name) {
  auto& node = *network_.to.add_node();
  node.set_op_type(op);
  node.set_name(network_.nodes.take(name));
  for (auto& i : in) node.add_input(i);
  for (auto& entry : attributes) set_attribute(*node.add_attribute(), entry.key, entry.value);
  return node;
}

std::string Exporting::constant(onnx::NodeProto& node) {
  node.add_output(network_.values.take(node.name()));
  return node.output(0);
}

std::string Exporting::floats(const std::vector<float>& values, const Ints& dims) {
  auto& node = add("Constant", {}, {}, call_.path + "/constant");
  set_tensor_attribute(*node.add_attribute(), "value", Array::of<float>(dims, values));
  return constant(node);
}

std::string Exporting::integers(const Ints& values) {
  auto& node = add("Constant", {}, {}, call_.path + "/constant");
  set_tensor_attribute(*node.add_attribute(), "value",
                       Array::of<int64_t>({int64_t(values.size())}, values));
  return constant(node);
}

std::string Exporting::integer(int64_t value) {
  auto& node = add("Constant", {}, {}, call_.path + "/constant");
  set_tensor_attribute(*node.add_attribute(), "value", Array::of<int64_t>({}, Ints{value}));
  return constant(node);
}

std::string Exporting::node(const std::string& op, const Names& in, const Attributes& attributes) {
  return nodes(op, in, 1, attributes)[0];
}

std::string Exporting::size_of(Dim dim) {
  if (known(dim)) return integers({dim.value});
  for (size_t v = 0; v < graph().values.size(); ++v) {
    auto named = network_.names.find(int(v));
    if (graph().values[v].input < 0 || named == network_.names.end()) continue;
    auto& shape = network_.shapes[v];
    for (size_t d = 0; d < shape.size(); ++d)
      if (shape[d] == dim && shape[d].free_name() == dim.free_name() && dim.free_name() != "?")
        return node("Gather", {node("Shape", {named->second}), integers({int64_t(d)})});
  }
  cannot("no input has the size " + to_string(dim));
}

Names Exporting::nodes(const std::string& op, const Names& in, size_t results,
                       const Attributes& attributes) {
  auto& node = add(op, in, attributes, call_.path + "/" + op);
  Names made;
  for (size_t i = 0; i < results; ++i) {
    made.push_back(
        network_.values.take(node.name() + (results > 1 ? "." + std::to_string(i) : "")));
    node.add_output(made.back());
  }
  return made;
}

void Exporting::emit(const std::string& op, const Names& in, const Attributes& attributes) {
  auto& node = add(op, in, attributes, call_.path);
  for (size_t i = 0; i < outputs(); ++i) {
    const int value = call_.out[i];
    auto result = network_.results.find(value);
    const bool last = network_.last_writer.at(value) == index_;
    std::string name =
        last && result != network_.results.end()
            ? result->second
            : network_.values.take(outputs() > 1 ? call_.path + "." + outputs_of(call_)[i].name
                                                 : call_.path);
    node.add_output(name);
    network_.names[value] = name;
  }
}

void Exporting::alias(const std::string& value) { network_.names[call_.out.at(0)] = value; }

// A Reshape's target: 0 copies the size at the same place, a single -1 takes what is left. Where
// more than that is not known, sizes are read off the value itself.
std::string Exporting::target(const std::string& value, const Shape& from, const Shape& to) {
  Ints sizes;
  int rest = 0;
  for (size_t d = 0; d < to.size(); ++d) {
    if (known(to[d]))
      sizes.push_back(to[d].value);
    else if (d < from.size() && !known(from[d]) && from[d] == to[d])
      sizes.push_back(0);
    else
      sizes.push_back(-1), ++rest;
  }
  if (rest <= 1) return integers(sizes);
  const std::string all = node("Shape", {value});
  Names parts;
  rest = 0;
  for (size_t d = 0; d < to.size(); ++d) {
    size_t at = 0;
    while (at < from.size() && (known(from[at]) || !(from[at] == to[d]))) ++at;
    if (sizes[d] == -1 && at < from.size())
      parts.push_back(node("Gather", {all, integers({int64_t(at)})}));
    else
      parts.push_back(integers({sizes[d]})), rest += sizes[d] == -1;
  }
  if (rest > 1) cannot("more than one of its sizes " + to_string(to) + " follow from free ones");
  return node("Concat", parts, {{"axis", 0}});
}

std::string Exporting::reshape(const std::string& value, const Shape& from, const Shape& to) {
  const std::string shape = target(value, from, to);
  return node("Reshape", {value, shape});
}

void Exporting::emit_reshape(const std::string& value, const Shape& from, const Shape& to) {
  const std::string shape = target(value, from, to);
  emit("Reshape", {value, shape});
}

const Exporters& exporters() {
  static const Exporters table = [] {
    Exporters all;
    for (auto* add :
         {add_pointwise, add_arithmetic, add_convolutions, add_pooling, add_normalization,
          add_shapes, add_reductions, add_resizing, add_products, add_attention})
      add(all);
    return all;
  }();
  return table;
}

}  // namespace braid::onnx_export
