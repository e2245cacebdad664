#include "libonnx/import/importing.h"

#include <algorithm>
#include <cmath>

#include <braid/core/error.h>

#include "libonnx/import/read.h"

namespace braid::onnx_import {
namespace {

constexpr int64_t most_folded = int64_t{1} << 30;  // bytes

/// The scopes of PyTorch's names: "/layer1/layer1.0/conv1/Conv" is layer1.0.conv1.
std::string unscoped(const std::string& name) {
  std::string path, previous;
  size_t at = 1;
  while (at < name.size()) {
    const size_t end = name.find('/', at);
    if (end == name.npos) break;  // the operator
    const std::string part = name.substr(at, end - at);
    if (!previous.empty() && part.starts_with(previous + "."))
      path += part.substr(previous.size());
    else
      path += (path.empty() ? "" : ".") + part;
    previous = part;
    at = end + 1;
  }
  return path;
}

/// [sizes, how many sizes]: where each cell stands from -1 to 1, x first.
bool says_places(const Known& known) {
  if (known.dims.size() < 3 || known.dims.back() != int64_t(known.dims.size()) - 1) return false;
  const Ints sizes(known.dims.begin(), known.dims.end() - 1);
  for (size_t k = 0; k < known.floats.size(); ++k) {
    auto rest = int64_t(k / sizes.size());
    const size_t axis = sizes.size() - 1 - k % sizes.size();
    for (size_t d = sizes.size(); d-- > axis + 1;) rest /= sizes[d];
    const int64_t at = rest % sizes[axis], cells = sizes[axis];
    const double place = cells > 1 ? -1 + 2 * double(at) / double(cells - 1) : 0;
    if (!(std::abs(double(known.floats[k]) - place) < 1e-6)) return false;
  }
  return true;
}

}  // namespace

Attr list(const Ints& values) {
  Attr::List all;
  for (int64_t v : values) all.push_back(v);
  return all;
}

Attr short_list(const Ints& values) {
  const bool equal = std::ranges::all_of(values, [&](int64_t v) { return v == values[0]; });
  return equal && !values.empty() ? Attr(values[0]) : list(values);
}

Attr size_text(Dim dim) {
  if (!dim.batched) return dim.value;
  return dim.value == 1 ? "N" : std::to_string(dim.value) + "*N";
}

Attr sizes_of(const Shape& shape) {
  Attr::List sizes;
  for (auto& dim : shape) sizes.push_back(size_text(dim));
  return sizes;
}

int64_t product(const Ints& dims) {
  int64_t all = 1;
  for (int64_t d : dims) all *= d;
  return all;
}

std::string turned_origin(const std::string& origin) {
  static const std::string turned = " transposed";
  if (origin.ends_with(turned)) return origin.substr(0, origin.size() - turned.size());
  return origin + turned;
}

Array as_array(const Known& known) {
  if (known.floating) return Array::of<float>(known.dims, known.floats);
  Array array = Array::zeros(DType::i64, known.dims);
  for (size_t i = 0; i < known.size(); ++i) {
    if (known.integers[i].batched) cannot("it computes with the batch's size");
    array.as<int64_t>()[i] = known.integers[i].value;
  }
  return array;
}

Known to_known(const Array& array) {
  Known known{.dims = array.dims, .floating = array.dtype == DType::f32};
  for (size_t i = 0; i < size_t(array.elements()); ++i) {
    if (array.dtype == DType::f32)
      known.floats.push_back(array.as<float>()[i]);
    else if (array.dtype == DType::i32)
      known.integers.push_back(int64_t(array.as<int32_t>()[i]));
    else if (array.dtype == DType::boolean)
      known.integers.push_back(int64_t(array.bytes[i]));
    else
      known.integers.push_back(array.as<int64_t>()[i]);
  }
  return known;
}

bool fixed(const Shape& shape, size_t from) {
  return std::all_of(shape.begin() + ptrdiff_t(std::min(from, shape.size())), shape.end(),
                     [](Dim d) { return !d.batched; });
}

Importing::Importing(Network& network, const onnx::NodeProto& node, size_t index)
    : network_(network), node_(node), last_(&node), index_(index) {}

void Importing::name_after(const onnx::NodeProto& node) {
  if (node.name().starts_with("/")) named_ = unscoped(node.name());
}

const onnx::AttributeProto* Importing::attribute(const std::string& name) const {
  for (auto& attribute : node_.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

int64_t Importing::integer(const std::string& name, int64_t otherwise) const {
  auto* found = attribute(name);
  return found ? found->i() : otherwise;
}

double Importing::number(const std::string& name, double otherwise) const {
  auto* found = attribute(name);
  return found ? double(found->f()) : otherwise;
}

std::string Importing::text(const std::string& name, const std::string& otherwise) const {
  auto* found = attribute(name);
  return found ? found->s() : otherwise;
}

Ints Importing::integers(const std::string& name, Ints otherwise) const {
  auto* found = attribute(name);
  return found ? Ints(found->ints().begin(), found->ints().end()) : otherwise;
}

const Value& Importing::value(size_t i) const {
  if (!has(i)) cannot("its input " + std::to_string(i) + " is missing");
  return network_.values.at(node_.input(int(i)));
}

const Known& Importing::known(size_t i, const char* what) const {
  const Known* found = known(i);
  if (!found) cannot(std::string(what) + " is not known before the network runs");
  return *found;
}

Ints Importing::ints(size_t i, const char* what) const {
  auto& all = known(i, what);
  Ints values;
  for (auto& dim : all.integers) {
    if (dim.batched) cannot(std::string(what) + " follows from the batch");
    values.push_back(dim.value);
  }
  if (all.floating) cannot(std::string(what) + " is no integer");
  return values;
}

Weight Importing::weight(const std::string& name, size_t i, const char* what) const {
  return {name, as_array(known(i, what)), node_.input(int(i))};
}

std::optional<double> Importing::scalar(size_t i) const {
  return has(i) ? scalar(node_.input(int(i))) : std::nullopt;
}

std::optional<double> Importing::scalar(const std::string& name) const {
  const Known* found = network_.values.at(name).known.get();
  if (!found || found->size() != 1) return {};
  if (found->floating) return double(found->floats[0]);
  if (found->integers[0].batched) return {};
  return double(found->integers[0].value);
}

std::optional<Ints> Importing::ints_or_attribute(size_t i, const std::string& name) const {
  if (has_attribute(name)) return integers(name);
  if (has(i)) return ints(i, name.c_str());
  return {};
}

Value Importing::operand(size_t i) {
  value(i);
  return operand(node_.input(int(i)));
}

Value Importing::operand(const std::string& name) {
  if (network_.values.at(name).truth) cannot("it computes with conditions");
  return network_value(name);
}

Value Importing::condition(size_t i) {
  if (!value(i).truth) cannot("its condition is none that Braid computes");
  return network_value(node_.input(int(i)));
}

Value Importing::network_value(const std::string& name) {
  const Value& found = network_.values.at(name);
  if (found.failed) cannot("");
  if (found.link) return found;
  if (!found.known) cannot("it reads a part of another layer");
  const Value made = constant(*found.known, name);
  Value& kept = network_.values[name];
  kept.link = made.link, kept.id = made.id;
  return kept;
}

std::optional<Value> Importing::image_of_grid(const Known& known) const {
  if (!known.floating || !says_places(known)) return {};
  return network_.image_of({known.dims.begin(), known.dims.end() - 1});
}

bool Importing::is_grid(size_t i) const { return known(i) && image_of_grid(*known(i)); }

Value Importing::constant(const Known& known, const std::string& name) {
  if (!known.floating) cannot("it computes with constant integers");
  if (known.floats.empty()) cannot("a tensor of it has no elements");
  Ints dims = known.dims;
  Array array = as_array(known);
  if (dims.empty()) array.dims = dims = {1};
  if (auto image = image_of_grid(known))
    return network_.layer(name, "CoordinateGrid", {}, {*image}, {})[0];
  auto path = name.ends_with(".weight") ? name.substr(0, name.size() - 7) : name;
  return network_.layer(path, "Parameter", {{"shape", list(dims)}}, {},
                        {{"weight", array, name}})[0];
}

int64_t Importing::axis(int64_t axis, size_t rank) const {
  const auto n = int64_t(rank);
  if (axis < -n || axis >= n) cannot("it has no dimension " + std::to_string(axis));
  return axis < 0 ? axis + n : axis;
}

// After its weights, as PyTorch calls them; else after itself.
std::string Importing::base_name() const {
  if (!named_.empty()) return named_;
  std::string prefix;
  for (auto& name : node_.input())
    if (auto found = network_.values.find(name);
        found != network_.values.end() && found->second.known)
      for (const char* end : {".weight", ".in_proj_weight"})
        if (name.ends_with(end) && name.find("::") == name.npos)
          return name.substr(0, name.size() - std::string(end).size());
  const std::string& name = last_->name();
  if (name.starts_with("/"))
    if (auto path = unscoped(name); !path.empty()) return path;
  if (!name.empty() && name != node_.op_type()) return name[0] == '/' ? name.substr(1) : name;
  std::string type = node_.op_type();
  std::ranges::transform(type, type.begin(), [](char c) { return char(std::tolower(c)); });
  return type + "_" + std::to_string(index_);
}

Value Importing::layer(const std::string& type, Dict params, const std::vector<Value>& from,
                       Weights weights) {
  return network_.layer(base_name() + "_" + type, type, std::move(params), from,
                        std::move(weights))[0];
}

void Importing::emit(const std::string& type, Dict params, const std::vector<Value>& from,
                     Weights weights) {
  auto made = network_.layer(base_name(), type, std::move(params), from, std::move(weights));
  for (int i = 0; i < last_->output_size(); ++i) {
    if (last_->output(i).empty()) continue;
    if (size_t(i) < made.size())
      network_.values[last_->output(i)] = made[size_t(i)];
    else if (network_.readers.contains(last_->output(i)) &&
             !network_.values.contains(last_->output(i)))
      cannot("its output " + std::to_string(i) + " is read");
  }
}

void Importing::emit_truth(const std::string& expression, const Attr::List& names,
                           const std::vector<Value>& from) {
  emit("Math", {{"expr", expression}, {"inputs", names}}, from);
  network_.values.at(last_->output(0)).truth = true;
}

void Importing::alias(const Value& value, size_t output) {
  network_.values[last_->output(int(output))] = value;
  for (int i = 0; i < last_->output_size(); ++i)
    if (size_t(i) != output && network_.readers.contains(last_->output(i)) && outputs() > 1 &&
        !network_.values.contains(last_->output(i)))
      cannot("its output " + std::to_string(i) + " is read");
}

bool Importing::reads(size_t output) const {
  return output < outputs() && network_.readers.contains(node_.output(int(output)));
}

void Importing::becomes(size_t output, const Value& value) {
  network_.values[node_.output(int(output))] = value;
}

void Importing::knows(Known known, size_t output) {
  network_.folded += int64_t(known.size()) * (known.floating ? 4 : int64_t(sizeof(Dim)));
  if (network_.folded > most_folded) cannot("what follows from constants is too large");
  network_.values[node_.output(int(output))] = {
      .known = std::make_shared<const Known>(std::move(known))};
}

const onnx::NodeProto* Importing::next(const std::string& op) const {
  const std::string& out = last_->output(0);
  auto count = network_.readers.find(out);
  if (count == network_.readers.end() || count->second != 1) return nullptr;
  auto reader = network_.only_reader.find(out);
  if (reader == network_.only_reader.end() || reader->second->op_type() != op) return nullptr;
  return reader->second;
}

void Importing::take_in(const onnx::NodeProto& node) {
  last_ = &node;
  network_.done.insert(&node);
}

const Importers& importers() {
  static const Importers table = [] {
    Importers all;
    for (auto* add :
         {add_pointwise, add_arithmetic, add_conditions, add_convolutions, add_pooling,
          add_normalization, add_shapes, add_slicing, add_reductions, add_products, add_resizing})
      add(all);
    return all;
  }();
  return table;
}

}  // namespace braid::onnx_import
