#include "libonnx/import/importing.h"

namespace braid::onnx_import {
namespace {

/// Nothing where the node hands its input on.
std::optional<Dict> over(Importing& i) {
  const size_t rank = i.rank();
  Ints dims;
  for (int64_t axis : i.ints_or_attribute(1, "axes").value_or(Ints{}))
    dims.push_back(i.axis(axis, rank));
  if (dims.empty()) {
    if (i.integer("noop_with_empty_axes", 0)) return {};
    for (size_t d = 0; d < rank; ++d) dims.push_back(int64_t(d));
  }
  return Dict{{"dim", dims.size() == 1 ? Attr(dims[0]) : list(dims)},
              {"keepdim", i.integer("keepdims", 1) != 0}};
}

Importer reduction(const char* type) {
  return [type](Importing& i) {
    if (auto params = over(i)) return i.emit(type, *params);
    i.alias(i.operand());
  };
}

Value squares(Importing& i) { return i.layer("Mul", {}, {i.operand(), i.operand()}); }

void l1(Importing& i) {
  const Value sizes = i.layer("Abs", {}, {i.operand()});
  i.emit("Sum", over(i).value_or(Dict{}), {sizes});
}

void l2(Importing& i) {
  const Value sum = i.layer("Sum", over(i).value_or(Dict{}), {squares(i)});
  i.emit("Sqrt", {}, {sum});
}

void sum_square(Importing& i) { i.emit("Sum", over(i).value_or(Dict{}), {squares(i)}); }

void log_sum(Importing& i) {
  const Value sum = i.layer("Sum", over(i).value_or(Dict{}), {i.operand()});
  i.emit("Log", {}, {sum});
}

/// With the largest taken off, so that no exponential overflows.
void log_sum_exp(Importing& i) {
  const Dict params = over(i).value_or(Dict{{"dim", Attr::List{}}});
  Dict kept = params;
  set(kept, "keepdim", true);
  const Value most = i.layer("Max", kept, {i.operand()});
  const Value each = i.layer("Math", {{"expr", "exp(x - m)"}, {"inputs", Attr::List{"x", "m"}}},
                             {i.operand(), most});
  const Value sum = i.layer("Sum", params, {each});
  i.emit("Math", {{"expr", "m + log(s)"}, {"inputs", Attr::List{"m", "s"}}},
         {i.layer("Max", params, {i.operand()}), sum});
}

/// Cell by cell: there is no layer for products.
void product_of(Importing& i) {
  const Dict params = over(i).value_or(Dict{});
  Value at = i.operand();
  for (int64_t dim : get_ints(params, "dim")) {
    const Dim size = i.network().type(at).shape.at(size_t(dim));
    if (size.batched || size.value > 64) cannot("it is over more than 64 cells, or over the batch");
    Value all;
    for (int64_t k = 0; k < size.value; ++k) {
      Dict one{{"dim", dim}, {"start", k}};
      if (k + 1 < size.value) set(one, "end", k + 1);
      const Value cell = i.layer("Slice", one, {at});
      all = k ? i.layer("Mul", {}, {all, cell}) : cell;
    }
    at = all;
  }
  if (get_bool(params, "keepdim", true)) return i.emit("Identity", {}, {at});
  i.emit("Squeeze", {{"dim", *find(params, "dim")}}, {at});
}

}  // namespace

void add_reductions(Importers& table) {
  table["ReduceL1"] = l1;
  table["ReduceL2"] = l2;
  table["ReduceLogSum"] = log_sum;
  table["ReduceLogSumExp"] = log_sum_exp;
  table["ReduceMax"] = reduction("Max");
  table["ReduceMean"] = reduction("Mean");
  table["ReduceMin"] = reduction("Min");
  table["ReduceProd"] = product_of;
  table["ReduceSum"] = reduction("Sum");
  table["ReduceSumSquare"] = sum_square;
}

}  // namespace braid::onnx_import
