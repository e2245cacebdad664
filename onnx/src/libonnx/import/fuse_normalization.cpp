// Normalizations that are written as means, squares and roots.
#include <algorithm>

#include "libonnx/import/fusion.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

/// x w + b, or a part of it, around what `core` makes.
struct Affine {
  const Node* core = nullptr;
  std::string weight = {}, bias = {};
  std::set<const Node*> outer = {};
};

Affine affine_of(const Nodes& nodes, const Node& root) {
  Affine found;
  const Node* node = &root;
  auto peel = [&](const char* op, std::string& to) {
    if (!node || node->op_type() != op || node->input_size() != 2) return;
    if (const auto c = with_number(nodes, node); c && c->c == (node->op_type() == "Mul" ? 1 : 0)) {
      found.outer.insert(node);
      node = nodes.maker(c->x);
      return;
    }
    for (int k : {0, 1})
      if (nodes.constant(node->input(k)) && !nodes.number(node->input(k))) {
        to = node->input(k);
        found.outer.insert(node);
        node = nodes.maker(node->input(1 - k));
        return;
      }
  };
  if (node->op_type() == "Identity") found.outer.insert(node), node = nodes.maker(node->input(0));
  peel("Add", found.bias);
  peel("Mul", found.weight);
  found.core = node;
  return found;
}

/// (x - mean) / sqrt(variance + eps), means over `axes`.
struct Standard {
  std::string x;
  Ints axes;
  double eps = 0;
  bool clamp = false;
  std::set<const Node*> nodes;
};

const Node* kept_mean(const Nodes& nodes, const std::string& value) {
  const Node* node = nodes.maker(value, "ReduceMean");
  return node && int_of(*node, "keepdims", 1) && ints_of(*node, "axes") ? node : nullptr;
}

bool squares(const Nodes& nodes, const Node* node, const std::string& value) {
  if (!node || node->input_size() != 2 || node->input(0) != value) return false;
  if (node->op_type() == "Pow") return nodes.is(node->input(1), 2);
  return node->op_type() == "Mul" && node->input(1) == value;
}

std::optional<Standard> standard_of(const Nodes& nodes, const Node* div) {
  if (!div || div->op_type() != "Div") return {};
  const Node* apart = nodes.maker(div->input(0), "Sub");
  const Node* root = nodes.maker(div->input(1), "Sqrt");
  const Node* safe = root ? nodes.maker(root->input(0)) : nullptr;
  if (!apart || !safe || (safe->op_type() != "Add" && safe->op_type() != "Max")) return {};
  const auto sum = with_number(nodes, safe);
  const Node* variance = sum ? kept_mean(nodes, sum->x) : nullptr;
  const Node* square = variance ? nodes.maker(variance->input(0)) : nullptr;
  const Node* mean = kept_mean(nodes, apart->input(1));
  if (!mean || !squares(nodes, square, apart->output(0)) || mean->input(0) != apart->input(0) ||
      ints_of(*mean, "axes") != ints_of(*variance, "axes"))
    return {};
  return Standard{.x = apart->input(0),
                  .axes = *ints_of(*mean, "axes"),
                  .eps = decimal(sum->c),
                  .clamp = safe->op_type() == "Max",
                  .nodes = {div, apart, root, safe, variance, square, mean}};
}

Weight weight_of(Importing& i, const std::string& name, const std::string& tensor, Ints dims) {
  const auto known = i.network().values.at(tensor).known;
  if (!known || !known->floating || int64_t(known->size()) != product(dims))
    cannot("its weight does not fit");
  Weight weight{name, as_array(*known), known->origin.empty() ? tensor : known->origin};
  weight.array.dims = std::move(dims);
  return weight;
}

/// Without what is one number and does nothing.
Affine settled(Importing& i, Affine a) {
  auto does_nothing = [&](const std::string& tensor, float value) {
    const auto known = tensor.empty() ? nullptr : i.network().values.at(tensor).known;
    return known && known->floating && known->size() == 1 && known->floats[0] == value;
  };
  if (does_nothing(a.weight, 1)) a.weight.clear();
  if (does_nothing(a.bias, 0)) a.bias.clear();
  return a;
}

/// A weight and a bias that have a number for each channel of [N, C, ...].
Weights by_channel(Importing& i, const Affine& a, const Shape& shape) {
  Weights weights;
  for (auto& [name, tensor] : {std::pair("weight", a.weight), {"bias", a.bias}}) {
    if (tensor.empty()) continue;
    weights.push_back(weight_of(i, name, tensor, {shape[1].value}));
    const Ints& dims = i.network().values.at(tensor).known->dims;
    if (dims.size() + 1 != shape.size() ||
        !std::all_of(dims.begin() + 1, dims.end(), [](int64_t d) { return d == 1; }))
      cannot("its weight is not that of channels");
  }
  if (weights.size() == 1) cannot("it has a weight alone");
  return weights;
}

/// The sizes that a Reshape gives back.
bool is_shape(Importing& i, const Known& target, const Shape& shape) {
  bool same = target.integers.size() == shape.size();
  int open = 0;
  for (size_t d = 0; same && d < shape.size(); ++d) {
    const Dim to = target.integers[d], from = shape[d];
    open += !to.batched && to.value == -1;
    same = to == from || (!to.batched && (to.value == 0 || to.value == -1)) ||
           (from.batched && to == Dim(from.value * i.network().batch));
  }
  return same && open <= 1;
}

void layer_norm(Importing& i, const Standard& s, const Affine& a, const Shape& shape,
                const Ints& axes) {
  Ints row;
  for (int64_t d : axes) row.push_back(shape[size_t(d)].value);
  if (s.clamp || axes.back() + 1 != int64_t(shape.size()) || (axes[0] == 0 && shape[0].batched))
    cannot("it is no LayerNorm");
  Dict params{{"eps", s.eps}};
  if (row.size() > 1) set(params, "normalized_shape", list(row));
  Weights weights;
  if (a.weight.empty()) set(params, "elementwise_affine", false);
  for (auto& [name, tensor] : {std::pair("weight", a.weight), {"bias", a.bias}}) {
    if (tensor.empty()) continue;
    if (i.network().values.at(tensor).known->dims != row) cannot("it is no LayerNorm");
    weights.push_back(weight_of(i, name, tensor, row));
  }
  if (!a.weight.empty() && a.bias.empty()) set(params, "bias", false);
  i.emit("LayerNorm", params, {i.operand(s.x)}, std::move(weights));
}

void batch_norm(Importing& i, const Standard& s, const Affine& a, const Shape& shape) {
  const auto rank = shape.size();
  Dict params{{"eps", s.eps}, {"track_running_stats", false}};
  if (s.clamp) set(params, "eps_mode", "clamp");
  if (a.weight.empty()) set(params, "affine", false);
  const std::string type = rank == 4 ? "BatchNorm2d" : rank == 5 ? "BatchNorm3d" : "BatchNorm1d";
  i.emit(type, params, {i.operand(s.x)}, by_channel(i, a, shape));
}

void normalization(Importing& i, const Standard& s, const Affine& a) {
  const Shape shape = i.network().type(i.operand(s.x)).shape;
  Ints axes;
  for (int64_t axis : s.axes) axes.push_back(i.axis(axis, shape.size()));
  std::ranges::sort(axes);
  Ints others, rows;
  for (size_t d = 0; d < shape.size(); ++d)
    if (d != 1) others.push_back(int64_t(d));
  for (size_t d = shape.size() - std::min(axes.size(), shape.size()); d < shape.size(); ++d)
    rows.push_back(int64_t(d));
  const bool batched = !shape.empty() && shape[0].batched;
  if (batched && shape.size() > 1 && axes == others) return batch_norm(i, s, a, shape);
  if (axes != rows || axes.empty()) cannot("it is no LayerNorm");
  layer_norm(i, s, a, shape, axes);
}

class Groups {
 public:
  Groups(const Nodes& nodes, Affine affine, const Node& back) : affine_(std::move(affine)) {
    const Node* instance = nodes.maker(back.input(0), "InstanceNormalization");
    rows_ = instance ? nodes.maker(instance->input(0), "Reshape") : nullptr;
    if (!rows_ || rows_->input_size() != 2 || back.input_size() != 2) return;
    auto sizes = nodes.integers(rows_->input(1)).value_or(Ints{});
    if (sizes.size() != 3 || sizes[0] != 0 || sizes[2] != -1 || int_of(*rows_, "allowzero", 0))
      return;
    inner = {&back, instance, rows_};
    groups_ = sizes[1];
    to_ = back.input(1), one_ = instance->input(1), zero_ = instance->input(2);
    eps_ = decimal(float_of(*instance, "epsilon", 1e-5));
  }

  void operator()(Importing& i) const {
    const Shape shape = i.network().type(i.operand(rows_->input(0))).shape;
    const auto target = i.network().values.at(to_).known;
    if (shape.size() < 2 || !target || !is_shape(i, *target, shape) || !all(i, one_, 1) ||
        !all(i, zero_, 0))
      cannot("it is no GroupNorm");
    const Affine affine = settled(i, affine_);
    Dict params{{"num_groups", groups_}, {"eps", eps_}};
    if (affine.weight.empty()) set(params, "affine", false);
    i.emit("GroupNorm", params, {i.operand(rows_->input(0))}, by_channel(i, affine, shape));
  }

  std::set<const Node*> inner = {};  ///< none = it is another thing

 private:
  bool all(Importing& i, const std::string& name, float value) const {
    const auto known = i.network().values.at(name).known;
    return known && known->floating && known->size() == size_t(groups_) &&
           std::ranges::all_of(known->floats, [&](float f) { return f == value; });
  }

  Affine affine_;
  const Node* rows_ = nullptr;
  std::string to_, one_, zero_;
  int64_t groups_ = 0;
  double eps_ = 0;
};

}  // namespace

Found find_normalization(const Nodes& nodes, const Node& root) {
  const Affine affine = affine_of(nodes, root);
  const auto standard = standard_of(nodes, affine.core);
  if (!standard || (affine.weight.empty() && !affine.bias.empty())) return {};
  Fusion fusion{.root = &root, .inner = standard->nodes, .reads = {standard->x}};
  fusion.inner.insert(affine.outer.begin(), affine.outer.end());
  fusion.inner.erase(&root);
  fusion.emit = [s = *standard, affine](Importing& i) { normalization(i, s, affine); };
  return fusion;
}

/// Its variance is max(variance, eps), and its epsilon 0.
Found find_clamped_batch_norm(const Nodes& nodes, const Node& root) {
  const Node* max = root.input_size() == 5 ? nodes.maker(root.input(4), "Max") : nullptr;
  const auto eps = max ? nodes.number(max->input(1)) : std::nullopt;
  if (!eps || max->input_size() != 2 || !nodes.constant(max->input(0)) ||
      float_of(root, "epsilon", 1e-5) != 0 || int_of(root, "training_mode", 0))
    return {};
  return Fusion{.root = &root,
                .inner = {max},
                .reads = {root.input(0)},
                .emit = [variance = max->input(0), eps = decimal(*eps)](Importing& i) {
                  emit_batch_norm(i, variance, {{"eps", eps}, {"eps_mode", "clamp"}});
                }};
}

/// A group is an instance of its own: [N, groups, rest].
Found find_group_norm(const Nodes& nodes, const Node& root) {
  const Affine affine = affine_of(nodes, root);
  if (!affine.core || affine.core->op_type() != "Reshape") return {};
  const Groups groups(nodes, affine, *affine.core);
  if (groups.inner.empty()) return {};
  Fusion fusion{.root = &root, .inner = groups.inner, .emit = groups};
  for (auto* node : fusion.inner)
    if (node->op_type() == "Reshape" && node != affine.core) fusion.reads = {node->input(0)};
  fusion.inner.insert(affine.outer.begin(), affine.outer.end());
  fusion.inner.erase(&root);
  return fusion;
}

}  // namespace braid::onnx_import
