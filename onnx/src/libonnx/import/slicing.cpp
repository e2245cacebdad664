// Parts of a tensor: of consecutive cells, of every so many, of those that a list names.
#include <algorithm>

#include "libonnx/import/importing.h"

namespace braid::onnx_import {
namespace {

void split(Importing& i) {
  const Shape shape = i.shape();
  const auto axis = i.axis(i.integer("axis", 0), shape.size());
  if (i.outputs() == 1) return i.alias(i.operand());
  const Ints sections = parts_of(i, shape[size_t(axis)].value);
  i.emit("Split", {{"split_size_or_sections", list(sections)}, {"dim", axis}});
}

std::optional<Cut> cut_of(int64_t dim, int64_t start, int64_t end, int64_t step, Dim size) {
  if (step == 0) cannot("its step is 0");
  if (size.batched) {
    if (start != 0 || end < INT32_MAX || step != 1) cannot("it cuts the batch");
    return {};
  }
  const int64_t cells = size.value;
  const auto place = [&](int64_t at, int64_t least, int64_t most) {
    return std::clamp<int64_t>(at < 0 ? std::max(at, -cells - 1) + cells : at, least, most);
  };
  const bool on = step > 0;
  const int64_t first = place(start, 0, on ? cells : cells - 1);
  const int64_t last = on ? place(end, 0, cells) : place(end, -1, cells - 1);
  if (on ? last <= first : last >= first) cannot("its result is empty");
  step = std::clamp(step, -cells, cells);
  if (step == 1 && first == 0 && last == cells) return {};
  if (std::abs(last - first) <= std::abs(step)) return Cut{dim, first, first + 1, 1};
  return Cut{dim, first, last, step};
}

Value one_cell(Importing& i, const Value& from, int64_t dim, int64_t at) {
  Dict params{{"dim", dim}, {"start", at}};
  if (at + 1 < i.network().type(from).shape[size_t(dim)].value) set(params, "end", at + 1);
  return i.layer("Slice", params, {from});
}

/// A layer inside the node, or the one that makes its output.
Value make(Importing& i, bool last, const char* type, const Dict& params,
           const std::vector<Value>& from) {
  if (!last) return i.layer(type, params, from);
  i.emit(type, params, from);
  return {};
}

/// Cells that are far from each other or in another order, one by one.
Value picked(Importing& i, const Value& from, const Cut& cut, bool last) {
  std::vector<Value> parts;
  for (int64_t at = cut.start; cut.step > 0 ? at < cut.end : at > cut.end; at += cut.step) {
    if (parts.size() == 64) cannot("its step is " + std::to_string(cut.step));
    parts.push_back(one_cell(i, from, cut.dim, at));
  }
  return make(i, last, "Concat", {{"dim", cut.dim}}, parts);
}

/// In rows of `step` cells, those at one place.
std::optional<Value> combed(Importing& i, const Value& from, const Cut& cut, bool last) {
  Shape shape = i.network().type(from).shape;
  Dim& size = shape[size_t(cut.dim)];
  const int64_t place = cut.start % std::max<int64_t>(cut.step, 1), begin = cut.start - place;
  const int64_t rows = (cut.end - cut.start + cut.step - 1) / cut.step;
  const int64_t end = begin + rows * cut.step;
  if (cut.step < 2 || end > size.value) return {};
  Value at = from;
  if (begin > 0 || end < size.value)
    at = i.layer("Slice", {{"dim", cut.dim}, {"start", begin}, {"end", end}}, {at});
  size = Dim(rows);
  shape.insert(shape.begin() + cut.dim + 1, Dim(cut.step));
  at = i.layer("Reshape", {{"shape", sizes_of(shape)}}, {at});
  at = one_cell(i, at, cut.dim + 1, place);
  return make(i, last, "Squeeze", {{"dim", cut.dim + 1}}, {at});
}

void slice(Importing& i) {
  const auto cuts = cuts_of(i, i.shape());
  if (cuts.empty()) return i.alias(i.operand());
  Value at = i.operand();
  for (size_t k = 0; k < cuts.size(); ++k) {
    const Cut& cut = cuts[k];
    const bool last = k + 1 == cuts.size();
    if (cut.step != 1) {
      auto made = combed(i, at, cut, last);
      at = made ? *made : picked(i, at, cut, last);
      continue;
    }
    Dict params{{"dim", cut.dim}, {"start", cut.start}};
    if (cut.end < i.network().type(at).shape[size_t(cut.dim)].value) set(params, "end", cut.end);
    at = make(i, last, "Slice", params, {at});
  }
}

void embedding(Importing& i) {
  const Known& table = i.known(0, "its table");
  if (table.dims.size() != 2 || !table.floating) cannot("its table is no matrix of floats");
  i.emit("Embedding", {{"num_embeddings", table.dims[0]}, {"embedding_dim", table.dims[1]}},
         {i.operand(1)}, {i.weight("weight", 0, "its table")});
}

/// The first rows of a table, as many as a size says.
void rows(Importing& i) {
  const Known &table = i.known(0, "its table"), &count = i.known(1, "its indices");
  const auto end = int64_t(count.size());
  if (table.dims.empty() || end < 1 || end > table.dims[0]) cannot("its index is outside");
  const bool plain = count.dims.size() == 1;
  if (plain && end == table.dims[0]) return i.alias(i.operand());
  const Dict first{{"dim", 0}, {"end", end}};
  if (plain) return i.emit("Slice", first);
  Ints to = count.dims;
  to.insert(to.end(), table.dims.begin() + 1, table.dims.end());
  i.emit("Reshape", {{"shape", list(to)}}, {i.layer("Slice", first, {i.operand()})});
}

void gather(Importing& i) {
  const int64_t given = i.integer("axis", 0);
  if (i.known(0) && !i.known(1) && given == 0) return embedding(i);
  if (i.known(0) && i.known(1)->counted && given == 0) return rows(i);
  const Ints indices = i.ints(1, "its indices");
  const Shape shape = i.shape();
  const int64_t axis = i.axis(given, shape.size()), cells = shape[size_t(axis)].value;
  if (shape[size_t(axis)].batched) cannot("it picks samples of the batch");
  const size_t rank = i.known(1)->dims.size();
  if (indices.empty() || indices.size() > 64) cannot("its indices are no short list");
  std::vector<Value> parts;
  for (int64_t index : indices) {
    if (index < -cells || index >= cells) cannot("its index is outside of its input");
    const int64_t start = index < 0 ? index + cells : index;
    Dict params{{"dim", axis}, {"start", start}};
    if (start + 1 < cells) set(params, "end", start + 1);
    if (rank == 1 && indices.size() == 1) return i.emit("Slice", params);
    parts.push_back(i.layer("Slice", params, {i.operand()}));
  }
  if (rank == 0) return i.emit("Squeeze", {{"dim", axis}}, {parts[0]});
  if (rank == 1) return i.emit("Concat", {{"dim", axis}}, parts);
  const Value row = parts.size() == 1 ? parts[0] : i.layer("Concat", {{"dim", axis}}, parts);
  Shape to(shape.begin(), shape.begin() + axis);
  for (int64_t d : i.known(1)->dims) to.push_back(d);
  to.insert(to.end(), shape.begin() + axis + 1, shape.end());
  i.emit("Reshape", {{"shape", sizes_of(to)}}, {row});
}

}  // namespace

Ints parts_of(Importing& i, int64_t cells) {
  auto sections = i.ints_or_attribute(1, "split");
  const auto parts = int64_t(i.outputs());
  if (!sections) {
    if (cells % parts) cannot("its parts are not equal");
    sections = Ints(size_t(parts), cells / parts);
  }
  if (int64_t(sections->size()) != parts) cannot("its parts are not as many as its outputs");
  return *sections;
}

std::vector<Cut> cuts_of(Importing& i, const Shape& shape) {
  Ints starts, ends, axes, steps;
  if (i.opset() < 10) {
    starts = i.integers("starts"), ends = i.integers("ends");
    axes = i.integers("axes");
  } else {
    starts = i.ints(1, "its start"), ends = i.ints(2, "its end");
    if (i.has(3)) axes = i.ints(3, "its axes");
    if (i.has(4)) steps = i.ints(4, "its steps");
  }
  if (axes.empty())
    for (size_t d = 0; d < starts.size(); ++d) axes.push_back(int64_t(d));
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (starts.size() != ends.size() || axes.size() != starts.size() || steps.size() != starts.size())
    cannot("its ends do not match");
  std::vector<Cut> cuts;
  for (size_t k = 0; k < axes.size(); ++k) {
    const int64_t dim = i.axis(axes[k], shape.size());
    if (auto cut = cut_of(dim, starts[k], ends[k], steps[k], shape[size_t(dim)]))
      cuts.push_back(*cut);
  }
  return cuts;
}

void add_slicing(Importers& table) {
  table["Gather"] = gather;
  table["Slice"] = slice;
  table["Split"] = split;
}

}  // namespace braid::onnx_import
