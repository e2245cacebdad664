// MultiheadAttention, put together from products, sums and a softmax.
#include <array>
#include <cmath>

#include <braid/core/init.h>
#include <braid/core/registry.h>

#include "einsum/ops.h"
#include "multihead_attention/ops.h"
#include "ops/checks.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

constexpr const char* kScores = "nlhd,nshd->nhls";
constexpr const char* kMixing = "nhls,nshd->nlhd";
constexpr std::array kParts = {"query", "key", "value"};

struct Size {
  Dim samples;
  int64_t queries, keys, features, heads;

  Shape rows(int64_t count) const { return {samples, count, features}; }
  Shape split(int64_t count) const { return {samples, count, heads, features / heads}; }
};

void check_mask(Builder& b, const Call& call, const Size& s) {
  if (call.in.size() < 4) return;
  const Type mask = b.type(call.in[3]), wanted{DType::boolean, {s.samples, s.keys}};
  if (mask == wanted) return;
  b.fail(mask.dtype == wanted.dtype ? "E0203" : "E0230",
         "key_padding_mask is " + to_string(mask) + ", the keys need " + to_string(wanted),
         "true for each key that is padding");
}

Size checked_size(Builder& b, const Call& call) {
  std::array<Shape, 3> x;
  for (size_t i = 0; i < 3; ++i) {
    require_f32(b, call, i);
    x[i] = b.type(call.in[i]).shape;
    if (x[i].size() != 3)
      b.fail("E0201", std::string(kParts[i]) + " is " + to_string(x[i]) +
                          ", MultiheadAttention takes [N, length, features]");
  }
  if (!get_bool(call.params, "batch_first"))
    b.fail("E0277", "batch_first is false: sequences would stand in dimension 0",
           "write batch_first: true; N is always dimension 0 here");
  auto list = [&] {
    return "query " + to_string(x[0]) + ", key " + to_string(x[1]) + ", value " + to_string(x[2]);
  };
  if (x[0][0] != x[1][0] || x[1][0] != x[2][0] || x[1][1] != x[2][1])
    b.fail("E0203", "the inputs do not fit each other: " + list(),
           "all have as many samples, and key and value the same length");
  if (x[0][2] != x[1][2] || x[1][2] != x[2][2])
    b.fail("E0203", "the inputs have different features: " + list(),
           "key and value need the query's features: put a Linear before them");
  const Size s{x[0][0], x[0][1].value, x[1][1].value, x[0][2].value,
               get_int(call.params, "num_heads")};
  const Attr& wanted = *find(call.params, "embed_dim");
  if (!wanted.is_null() && wanted.as_int() != s.features)
    b.fail("E0202", "embed_dim is " + to_string(wanted) + ", and the query is " + to_string(x[0]),
           "leave embed_dim out: it follows from the query");
  if (s.features % s.heads)
    b.fail("E0277",
           "num_heads " + std::to_string(s.heads) + " does not divide the " +
               std::to_string(s.features) + " features of the query " + to_string(x[0]),
           "every head gets as many features");
  check_mask(b, call, s);
  return s;
}

int view(Builder& b, int value, const Shape& shape) {
  return b.one("reshape", {value}, {{"shape", to_attr(shape)}});
}

/// Rows of part i of a projection that all three share.
int part(Builder& b, int whole, size_t i, int64_t features) {
  return b.one("slice", {whole},
               {{"dim", 0}, {"begin", int64_t(i) * features}, {"size", features}});
}

Dict dropout_attrs(const Call& call, const Size& s) {
  return {{"p", get_double(call.params, "dropout")},
          {"name", call.path},
          {"rows_each", s.samples.batched ? s.samples.value : int64_t{0}}};
}

bool drops(const Builder& b, const Call& call) {
  return b.training() && get_double(call.params, "dropout") > 0;
}

int scaled(Builder& b, const Call& call, const Size& s, int scores, double masked) {
  std::vector<int> operands = {scores};
  if (call.in.size() > 3) operands.push_back(call.in[3]);
  return b.one(
      "scaled_scores", operands,
      {{"scale", 1 / std::sqrt(double(s.features) / double(s.heads))}, {"masked", masked}});
}

// PyTorch's parameters, under its names.
void add_params(Builder& b, Call& call, int64_t features) {
  const double xavier = std::sqrt(6.0 / double(4 * features));
  call.saved["in_weight"] =
      b.param("in_proj_weight", {3 * features, features}, Init::uniform(-xavier, xavier));
  const bool bias = get_bool(call.params, "bias", true);
  call.saved["in_bias"] = bias ? b.param("in_proj_bias", {3 * features}, Init::constant(0)) : -1;
  call.saved["out_weight"] =
      b.param("out_proj.weight", {features, features}, kaiming_uniform(features, std::sqrt(5.0)));
  call.saved["out_bias"] = bias ? b.param("out_proj.bias", {features}, Init::constant(0)) : -1;
}

int projected(Builder& b, int x, int weight, int bias) {
  std::vector<int> operands = {x, weight};
  if (bias >= 0) operands.push_back(bias);
  return b.one("matmul", operands, {{"transpose_b", true}});
}

std::vector<int> forward(Builder& b, Call& call) {
  const Size s = checked_size(b, call);
  add_params(b, call, s.features);
  auto& saved = call.saved;
  for (size_t i = 0; i < 3; ++i) {
    const std::string name = kParts[i];
    saved[name + " weight"] = part(b, saved["in_weight"], i, s.features);
    const int bias = saved["in_bias"] < 0 ? -1 : part(b, saved["in_bias"], i, s.features);
    const int rows = projected(b, call.in[i], saved[name + " weight"], bias);
    saved[name] = view(b, rows, s.split(i == 0 ? s.queries : s.keys));
  }
  const int scores = einsum(b, kScores, {saved["query"], saved["key"]});
  saved["attention"] = b.one("softmax", {scaled(b, call, s, scores, kMaskedScore)}, {{"dim", 3}});
  saved["kept"] = drops(b, call) ? b.one("dropout", {saved["attention"]}, dropout_attrs(call, s))
                                 : saved["attention"];
  saved["mixed"] = view(b, einsum(b, kMixing, {saved["kept"], saved["value"]}), s.rows(s.queries));
  return {projected(b, saved["mixed"], saved["out_weight"], saved["out_bias"])};
}

// Of what was projected, and of the weight that did it.
int projection_gradient(Builder& b, int g, int weight) { return b.one("matmul", {g, weight}); }

int weight_gradient(Builder& b, int g, int x) {
  return b.one("matmul", {g, x}, {{"transpose_a", true}});
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0) return {-1, -1, -1};
  const Size s = checked_size(b, call);
  auto saved = [&](const std::string& name) { return call.saved.at(name); };
  if (b.needs_gradient(saved("out_weight")))
    b.add_gradient(saved("out_weight"), weight_gradient(b, g[0], saved("mixed")));
  if (b.needs_gradient(saved("out_bias")))
    b.add_gradient(saved("out_bias"), b.one("column_sum", {g[0]}));

  const std::vector<int> scoring = {saved("query"), saved("key")},
                         mixing = {saved("kept"), saved("value")};
  const int mixed = view(b, projection_gradient(b, g[0], saved("out_weight")), s.split(s.queries));
  int scores = einsum_gradient(b, kMixing, mixing, 0, mixed);
  if (drops(b, call)) scores = b.one("dropout", {scores}, dropout_attrs(call, s));
  scores = b.one("softmax_grad", {scores, saved("attention")}, {{"dim", 3}});
  scores = scaled(b, call, s, scores, 0);
  const std::array parts = {einsum_gradient(b, kScores, scoring, 0, scores),
                            einsum_gradient(b, kScores, scoring, 1, scores),
                            einsum_gradient(b, kMixing, mixing, 1, mixed)};

  std::vector<int> gradients(call.in.size(), -1), weights, biases;
  for (size_t i = 0; i < 3; ++i) {
    const int rows = view(b, parts[i], s.rows(i == 0 ? s.queries : s.keys));
    if (b.needs_gradient(saved("in_weight")))
      weights.push_back(weight_gradient(b, rows, call.in[i]));
    if (b.needs_gradient(saved("in_bias"))) biases.push_back(b.one("column_sum", {rows}));
    if (b.needs_gradient(call.in[i]))
      gradients[i] = projection_gradient(b, rows, saved(std::string(kParts[i]) + " weight"));
  }
  if (!weights.empty()) b.add_gradient(saved("in_weight"), b.one("concat", weights, {{"dim", 0}}));
  if (!biases.empty()) b.add_gradient(saved("in_bias"), b.one("concat", biases, {{"dim", 0}}));
  return gradients;
}

// Four projections, and for each pair of a query and a key two products of their features.
int64_t flops(const Call& call, const Builder& b) {
  const Shape query = b.type(call.in[0]).shape, key = b.type(call.in[1]).shape;
  const int64_t l = query[1].value, k = key[1].value, e = query[2].value;
  return 2 * e * (e * (2 * l + 2 * k) + 2 * l * k);
}

std::vector<Sample> samples() {
  const Type rows{DType::f32, {N, 4, 6}}, others{DType::f32, {N, 3, 6}};
  return {{.inputs = {rows, rows, rows},
           .params = {{"num_heads", 2}, {"batch_first", true}},
           .note = "as many queries as keys"},
          {.inputs = {rows, others, others, {DType::boolean, {N, 3}}},
           .params = {{"num_heads", 3}, {"batch_first", true}, {"bias", false}},
           .classes = 2,
           .note = "keys that are padding"},
          {.inputs = {rows, others, others},
           .params = {{"num_heads", 1}, {"batch_first", true}, {"dropout", 0.4}},
           .note = "attention that falls out"}};
}

std::vector<ParamDef> params() {
  return {{.name = "embed_dim",
           .doc = "features of the query; follows from it and is checked if given",
           .optional = true,
           .min = 1},
          {.name = "num_heads", .doc = "parts of the features that attend apart", .min = 1},
          {.name = "dropout",
           .kind = ParamKind::number,
           .doc = "probability of a share of attention to be set to 0 in training",
           .fallback = 0.0,
           .min = 0,
           .max = 1},
          {.name = "bias",
           .kind = ParamKind::boolean,
           .doc = "the projections add learned vectors",
           .fallback = true},
          {.name = "batch_first",
           .kind = ParamKind::boolean,
           .doc = "inputs are [N, length, features]; PyTorch's default is false, and here it has "
                  "to be true",
           .fallback = false}};
}

}  // namespace

void register_multihead_attention(Registry& registry) {
  register_scaled_scores(registry);
  registry.add(LayerDef{
      .name = "MultiheadAttention",
      .doc = "Every query looks at all keys and takes a mean of the values, weighted by how well "
             "query and key fit, for each head in features of its own. query [N, L, E], key and "
             "value [N, S, E] give [N, L, E]. For self-attention give one value three times.",
      .formula = "y = (softmax(Q Kᵀ / sqrt(E / heads)) V) Woᵀ + bo, Q = x Wqᵀ + bq, ...; weights "
                 "in_proj_weight [3 E, E], in_proj_bias, out_proj.weight, out_proj.bias",
      .source = "torch.nn.MultiheadAttention; Vaswani et al., Attention Is All You Need, 2017",
      .inputs = {{"query", "[N, L, E]"},
                 {"key", "[N, S, E]"},
                 {"value", "[N, S, E]"},
                 {.name = "key_padding_mask",
                  .doc = "bool [N, S], true for keys that nobody looks at",
                  .optional = true}},
      .params = params(),
      .forward = forward,
      .gradient = gradient,
      .flops = flops,
      .samples = samples()});
}

}  // namespace braid
