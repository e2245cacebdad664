#include <algorithm>
#include <cmath>

#include "libonnx/import/importing.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

int64_t product_of(const Shape& shape) {
  int64_t all = 1;
  for (auto& dim : shape) {
    auto next = checked_product(all, dim.value);
    if (!next) cannot("its sizes overflow");
    all = *next;
  }
  return all;
}

// A file with a fixed batch of 1 says 1 where one with an open batch says N.
Shape target_of(Importing& i, const Shape& from, Shape to) {
  const bool batched = !from.empty() && from[0].batched;
  const int64_t total = product_of(from), batch = i.network().batch;
  if (i.integer("allowzero", 0) == 0)
    for (size_t d = 0; d < to.size(); ++d)
      if (!to[d].batched && to[d].value == 0) {
        if (d >= from.size()) cannot("its shape copies a dimension that is not there");
        to[d] = from[d];
      }
  const auto rest = std::ranges::find_if(to, [](Dim d) { return !d.batched && d.value == -1; });
  const bool open = rest != to.end();
  if (batched && !to.empty() && !to[0].batched && rest != to.begin() && batch > 0 &&
      to[0].value % batch == 0)
    to[0] = Dim(to[0].value / batch, true);
  if (!open) return to;
  *rest = Dim(1);
  const int64_t others = product_of(to);
  if (others <= 0 || total % others) cannot("its shape does not fit the input " + to_string(from));
  *rest = Dim(total / others, batched && rest == to.begin());
  return to;
}

void become(Importing& i, const Shape& to) {
  const Shape from = i.shape();
  if (to == from) return i.alias(i.operand());
  for (auto& dim : to)
    if (dim.value <= 0) cannot("a size of its result is " + std::to_string(dim.value));
  const bool flat = to.size() == 2 && from.size() > 2 && from[0] == to[0] && from[0].batched;
  if (flat && product_of(from) == product_of(to)) return i.emit("Flatten");
  i.emit("Reshape", {{"shape", sizes_of(to)}});
}

void reshape(Importing& i) {
  Shape to;
  if (i.has_attribute("shape"))
    for (int64_t d : i.integers("shape")) to.push_back(d);
  else
    to = i.known(1, "its shape").integers;
  become(i, target_of(i, i.shape(), to));
}

void flatten(Importing& i) {
  const Shape shape = i.shape();
  const int64_t rank = int64_t(shape.size());
  int64_t axis = i.integer("axis", 1);
  if (axis < -rank || axis > rank) cannot("it has no dimension " + std::to_string(axis));
  if (axis < 0) axis += rank;
  const Shape head(shape.begin(), shape.begin() + axis), tail(shape.begin() + axis, shape.end());
  const bool batched = !shape.empty() && shape[0].batched;
  if (axis == 0 && batched) cannot("it mixes samples");
  become(i, {Dim(product_of(head), batched), Dim(product_of(tail))});
}

void squeeze(Importing& i) {
  const Shape shape = i.shape();
  auto axes = i.ints_or_attribute(1, "axes");
  Ints dims;
  if (axes)
    for (int64_t axis : *axes) dims.push_back(i.axis(axis, shape.size()));
  else
    for (size_t d = 0; d < shape.size(); ++d)
      if (!shape[d].batched && shape[d].value == 1) dims.push_back(int64_t(d));
  if (dims.empty()) return i.alias(i.operand());
  i.emit("Squeeze", {{"dim", dims.size() == 1 ? Attr(dims[0]) : list(dims)}});
}

void unsqueeze(Importing& i) {
  const Shape shape = i.shape();
  const auto axes = i.ints_or_attribute(1, "axes");
  if (!axes) cannot("it has no axes");
  const size_t rank = shape.size() + axes->size();
  Ints places;
  for (int64_t axis : *axes) places.push_back(i.axis(axis, rank));
  std::ranges::sort(places);
  if (std::ranges::adjacent_find(places) != places.end()) cannot("an axis is there twice");
  if (places.size() == 1) return i.emit("Unsqueeze", {{"dim", places[0]}});
  Shape to = shape;
  for (int64_t place : places) to.insert(to.begin() + place, Dim(1));
  become(i, to);
}

void transpose(Importing& i) {
  const size_t rank = i.rank();
  Ints reversed;
  for (size_t d = rank; d-- > 0;) reversed.push_back(int64_t(d));
  const Ints dims = i.integers("perm", reversed);
  if (std::ranges::is_sorted(dims)) return i.alias(i.operand());
  i.emit("Permute", {{"dims", list(dims)}});
}

void concat(Importing& i) {
  if (i.inputs() == 1) return i.alias(i.operand());
  std::vector<Value> from;
  for (size_t k = 0; k < i.inputs(); ++k) from.push_back(i.operand(k));
  const int64_t axis = i.axis(i.integer("axis", 1), i.rank());
  for (size_t k = 0; k < i.inputs() && axis == 0; ++k)
    if (i.type(k).batched()) cannot("it puts samples side by side");
  i.emit("Concat", {{"dim", axis}}, from);
}

/// A value for each sample of what is the same for all: nothing but the batch's size is taken of
/// another value.
void spread(Importing& i, const Shape& to) {
  const auto other = i.network().batched_value();
  if (!other) cannot("no value before it has the batch");
  Value one = *other;
  const Shape shape = i.network().type(one).shape;
  if (shape.size() != 2) one = i.layer("Flatten", {}, {one});
  if (i.network().type(one).shape[1].value != 1)
    one = i.layer("Slice", {{"dim", 1}, {"end", 1}}, {one});
  Shape cells(to.size(), Dim(1));
  cells[0] = to[0];
  if (cells.size() != 2) one = i.layer("Reshape", {{"shape", sizes_of(cells)}}, {one});
  const Dict both{{"expr", "a if s == s else a"}, {"inputs", Attr::List{"a", "s"}}};
  const Shape from = i.shape();
  const bool rest =
      from.size() == to.size() && std::equal(from.begin() + 1, from.end(), to.begin() + 1);
  if (rest) return i.emit("Math", both, {i.operand(), one});
  i.emit("Expand", {{"size", sizes_of(to)}}, {i.layer("Math", both, {i.operand(), one})});
}

void expand(Importing& i) {
  const Shape from = i.shape();
  Shape to = i.known(1, "its shape").integers;
  while (to.size() < from.size()) to.insert(to.begin(), Dim(1));
  const size_t more = to.size() - from.size();
  for (size_t d = 0; d < from.size(); ++d) {
    Dim& dim = to[d + more];
    const bool one = !from[d].batched && from[d].value == 1;
    const bool fixed_batch = from[d].batched && dim.value == i.network().batch * from[d].value;
    if (!one && !(from[d] == dim) && !fixed_batch && (dim.batched || dim.value != 1))
      cannot("its shape does not fit the input " + to_string(from));
    if (!one) dim = from[d];
  }
  if (to == from) return i.alias(i.operand());
  if (to[0] == N && (more || !from[0].batched)) return spread(i, to);
  i.emit("Expand", {{"size", sizes_of(to)}});
}

/// Cells of the image's own as its border: parts of it, side by side.
void mirrored(Importing& i, const Ints& pads, bool edge) {
  const Shape shape = i.shape();
  const size_t rank = shape.size();
  Value at = i.operand();
  size_t last = rank;
  for (size_t d = 0; d < rank; ++d)
    if (pads[d] || pads[d + rank]) last = d;
  for (size_t d = 0; d <= last; ++d) {
    const int64_t before = pads[d], after = pads[d + rank], cells = shape[d].value;
    if (!before && !after) continue;
    const int64_t most = edge ? 64 : cells - 1;
    if (shape[d].batched || std::min(before, after) < 0 || std::max(before, after) > most ||
        before + after > 64)
      cannot("its border is larger than 64 cells, or than the input");
    const auto cell = [&](int64_t k) {
      Dict params{{"dim", int64_t(d)}, {"start", k}};
      if (k + 1 < cells) set(params, "end", k + 1);
      return i.layer("Slice", params, {at});
    };
    std::vector<Value> parts;
    for (int64_t k = before; k > 0; --k) parts.push_back(cell(edge ? 0 : k));
    parts.push_back(at);
    for (int64_t k = 1; k <= after; ++k) parts.push_back(cell(cells - 1 - (edge ? 0 : k)));
    if (d == last) return i.emit("Concat", {{"dim", int64_t(d)}}, parts);
    at = i.layer("Concat", {{"dim", int64_t(d)}}, parts);
  }
}

void pad(Importing& i) {
  const std::string mode = i.text("mode", "constant");
  const auto pads =
      i.opset() < 11 ? i.integers("pads", i.integers("paddings")) : i.ints(1, "its padding");
  const double value = i.opset() < 11 ? i.number("value", 0)
                       : i.has(2)     ? i.scalar(2).value_or(NAN)
                                      : 0;
  if (value != value) cannot("its value is not known before the network runs");
  if (i.has(3)) cannot("it names axes");
  const size_t rank = i.rank();
  if (pads.size() != 2 * rank) cannot("its padding does not fit its input");
  if (std::ranges::all_of(pads, [](int64_t p) { return p == 0; })) return i.alias(i.operand());
  if (mode == "reflect" || mode == "edge") return mirrored(i, pads, mode == "edge");
  if (mode != "constant") cannot("its mode is " + mode);
  size_t first = 0;
  while (pads[first] == 0 && pads[first + rank] == 0) ++first;
  Ints cells;
  for (size_t d = rank; d-- > first;) cells.push_back(pads[d]), cells.push_back(pads[d + rank]);
  Dict params{{"pad", list(cells)}};
  if (value != 0) set(params, "value", decimal(value));
  i.emit("Pad", params);
}

void tile(Importing& i) {
  const Ints repeats = i.ints(1, "its repeats");
  const Shape shape = i.shape();
  if (repeats.size() != shape.size()) cannot("its repeats do not fit its input");
  Ints dims;
  for (size_t d = 0; d < shape.size(); ++d)
    if (repeats[d] != 1) dims.push_back(int64_t(d));
  if (dims.empty()) return i.alias(i.operand());
  Value at = i.operand();
  for (size_t k = 0; k < dims.size(); ++k) {
    const int64_t times = repeats[size_t(dims[k])];
    if (times < 1 || times > 4096) cannot("it repeats " + std::to_string(times) + " times");
    const std::vector<Value> copies(size_t(times), at);
    if (k + 1 == dims.size()) return i.emit("Concat", {{"dim", dims[k]}}, copies);
    at = i.layer("Concat", {{"dim", dims[k]}}, copies);
  }
}

/// Reshape, Permute, Reshape.
void rearrange(Importing& i, const Shape& apart, const Ints& order, const Shape& together) {
  const Value a = i.layer("Reshape", {{"shape", sizes_of(apart)}}, {i.operand()});
  const Value b = i.layer("Permute", {{"dims", list(order)}}, {a});
  i.emit("Reshape", {{"shape", sizes_of(together)}}, {b});
}

void depth_to_space(Importing& i) {
  const Shape s = i.shape();
  const int64_t block = i.integer("blocksize", 0);
  if (s.size() != 4 || block < 1 || block > 1024 || s[1].value % (block * block))
    cannot("its blocks do not fit its input");
  const Dim c = s[1].value / (block * block);
  const bool crd = i.text("mode", "DCR") == "CRD";
  const Shape apart =
      crd ? Shape{s[0], c, block, block, s[2], s[3]} : Shape{s[0], block, block, c, s[2], s[3]};
  rearrange(i, apart, crd ? Ints{0, 1, 4, 2, 5, 3} : Ints{0, 3, 4, 1, 5, 2},
            {s[0], c, s[2].value * block, s[3].value * block});
}

void space_to_depth(Importing& i) {
  const Shape s = i.shape();
  const int64_t b = i.integer("blocksize", 0);
  if (s.size() != 4 || b < 1 || s[2].value % b || s[3].value % b)
    cannot("its blocks do not fit its input");
  const int64_t h = s[2].value / b, w = s[3].value / b;
  rearrange(i, {s[0], s[1], h, b, w, b}, {0, 3, 5, 1, 2, 4}, {s[0], s[1].value * b * b, h, w});
}

}  // namespace

void add_shapes(Importers& table) {
  table["Concat"] = concat;
  table["DepthToSpace"] = depth_to_space;
  table["Expand"] = expand;
  table["Flatten"] = flatten;
  table["Pad"] = pad;
  table["Reshape"] = reshape;
  table["SpaceToDepth"] = space_to_depth;
  table["Squeeze"] = squeeze;
  table["Tile"] = tile;
  table["Transpose"] = transpose;
  table["Unsqueeze"] = unsqueeze;
}

}  // namespace braid::onnx_import
