// What moves, joins and cuts elements.
#include <algorithm>
#include <numeric>

#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

void reshape(Exporting& e) { e.emit_reshape(e.in(), e.shape(), e.result()); }

// ONNX's Flatten makes two dimensions.
void flatten(Exporting& e) {
  if (get_int(e.params(), "start_dim", 1) == 1 && e.result().size() == 2)
    return e.emit("Flatten", {e.in()}, {{"axis", 1}});
  reshape(e);
}

void squeeze(Exporting& e) { e.emit("Squeeze", {e.in(), e.integers(e.axes("dim"))}); }

void unsqueeze(Exporting& e) {
  int64_t dim = get_int(e.params(), "dim");
  if (dim < 0) dim += int64_t(e.result().size());
  e.emit("Unsqueeze", {e.in(), e.integers({dim})});
}

void permute(Exporting& e) {
  Ints order = get_ints(e.params(), "dims");
  for (auto& d : order)
    if (d < 0) d += int64_t(e.rank());
  e.emit("Transpose", {e.in()}, {{"perm", list(order)}});
}

void transpose(Exporting& e) {
  Ints order(e.rank());
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[size_t(e.axis("dim0"))], order[size_t(e.axis("dim1"))]);
  e.emit("Transpose", {e.in()}, {{"perm", list(order)}});
}

// 1 keeps what the input has.
void expand(Exporting& e) {
  const Shape &from = e.shape(), &to = e.result();
  Names parts;
  for (size_t d = 0; d < to.size(); ++d) {
    const size_t more = to.size() - from.size();
    const bool stays = d >= more && from[d - more] == to[d];
    parts.push_back(stays ? e.integers({1}) : e.size_of(to[d]));
  }
  if (parts.empty()) return e.emit("Identity", {e.in()});
  e.emit("Expand", {e.in(), parts.size() == 1 ? parts[0] : e.node("Concat", parts, {{"axis", 0}})});
}

void concat(Exporting& e) {
  Names all;
  for (size_t i = 0; i < e.inputs(); ++i) all.push_back(e.in(i));
  e.emit("Concat", all, {{"axis", e.axis("dim")}});
}

// A size that is free is read off an input of the network: `end: L`.
void slice(Exporting& e) {
  const int64_t axis = e.axis("dim"), start = get_int(e.params(), "start");
  const Dim from = e.shape()[size_t(axis)], to = e.result()[size_t(axis)];
  const Attr* typed = find(e.params(), "end");
  std::string end;
  if (known(from) && !known(to)) {
    if (start < 0) cannot("it begins where a free size says");
    end = e.size_of(to);
    if (start > 0) end = e.node("Add", {end, e.integers({start})});
  } else {
    end = e.integers({typed && typed->is<int64_t>() ? typed->as_int() : INT64_MAX});
  }
  e.emit("Slice", {e.in(), e.integers({start}), end, e.integers({axis})});
}

void split(Exporting& e) {
  const int64_t axis = e.axis("dim");
  Ints sizes;
  for (size_t i = 0; i < e.outputs(); ++i)
    sizes.push_back(known(e.result(i)[size_t(axis)], "the size of a part"));
  e.emit("Split", {e.in(), e.integers(sizes)}, {{"axis", axis}});
}

// Typed from the last dimension on; ONNX lists all begins, then all ends.
void pad(Exporting& e) {
  const Ints typed = get_ints(e.params(), "pad");
  Ints all(2 * e.rank(), 0);
  for (size_t k = 0; k + 1 < typed.size(); k += 2) {
    const size_t d = e.rank() - 1 - k / 2;
    all[d] = typed[k], all[e.rank() + d] = typed[k + 1];
  }
  e.emit("Pad", {e.in(), e.integers(all), e.scalar(get_double(e.params(), "value"))});
}

void parameter(Exporting& e) { e.alias(e.weight("weight")); }

void coordinate_grid(Exporting& e) {
  Ints sizes;
  int64_t cells = 1;
  for (size_t d = 2; d < e.rank(); ++d) {
    sizes.push_back(known(e.shape()[d], "the grid"));
    cells *= sizes.back();
  }
  const auto axes = int64_t(sizes.size());
  std::vector<float> grid(size_t(cells * axes));
  for (int64_t cell = 0; cell < cells; ++cell) {
    int64_t rest = cell;
    for (int64_t k = 0; k < axes; ++k) {  // x, the last dimension, first
      const int64_t size = sizes[size_t(axes - 1 - k)];
      const int64_t at = rest % size;
      rest /= size;
      grid[size_t(cell * axes + k)] =
          size > 1 ? float(-1 + double(at) * (2 / double(size - 1))) : 0.0F;
    }
  }
  sizes.push_back(axes);
  e.emit("Identity", {e.floats(grid, sizes)});
}

}  // namespace

void add_shapes(Exporters& table) {
  table["Chunk"] = table["Split"] = {split, "Split"};
  table["Concat"] = {concat, "Concat"};
  table["CoordinateGrid"] = {coordinate_grid, "Constant, Identity"};
  table["Expand"] = {expand, "Expand"};
  table["Flatten"] = {flatten, "Flatten, or Reshape"};
  table["Pad"] = {pad, "Pad"};
  table["Parameter"] = {parameter, "an initializer"};
  table["Permute"] = {permute, "Transpose"};
  table["Reshape"] = table["Unflatten"] = {reshape, "Reshape"};
  table["Slice"] = {slice, "Slice"};
  table["Squeeze"] = {squeeze, "Squeeze"};
  table["Transpose"] = {transpose, "Transpose"};
  table["Unsqueeze"] = {unsqueeze, "Unsqueeze"};
}

}  // namespace braid::onnx_export
