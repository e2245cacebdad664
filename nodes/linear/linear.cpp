// Linear: y = x Wᵀ + b.
#include <cmath>

#include <braid/core/init.h>

#include "linear/matmul.h"
#include "ops/checks.h"

namespace braid {
namespace {

int64_t checked_features(Builder& b, const Call& call) {
  require_f32(b, call, 0);
  const Type& x = b.type(call.in[0]);
  if (x.rank() < 2)
    b.fail(
        "E0201",
        "Linear takes [N, features] or [N, ..., features], and its input is " + to_string(x.shape),
        "put a Flatten before it");
  int64_t features = x.shape.back().value;
  const Attr* wanted = find(call.params, "in_features");
  if (wanted && !wanted->is_null() && wanted->as_int() != features)
    b.fail("E0202",
           "in_features is " + to_string(*wanted) + ", and the input " + to_string(x.shape) +
               " has " + std::to_string(features),
           "leave in_features out: it follows from the input" +
               std::string(x.rank() > 2 ? "; or put a Flatten before it" : ""));
  return features;
}

std::vector<int> forward(Builder& b, Call& call) {
  int64_t in = checked_features(b, call), out = get_int(call.params, "out_features");
  std::vector<int> operands = {call.in[0],
                               b.param("weight", {out, in}, kaiming_uniform(in, std::sqrt(5.0)))};
  double bound = 1 / std::sqrt(double(in));
  if (get_bool(call.params, "bias", true))
    operands.push_back(b.param("bias", {out}, Init::uniform(-bound, bound)));
  call.saved["weight"] = operands[1];
  call.saved["bias"] = operands.size() > 2 ? operands[2] : -1;
  return b.add("matmul", operands, {{"transpose_b", true}});
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0) return {-1};
  int x = call.in[0], weight = call.saved.at("weight"), bias = call.saved.at("bias");
  if (b.needs_gradient(weight))
    b.add_gradient(weight, b.one("matmul", {g[0], x}, {{"transpose_a", true}}));
  if (b.needs_gradient(bias)) b.add_gradient(bias, b.one("column_sum", {g[0]}));
  return {b.needs_gradient(x) ? b.one("matmul", {g[0], weight}) : -1};
}

int64_t flops(const Call& call, const Builder& b) {
  const Shape& x = b.type(call.in[0]).shape;
  int64_t rows = 1;
  for (size_t i = 1; i + 1 < x.size(); ++i) rows *= x[i].value;
  return 2 * rows * x.back().value * get_int(call.params, "out_features");
}

std::vector<Sample> samples() {
  return {{.inputs = {{DType::f32, {N, 5}}}, .params = {{"out_features", 3}}},
          {.inputs = {{DType::f32, {N, 1}}},
           .params = {{"out_features", 17}, {"bias", false}},
           .note = "one feature, no bias"},
          {.inputs = {{DType::f32, {N, 3, 7}}},
           .params = {{"in_features", 7}, {"out_features", 20}},
           .note = "three rows a sample"}};
}

}  // namespace

void register_linear(Registry& registry) {
  register_product(registry);
  register_matmul(registry);
  register_matmul_reference(registry);
  registry.add(
      LayerDef{.name = "Linear",
               .doc = "A matrix product over the last dimension: [N, ..., in_features] gives "
                      "[N, ..., out_features].",
               .formula = "y = x Wᵀ + b, weight [out_features, in_features]; begins uniform in "
                          "±1/sqrt(in_features)",
               .source = "torch.nn.Linear",
               .inputs = {{"input"}},
               .params = {{.name = "in_features",
                           .doc = "features of the input; follows from it and is checked if given",
                           .optional = true,
                           .min = 1},
                          {.name = "out_features", .doc = "features of the result", .min = 1},
                          {.name = "bias",
                           .kind = ParamKind::boolean,
                           .doc = "adds a learned vector",
                           .fallback = true}},
               .forward = forward,
               .gradient = gradient,
               .flops = flops,
               .samples = samples(),
               .channels = ChannelAxes{.output = -1}});
}

}  // namespace braid
