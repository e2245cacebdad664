// The steps of an attention, each checked by what it does to the axes of its operands.
#include <algorithm>
#include <functional>

#include "libonnx/import/view.h"

namespace braid::onnx_import {
namespace {

using Kind = Axis::Kind;
using Stage = View::Stage;

const std::string& name_of(Importing& i, size_t k) { return i.node().input(int(k)); }

/// An operand as a view: what comes from outside is [N, L, features].
View view_of(Importing& i, size_t k) {
  const Value& value = i.value(k);
  if (value.failed) cannot("");
  if (value.view) return *value.view;
  demand(value.link.has_value());
  const Type type = i.network().type(value);
  demand(type.dtype == DType::f32 && type.shape.size() == 3);
  const Dim n = type.shape[0], l = type.shape[1], e = type.shape[2];
  const auto cells = checked_product(l.value, e.value);
  demand(cells && *cells < (int64_t{1} << 40) && n.value < 1024 && i.network().batch < 4096);
  View view{.features = e.value, .parts = {{.input = name_of(i, k)}}};
  view.dims = {joined({{Kind::sample, n}}), joined({{Kind::row, l}}), joined({{Kind::feature, e}})};
  return view;
}

const Known& matrix_of(Importing& i, size_t k) {
  const Known& matrix = i.known(k, "its weight");
  demand(matrix.floating && matrix.dims.size() == 2);
  return matrix;
}

void keep(Importing& i, View view, size_t output = 0) {
  if (!view.dims.empty())
    view.moved = view.moved || view.dims[0].empty() || view.dims[0][0].kind != Kind::sample;
  i.network().values[i.node().output(int(output))] = {
      .view = std::make_shared<const View>(std::move(view))};
}

// ---- moving -------------------------------------------------------------------------------------

void transpose(Importing& i, View view) {
  const Ints perm = i.integers("perm");
  demand(perm.size() == view.dims.size());
  std::vector<Axes> dims;
  for (int64_t p : perm) dims.push_back(view.dims[size_t(i.axis(p, perm.size()))]);
  view.dims = dims;
  keep(i, std::move(view));
}

void reshape(Importing& i, View view) {
  demand(i.integer("allowzero", 0) == 0);
  auto dims = regrouped(view.dims, i.known(1, "its shape").integers, i.network().batch);
  demand(dims.has_value());
  view.dims = *dims;
  keep(i, std::move(view));
}

void squeeze(Importing& i, View view) {
  Ints axes = i.ints_or_attribute(1, "axes").value_or(Ints{});
  demand(!axes.empty());
  for (auto& axis : axes) axis = i.axis(axis, view.dims.size());
  std::ranges::sort(axes, std::greater<>());
  for (int64_t axis : axes) {
    demand(size_of(view.dims.at(size_t(axis))) == Dim(1));
    view.dims.erase(view.dims.begin() + axis);
  }
  keep(i, std::move(view));
}

/// `size` cells of a dimension of features, from `start` on.
View cut(View view, size_t axis, int64_t start, int64_t size) {
  Axes& axes = view.dims.at(axis);
  demand(view.parts.size() == 1 && axes.size() == 1 && axes[0].kind == Kind::feature);
  demand(start >= 0 && size > 0 && start + size <= axes[0].size.value);
  view.parts[0].offset += start * axes[0].stride;
  axes[0].size = Dim(size);
  axes = joined(axes);
  return view;
}

void slice(Importing& i, View view) {
  for (const Cut& each : cuts_of(i, shape_of(view))) {
    demand(each.step == 1);
    view = cut(std::move(view), size_t(each.dim), each.start, each.end - each.start);
  }
  keep(i, std::move(view));
}

void split(Importing& i, const View& view) {
  const auto axis = size_t(i.axis(i.integer("axis", 0), view.dims.size()));
  int64_t start = 0;
  const Ints parts = parts_of(i, size_of(view.dims[axis]).value);
  for (size_t k = 0; k < parts.size(); ++k) {
    keep(i, cut(view, axis, start, parts[k]), k);
    start += parts[k];
  }
}

void gather(Importing& i, View view) {
  const auto axis = size_t(i.axis(i.integer("axis", 0), view.dims.size()));
  const Known& index = i.known(1, "its index");
  demand(index.dims.empty() && i.scalar(1).has_value());
  const int64_t cells = size_of(view.dims[axis]).value, at = int64_t(*i.scalar(1));
  view = cut(std::move(view), axis, at < 0 ? at + cells : at, 1);
  view.dims.erase(view.dims.begin() + ptrdiff_t(axis));
  keep(i, std::move(view));
}

// ---- products -----------------------------------------------------------------------------------

/// x W of whole rows: an input's projection, or the one behind all heads.
void project(Importing& i, View view, size_t weight) {
  const Known& matrix = matrix_of(i, weight);
  const bool kept = i.op() == "Gemm" && i.integer("transB", 0) != 0;
  const int64_t in = matrix.dims[kept], out = matrix.dims[!kept];
  demand(!view.dims.empty() && view.dims.back() == all_features(in) && in > 0 && out > 0);
  if (view.stage == Stage::input) {
    demand(!kept && view.features == in);
    view.stage = Stage::projected;
    view.parts[0].weight = name_of(i, weight);
  } else {
    demand(view.stage == Stage::mixed && in == out);
    view.stage = Stage::out;
    view.weight = name_of(i, weight);
    view.kept = kept;
  }
  view.features = out;
  view.dims.back() = all_features(out);
  keep(i, std::move(view));
}

void add_bias(View& view, const std::string& name, const Known& bias) {
  demand(bias.floating && bias.dims == Ints{view.features} && !view.dims.empty() &&
         view.dims.back() == all_features(view.features));
  std::string* to = view.stage == Stage::projected ? &view.parts[0].bias
                    : view.stage == Stage::out     ? &view.bias
                                                   : nullptr;
  demand(to && to->empty());
  if (view.stage == Stage::projected) demand(view.parts[0].offset == 0 && view.parts[0].scale == 1);
  *to = name;
}

void gemm(Importing& i) {
  demand(i.integer("transA", 0) == 0 && i.number("alpha", 1) == 1 && i.number("beta", 1) == 1);
  project(i, view_of(i, 0), 1);
  if (!i.has(2)) return;
  View view = *i.network().values.at(i.node().output(0)).view;
  add_bias(view, name_of(i, 2), i.known(2, "its bias"));
  keep(i, std::move(view));
}

/// The dimensions in front are samples and heads of both, and the last two are `row` and `column`.
void check_matrices(const View& view, Kind row, Kind column) {
  demand(view.dims.size() >= 3);
  auto is = [](const Axes& axes, Kind kind) {
    return axes.empty() || (axes.size() == 1 && axes[0].kind == kind && axes[0].stride == 1);
  };
  demand(is(view.dims[view.dims.size() - 2], row) && is(view.dims.back(), column));
  for (size_t d = 0; d + 2 < view.dims.size(); ++d)
    for (auto& axis : view.dims[d]) demand(axis.kind == Kind::sample || axis.kind == Kind::feature);
}

std::vector<Axes> front(const View& view) { return {view.dims.begin(), view.dims.end() - 2}; }

int64_t features_in(const View& view) {
  int64_t all = 1;
  for (auto& axes : view.dims)
    for (auto& axis : axes) all *= axis.kind == Kind::feature ? axis.size.value : 1;
  return all;
}

void score(Importing& i, const View& query, const View& key) {
  check_matrices(query, Kind::row, Kind::feature);
  check_matrices(key, Kind::feature, Kind::row);
  demand(key.stage == Stage::projected && front(query) == front(key));
  demand(query.dims.back() == key.dims[key.dims.size() - 2]);
  View made{.stage = Stage::scores, .dims = query.dims, .features = features_in(query)};
  made.head = size_of(query.dims.back()).value;
  made.dims.back() = key.dims.back();
  for (auto& axis : made.dims.back()) axis.kind = Kind::key;
  made.parts = {query.parts[0], key.parts[0]};
  made.moved = query.moved || key.moved;
  keep(i, std::move(made));
}

void mix(Importing& i, const View& shares, const View& value) {
  check_matrices(shares, Kind::row, Kind::key);
  check_matrices(value, Kind::row, Kind::feature);
  demand(value.stage == Stage::projected && front(shares) == front(value));
  demand(size_of(shares.dims.back()) == size_of(value.dims[value.dims.size() - 2]));
  demand(features_in(value) == shares.features);
  View made = shares;
  made.stage = Stage::mixed;
  made.dims.back() = value.dims.back();
  made.parts.push_back(value.parts[0]);
  made.moved = shares.moved || value.moved;
  keep(i, std::move(made));
}

void matmul(Importing& i) {
  if (i.known(1)) return project(i, view_of(i, 0), 1);
  const View a = view_of(i, 0), b = view_of(i, 1);
  if (a.stage == Stage::projected) return score(i, a, b);
  demand(a.stage == Stage::shares);
  mix(i, a, b);
}

// ---- numbers ------------------------------------------------------------------------------------

void scale(Importing& i) {
  const size_t at = i.known(0) ? 1 : 0;
  const auto factor = i.scalar(1 - at);
  demand(factor && *factor != 0 && i.known(1 - at)->dims.size() < 2 &&
         (i.op() == "Mul" || at == 0));
  View view = view_of(i, at);
  demand(view.stage == Stage::projected || (view.stage == Stage::scores && view.mask.empty()));
  double& scale = view.stage == Stage::scores ? view.scale : view.parts[0].scale;
  scale *= i.op() == "Mul" ? *factor : 1 / *factor;
  keep(i, std::move(view));
}

void add(Importing& i) {
  const size_t at = i.known(0) ? 1 : 0;
  View view = view_of(i, at);
  add_bias(view, name_of(i, 1 - at), i.known(1 - at, "its bias"));
  keep(i, std::move(view));
}

/// A mask [N, S] as [N, 1, 1, S], which hides keys.
void unsqueeze(Importing& i) {
  const Value& value = i.value(0);
  if (value.failed) cannot("");
  demand(value.link && i.network().type(value).dtype == DType::boolean);
  demand(i.ints_or_attribute(1, "axes") == Ints{1, 2});
  keep(i, {.mask = name_of(i, 0)});
}

void where(Importing& i) {
  const View mask = view_of(i, 0);
  View view = view_of(i, 2);
  const auto hidden = i.scalar(1);
  demand(!mask.mask.empty() && view.mask.empty() && hidden && *hidden < -3e38);
  demand(view.stage == Stage::scores && view.dims.size() == 4);
  view.mask = mask.mask;
  keep(i, std::move(view));
}

void softmax(Importing& i, View view) {
  check_matrices(view, Kind::row, Kind::key);
  const auto rank = view.dims.size();
  demand(view.stage == Stage::scores && i.axis(i.integer("axis", -1), rank) + 1 == int64_t(rank));
  demand(i.opset() >= 13 || i.has_attribute("axis"));
  view.stage = Stage::shares;
  keep(i, std::move(view));
}

}  // namespace

void attend(Importing& i) {
  const std::string& op = i.op();
  if (op == "MatMul") return matmul(i);
  if (op == "Gemm") return gemm(i);
  if (op == "Mul" || op == "Div") return scale(i);
  if (op == "Add") return add(i);
  if (op == "Where") return where(i);
  if (op == "Unsqueeze") return unsqueeze(i);
  View view = view_of(i, 0);
  if (op == "Transpose") return transpose(i, std::move(view));
  if (op == "Reshape") return reshape(i, std::move(view));
  if (op == "Squeeze") return squeeze(i, std::move(view));
  if (op == "Slice") return slice(i, std::move(view));
  if (op == "Split") return split(i, view);
  if (op == "Gather") return gather(i, std::move(view));
  if (op == "Softmax") return softmax(i, std::move(view));
  demand(false);
}

}  // namespace braid::onnx_import
