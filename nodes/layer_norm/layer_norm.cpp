// LayerNorm: GroupNorm's operations on rows that are a single group, with a weight for each place
// in a row.
#include <braid/core/registry.h>

#include "ops/checks.h"
#include "ops/shape_attr.h"

namespace braid {

void register_layer_norm(Registry& registry);

namespace {

int64_t product(const Shape& shape) {
  int64_t n = 1;
  for (const Dim& dim : shape) n *= dim.value;
  return n;
}

/// The last dimensions, those that are normalized: what was typed, or the last one.
Shape normalized_shape(const Builder& b, const Call& c) {
  const Shape shape = b.type(c.in[0]).shape;
  const Attr* given = find(c.params, "normalized_shape");
  std::vector<int64_t> typed;
  if (given && !given->is_null()) typed = get_ints(c.params, "normalized_shape");
  const size_t count = typed.empty() ? 1 : typed.size();
  if (count > shape.size())
    b.fail("E0202", "normalized_shape has more dimensions than the input: " + to_string(shape));
  resolve_dim(b, b.type(c.in[0]), -int64_t(count));  // not over the batch
  const Shape last(shape.end() - int64_t(count), shape.end());
  const Shape wanted(typed.begin(), typed.end());
  if (!typed.empty() && wanted != last)
    b.fail("E0202",
           "normalized_shape is " + to_string(wanted) + ", the input ends with " + to_string(last) +
               ": " + to_string(shape),
           "normalized_shape: " + to_string(last) +
               (count == 1 ? ", or leave it out: it follows from the input" : ""));
  return last;
}

int reshape(Builder& b, int value, const Shape& shape) {
  if (b.type(value).shape == shape) return value;
  return b.one("reshape", {value}, {{"shape", to_attr(shape)}});
}

/// The input as rows of what is normalized together.
Shape rows_of(const Shape& shape, int64_t row) {
  return {Dim(product(shape) / row, shape[0].batched), row};
}

Dict attrs_of(const Call& c) { return {{"num_groups", 1}, {"eps", *find(c.params, "eps")}}; }

std::vector<int> forward(Builder& b, Call& c) {
  require_f32(b, c, 0);
  const Shape shape = b.type(c.in[0]).shape, last = normalized_shape(b, c);
  const int64_t row = product(last);
  if (row == 1)
    b.fail("E0263",
           "each row of " + to_string(shape) + " has a single value, which has no variance",
           "normalize more dimensions, or none");
  std::vector<int> in = {reshape(b, c.in[0], rows_of(shape, row))};
  c.saved["rows"] = in[0];
  auto param = [&](const char* name, double start) {
    c.saved[name] = b.param(name, last, Init::constant(start));
    in.push_back(reshape(b, c.saved[name], {row}));
  };
  if (get_bool(c.params, "elementwise_affine")) {
    param("weight", 1);
    c.saved["weights"] = in[1];
    if (get_bool(c.params, "bias")) param("bias", 0);
  }
  auto out = b.add("group_norm", in, attrs_of(c));
  c.saved["statistics"] = out[1];
  return {reshape(b, out[0], shape)};
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  const int rows = c.saved.at("rows");
  std::vector<int> in = {reshape(b, g[0], b.type(rows).shape), rows, c.saved.at("statistics")};
  if (c.saved.contains("weights")) in.push_back(c.saved.at("weights"));
  auto out = b.add("group_norm_grad", in, attrs_of(c));
  int sums = -1;
  auto add = [&](const char* name, int64_t row) {
    auto param = c.saved.find(name);
    if (param == c.saved.end() || !b.needs_gradient(param->second)) return;
    if (sums < 0) sums = b.one("group_norm_sums", {out[1]});
    const int flat = b.one("bn_row", {sums}, {{"row", row}});
    b.add_gradient(param->second, reshape(b, flat, b.type(param->second).shape));
  };
  add("bias", 0);
  add("weight", 1);
  return {reshape(b, out[0], b.type(c.in[0]).shape)};
}

}  // namespace

void register_layer_norm(Registry& registry) {
  const Type tokens{DType::f32, {N, 7, 12}};
  registry.add(LayerDef{
      .name = "LayerNorm",
      .doc =
          "Brings each row, the last dimension or several, to mean 0 and variance 1, then scales "
          "and shifts each of its places. The same in training and evaluation.",
      .formula = "y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var of a row",
      .source = "Ba, Kiros, Hinton, Layer Normalization, 2016",
      .inputs = {{"input", "f32 [N, ..., row]"}},
      .params = {{.name = "normalized_shape",
                  .kind = ParamKind::integers,
                  .doc = "the last dimensions, which are normalized together; the last one without",
                  .optional = true,
                  .min = 1},
                 {.name = "eps",
                  .kind = ParamKind::number,
                  .doc = "keeps the division away from 0",
                  .fallback = 1e-5,
                  .min = 0,
                  .min_exclusive = true},
                 {.name = "elementwise_affine",
                  .kind = ParamKind::boolean,
                  .doc = "learn a weight and a bias for each place of a row",
                  .fallback = true},
                 {.name = "bias",
                  .kind = ParamKind::boolean,
                  .doc = "false: a weight and no bias",
                  .fallback = true}},
      .forward = forward,
      .gradient = gradient,
      .samples = {
          {.inputs = {tokens}},
          {.inputs = {{DType::f32, {N, 9}}},
           .params = {{"normalized_shape", 9}, {"bias", false}},
           .note = "one row a sample, no bias"},
          {.inputs = {{DType::f32, {N, 3, 4, 5}}},
           .params = {{"normalized_shape", Attr::List{4, 5}}, {"eps", 0.1}},
           .note = "rows of two dimensions"},
          {.inputs = {{DType::f32, {N, 3, 4, 5}}},
           .params = {{"normalized_shape", Attr::List{3, 4, 5}}, {"elementwise_affine", false}},
           .note = "whole samples"}}});
}

}  // namespace braid
