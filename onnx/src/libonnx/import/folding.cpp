// What follows from shapes and constants alone is computed here: the chains of Shape, Gather,
// Slice, Concat, ... that end in a Reshape. Integers may be multiples of N.
#include <algorithm>
#include <cmath>
#include <limits>

#include "libonnx/import/importing.h"
#include "libonnx/import/read.h"
#include "libonnx/import/view.h"

namespace braid::onnx_import {
namespace {

constexpr int64_t most_elements = 1 << 26, most_integers = 1 << 20;

Ints strides_of(const Ints& dims) {
  Ints strides(dims.size(), 1);
  for (size_t d = dims.size(); d-- > 1;) strides[d - 1] = strides[d] * dims[d];
  return strides;
}

Known empty_like(const Known& known, Ints dims) {
  std::optional<int64_t> size = 1;
  for (int64_t d : dims) size = size ? checked_product(*size, d) : size;
  if (!size || *size > (known.floating ? most_elements : most_integers))
    cannot("a constant of it is too large");
  return {.dims = std::move(dims), .floating = known.floating};
}

void push(Known& to, const Known& from, size_t at) {
  if (from.floating)
    to.floats.push_back(from.floats.at(at));
  else
    to.integers.push_back(from.integers.at(at));
}

/// Elements of `from` where `source` says, for each place of a result of sizes `dims`.
Known picked(const Known& from, const Ints& dims,
             const std::function<size_t(const Ints&)>& source) {
  Known to = empty_like(from, dims);
  const int64_t count = product(dims);
  Ints at(dims.size(), 0);
  for (int64_t k = 0; k < count; ++k) {
    push(to, from, source(at));
    for (size_t d = dims.size(); d-- > 0;) {
      if (++at[d] < dims[d]) break;
      at[d] = 0;
    }
  }
  return to;
}

void shape(Importing& i) {
  const Value& value = i.value(0);
  if (value.failed) cannot("");
  Shape all;
  if (value.view)
    all = shape_of(*value.view);
  else if (value.link)
    all = i.network().type(value).shape;
  else
    for (int64_t d : value.known->dims) all.push_back(d);
  const auto rank = int64_t(all.size());
  const auto place = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = place(i.integer("start", 0)), end = place(i.integer("end", rank));
  Known known;
  for (int64_t d = start; d < end; ++d) known.integers.push_back(all[size_t(d)]);
  known.dims = {int64_t(known.size())};
  i.knows(std::move(known));
}

Known constant_of(Importing& i) {
  if (auto* tensor = i.attribute("value")) return to_known(to_array(tensor->t()));
  Known known;
  if (auto* f = i.attribute("value_float")) known.floating = true, known.floats = {f->f()};
  if (auto* v = i.attribute("value_int")) known.integers = {Dim(v->i())};
  if (auto* f = i.attribute("value_floats")) {
    known.floating = true;
    known.floats.assign(f->floats().begin(), f->floats().end());
    known.dims = {int64_t(known.size())};
  }
  if (auto* v = i.attribute("value_ints")) {
    for (int64_t each : v->ints()) known.integers.push_back(each);
    known.dims = {int64_t(known.size())};
  }
  if (!known.size()) cannot("its constant is no tensor of numbers");
  return known;
}

Known gather(Importing& i) {
  const Known& from = *i.known(0);
  const Ints indices = i.ints(1, "its indices");
  const auto axis = size_t(i.axis(i.integer("axis", 0), from.dims.size()));
  const Ints& shape = i.known(1)->dims;
  Ints dims(from.dims.begin(), from.dims.begin() + ptrdiff_t(axis));
  dims.insert(dims.end(), shape.begin(), shape.end());
  dims.insert(dims.end(), from.dims.begin() + ptrdiff_t(axis) + 1, from.dims.end());
  const Ints strides = strides_of(from.dims), inner = strides_of(shape);
  return picked(from, dims, [&](const Ints& at) {
    size_t which = 0;
    for (size_t d = 0; d < shape.size(); ++d) which += size_t(at[axis + d] * inner[d]);
    int64_t index = indices.at(which);
    if (index < -from.dims[axis] || index >= from.dims[axis]) cannot("its index is outside");
    if (index < 0) index += from.dims[axis];
    int64_t place = index * strides[axis];
    for (size_t d = 0; d < axis; ++d) place += at[d] * strides[d];
    for (size_t d = axis + 1; d < from.dims.size(); ++d)
      place += at[d - 1 + shape.size()] * strides[d];
    return size_t(place);
  });
}

Known slice(Importing& i) {
  const Known& from = *i.known(0);
  Ints starts, ends, axes, steps;
  if (i.opset() < 10) {
    starts = i.integers("starts"), ends = i.integers("ends"), axes = i.integers("axes");
  } else {
    starts = i.ints(1, "its start"), ends = i.ints(2, "its end");
    if (i.has(3)) axes = i.ints(3, "its axes");
    if (i.has(4)) steps = i.ints(4, "its steps");
  }
  Ints dims = from.dims, first(dims.size(), 0), step(dims.size(), 1);
  for (size_t k = 0; k < starts.size(); ++k) {
    const auto d = size_t(i.axis(axes.empty() ? int64_t(k) : axes.at(k), dims.size()));
    const int64_t cells = from.dims[d], by = steps.empty() ? 1 : steps.at(k);
    if (by != 1 && by != -1) cannot("its step is " + std::to_string(by));
    const auto place = [&](int64_t at, int64_t low, int64_t high) {
      return std::clamp<int64_t>(at < 0 ? std::max(at, -cells - 1) + cells : at, low, high);
    };
    first[d] = by > 0 ? place(starts[k], 0, cells) : place(starts[k], 0, cells - 1);
    const int64_t end = by > 0                ? place(ends.at(k), 0, cells)
                        : ends.at(k) < -cells ? -1
                                              : place(ends.at(k), -1, cells - 1);
    dims[d] = std::max<int64_t>(0, by > 0 ? end - first[d] : first[d] - end);
    step[d] = by;
  }
  const Ints strides = strides_of(from.dims);
  return picked(from, dims, [&](const Ints& at) {
    int64_t place = 0;
    for (size_t d = 0; d < at.size(); ++d) place += (first[d] + step[d] * at[d]) * strides[d];
    return size_t(place);
  });
}

Known concat(Importing& i) {
  const Known& first = *i.known(0);
  const auto axis = size_t(i.axis(i.integer("axis", 0), first.dims.size()));
  Ints dims = first.dims, ends;
  dims[axis] = 0;
  for (size_t k = 0; k < i.inputs(); ++k) {
    const Known& part = i.known(k, "an operand");
    if (part.dims.size() != dims.size() || part.floating != first.floating)
      cannot("its parts do not fit");
    for (size_t d = 0; d < dims.size(); ++d)
      if (d != axis && part.dims[d] != dims[d]) cannot("its parts do not fit");
    dims[axis] += part.dims[axis];
    ends.push_back(dims[axis]);
  }
  Known to = empty_like(first, dims);
  Ints at(dims.size(), 0);
  for (int64_t n = product(dims), k = 0; k < n; ++k) {
    const auto which = size_t(std::ranges::upper_bound(ends, at[axis]) - ends.begin());
    const Known& part = *i.known(which);
    const Ints strides = strides_of(part.dims);
    int64_t place = 0;
    for (size_t d = 0; d < dims.size(); ++d)
      place += (d == axis && which ? at[d] - ends[which - 1] : at[d]) * strides[d];
    push(to, part, size_t(place));
    for (size_t d = dims.size(); d-- > 0;) {
      if (++at[d] < dims[d]) break;
      at[d] = 0;
    }
  }
  return to;
}

Known with_dims(const Known& from, Ints dims) {
  Known to = from;
  to.dims = std::move(dims);
  if (product(to.dims) != int64_t(to.size())) cannot("its shape does not fit");
  return to;
}

Known reshape(Importing& i) {
  const Known& from = *i.known(0);
  Ints dims = i.has_attribute("shape") ? i.integers("shape") : i.ints(1, "its shape");
  int64_t others = 1;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 0 && d < from.dims.size()) dims[d] = from.dims[d];
    if (dims[d] < -1 || dims[d] > most_elements) cannot("its shape does not fit");
    if (dims[d] > 0) others = std::min(others * dims[d], most_elements * 2);
  }
  for (auto& d : dims)
    if (d == -1) d = others ? int64_t(from.size()) / others : 0;
  return with_dims(from, dims);
}

Known unsqueeze(Importing& i) {
  const Known& from = *i.known(0);
  Ints axes = i.ints_or_attribute(1, "axes").value_or(Ints{});
  const size_t rank = from.dims.size() + axes.size();
  for (auto& axis : axes) axis = i.axis(axis, rank);
  std::ranges::sort(axes);
  Ints dims = from.dims;
  for (int64_t axis : axes) dims.insert(dims.begin() + std::min(axis, int64_t(dims.size())), 1);
  return with_dims(from, dims);
}

Known squeeze(Importing& i) {
  const Known& from = *i.known(0);
  Ints axes = i.ints_or_attribute(1, "axes").value_or(Ints{}), dims;
  for (auto& axis : axes) axis = i.axis(axis, from.dims.size());
  for (size_t d = 0; d < from.dims.size(); ++d) {
    const bool named = std::ranges::find(axes, int64_t(d)) != axes.end();
    if (axes.empty() ? from.dims[d] != 1 : !named) dims.push_back(from.dims[d]);
  }
  return with_dims(from, dims);
}

Known transpose(Importing& i) {
  const Known& from = *i.known(0);
  Ints reversed;
  for (size_t d = from.dims.size(); d-- > 0;) reversed.push_back(int64_t(d));
  const Ints perm = i.integers("perm", reversed), strides = strides_of(from.dims);
  if (perm.size() != from.dims.size()) cannot("its permutation does not fit");
  Ints dims;
  for (int64_t p : perm) dims.push_back(from.dims[size_t(i.axis(p, perm.size()))]);
  Known to = picked(from, dims, [&](const Ints& at) {
    int64_t place = 0;
    for (size_t d = 0; d < at.size(); ++d) place += at[d] * strides[size_t(perm[d])];
    if (place < 0 || size_t(place) >= from.size()) cannot("its permutation does not fit");
    return size_t(place);
  });
  if (perm == Ints{1, 0} && !from.origin.empty()) to.origin = turned_origin(from.origin);
  return to;
}

/// 0, 1, ... below a size.
Known range(Importing& i) {
  const Known &start = *i.known(0), &end = *i.known(1), &step = *i.known(2);
  if (start.floating || end.floating || step.floating || start.size() != 1 || end.size() != 1 ||
      step.size() != 1)
    cannot("its bounds are no integers");
  if (end.integers[0].batched) cannot("it counts the batch");
  const int64_t count = end.integers[0].value;
  if (start.integers[0].value != 0 || step.integers[0].value != 1 || count < 1 ||
      count > most_integers)
    cannot("it does not count from 0");
  Known made{.dims = {count}, .counted = true};
  for (int64_t k = 0; k < count; ++k) made.integers.push_back(k);
  return made;
}

/// All outputs at once.
void split(Importing& i) {
  const Known& from = *i.known(0);
  const auto axis = size_t(i.axis(i.integer("axis", 0), from.dims.size()));
  const Ints sizes = parts_of(i, from.dims[axis]), strides = strides_of(from.dims);
  int64_t start = 0;
  for (size_t k = 0; k < sizes.size(); ++k) {
    Ints dims = from.dims;
    dims[axis] = sizes[k];
    if (sizes[k] < 0 || sizes[k] > from.dims[axis] - start) cannot("its parts do not fit");
    i.knows(picked(from, dims,
                   [&](const Ints& at) {
                     int64_t place = start * strides[axis];
                     for (size_t d = 0; d < at.size(); ++d) place += at[d] * strides[d];
                     return size_t(place);
                   }),
            k);
    start += sizes[k];
  }
}

Known cast(Importing& i) {
  Known from = *i.known(0);
  const int64_t to = i.integer("to", 0);
  using onnx::TensorProto;
  const bool floating =
      to == TensorProto::FLOAT || to == TensorProto::DOUBLE || to == TensorProto::FLOAT16;
  if (floating == from.floating) return from;
  Known made{.dims = from.dims, .floating = floating};
  for (float f : from.floats) {
    if (!(std::abs(f) < 9e18f)) cannot("a number does not fit into an integer");
    made.integers.push_back(int64_t(f));
  }
  for (auto& dim : from.integers) {
    if (dim.batched) cannot("it computes with the batch's size");
    made.floats.push_back(float(dim.value));
  }
  return made;
}

Dim combine(const std::string& op, Dim a, Dim b) {
  const bool batched = a.batched || b.batched;
  int64_t result = 0;
  if (op == "Mul") {
    if ((a.batched && b.batched) || __builtin_mul_overflow(a.value, b.value, &result))
      cannot("its sizes overflow");
    return {result, batched};
  }
  if (op == "Div") {
    if (b.value == 0 || (a.value == INT64_MIN && b.value == -1)) cannot("it divides by 0");
    if (a.batched == b.batched) return a.value / b.value;
    if (b.batched || a.value % b.value) cannot("it divides the batch's size");
    return {a.value / b.value, true};
  }
  if (op == "Equal") return Dim(int64_t(a == b));
  if (batched && (op == "Sub" && a == b)) return Dim(0);
  if (batched) cannot("it computes with the batch's size");
  const bool over = op == "Add" ? __builtin_add_overflow(a.value, b.value, &result)
                                : __builtin_sub_overflow(a.value, b.value, &result);
  if (over) cannot("its sizes overflow");
  Dim made(result);
  made.name = a.is_free() ? a.name : b.name;
  return made;
}

float combine(const std::string& op, float a, float b) {
  return op == "Mul"   ? a * b
         : op == "Div" ? a / b
         : op == "Add" ? a + b
         : op == "Sub" ? a - b
         : op == "Pow" ? std::pow(a, b)
                       : float(a == b);
}

Ints broadcast(const Ints& a, const Ints& b) {
  Ints dims(std::max(a.size(), b.size()), 1);
  for (auto* each : {&a, &b})
    for (size_t d = 0; d < each->size(); ++d) {
      int64_t& to = dims[dims.size() - each->size() + d];
      if (to != (*each)[d] && to != 1 && (*each)[d] != 1) cannot("its operands do not fit");
      if ((*each)[d] != 1) to = (*each)[d];
    }
  return dims;
}

Known stretched(const Known& from, const Ints& dims) {
  const size_t more = dims.size() - from.dims.size();
  const Ints strides = strides_of(from.dims);
  return picked(from, dims, [&](const Ints& at) {
    int64_t place = 0;
    for (size_t d = 0; d < from.dims.size(); ++d)
      place += (from.dims[d] == 1 ? 0 : at[d + more]) * strides[d];
    return size_t(place);
  });
}

Known binary(Importing& i) {
  const Ints dims = broadcast(i.known(0)->dims, i.known(1)->dims);
  const Known a = stretched(*i.known(0), dims), b = stretched(*i.known(1), dims);
  if (a.floating != b.floating || (i.op() == "Equal" && a.floating))
    cannot("its operands do not fit");
  if (i.op() == "Pow" && !a.floating) cannot("it computes powers of integers");
  Known made{.dims = dims, .floating = a.floating};
  for (size_t k = 0; k < a.size(); ++k)
    if (a.floating)
      made.floats.push_back(combine(i.op(), a.floats[k], b.floats[k]));
    else
      made.integers.push_back(combine(i.op(), a.integers[k], b.integers[k]));
  return made;
}

Known where(Importing& i) {
  const Ints dims = broadcast(broadcast(i.known(0)->dims, i.known(1)->dims), i.known(2)->dims);
  const Known c = stretched(*i.known(0), dims), a = stretched(*i.known(1), dims),
              b = stretched(*i.known(2), dims);
  if (c.floating || a.floating != b.floating) cannot("its operands do not fit");
  Known made{.dims = dims, .floating = a.floating};
  for (size_t k = 0; k < c.size(); ++k) push(made, c.integers[k].value ? a : b, k);
  return made;
}

Known filled(Importing& i) {
  const Ints dims = i.ints(0, "its shape");
  Known one{.dims = {}, .floating = true, .floats = {0}};
  if (auto* tensor = i.attribute("value")) one = to_known(to_array(tensor->t()));
  if (one.size() != 1) cannot("its value is not one number");
  return picked(one, dims, [](const Ints&) { return size_t(0); });
}

Known unary(Importing& i) {
  Known from = *i.known(0);
  from.origin.clear();
  from.counted = false;
  for (float& f : from.floats)
    f = i.op() == "Sqrt"  ? std::sqrt(f)
        : i.op() == "Neg" ? -f
        : i.op() == "Exp" ? std::exp(f)
                          : 1 / f;
  for (auto& dim : from.integers) {
    if (i.op() != "Neg" || dim.value == INT64_MIN) cannot("it computes with constant integers");
    dim = Dim(-dim.value, dim.batched);
  }
  return from;
}

/// How many of its numbers are taken follows from a free size.
bool follows(Importing& i) {
  for (size_t k = 1; k < i.inputs(); ++k)
    if (i.has(k) && (i.known(k)->counted ||
                     std::ranges::any_of(i.known(k)->integers, [](Dim d) { return d.is_free(); })))
      return true;
  return false;
}

using Fold = std::function<Known(Importing&)>;

const std::map<std::string, Fold>& folds() {
  static const std::map<std::string, Fold> table{{"Gather", gather},
                                                 {"Slice", slice},
                                                 {"Concat", concat},
                                                 {"Reshape", reshape},
                                                 {"Unsqueeze", unsqueeze},
                                                 {"Squeeze", squeeze},
                                                 {"Transpose", transpose},
                                                 {"Range", range},
                                                 {"Cast", cast},
                                                 {"Add", binary},
                                                 {"Sub", binary},
                                                 {"Mul", binary},
                                                 {"Div", binary},
                                                 {"Pow", binary},
                                                 {"Equal", binary},
                                                 {"Where", where},
                                                 {"ConstantOfShape", filled},
                                                 {"Sqrt", unary},
                                                 {"Neg", unary},
                                                 {"Exp", unary},
                                                 {"Reciprocal", unary},
                                                 {"Identity", [](Importing& i) {
                                                    Known same = *i.known(0);
                                                    // Equal numbers, which need not be one weight.
                                                    if (!same.origin.empty())
                                                      same.origin = i.node().output(0);
                                                    return same;
                                                  }}};
  return table;
}

}  // namespace

bool fold(Importing& i) {
  if (i.op() == "Shape") return shape(i), true;
  if (i.op() == "Constant") return i.knows(constant_of(i)), true;
  auto found = folds().find(i.op());
  const bool parts = i.op() == "Split";
  if ((found == folds().end() && !parts) || !i.inputs()) return false;
  for (size_t k = 0; k < i.inputs(); ++k)
    if (i.has(k) && !i.known(k)) return false;
  if (!i.has(0)) return false;
  if (parts) return split(i), true;
  if (i.known(0)->floating && (i.op() == "Gather" || i.op() == "Slice") && follows(i)) return false;
  if (i.op() != "Identity" && i.is_grid(0)) return false;
  i.knows(found->second(i));
  return true;
}

}  // namespace braid::onnx_import
