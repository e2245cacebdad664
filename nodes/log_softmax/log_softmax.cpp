// LogSoftmax, put together from a maximum, exponentials and their sum: nothing overflows, and what
// is far below the largest keeps its digits.
#include "amax/ops.h"
#include "einsum/ops.h"
#include "math/math.h"
#include "ops/checks.h"

namespace braid {

void register_log_softmax(Registry& registry);

namespace {

size_t dim_of(const Builder& b, const Call& c) {
  return resolve_dim(b, b.type(c.in[0]), get_int(c.params, "dim"));
}

std::vector<int> forward(Builder& b, Call& c) {
  require_f32(b, c, 0);
  const int x = c.in[0];
  const size_t dim = dim_of(b, c);
  const int most = extreme(b, "amax", x, {dim});
  const int e = math::evaluate(b, math::parse("exp(x - m)", {"x", "m"}, {}), {x, most});
  const int z = sum_over(b, e, {dim});
  const auto shifted = math::parse("x - m - log(z)", {"x", "m", "z"}, {});
  const int y = math::evaluate(b, shifted, {x, most, z});
  c.saved["y"] = y;
  return {y};
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(c.in[0])) return {-1};
  const int sum = sum_over(b, g[0], {dim_of(b, c)});
  const auto slope = math::parse("g - exp(y) * s", {"g", "y", "s"}, {});
  return {math::evaluate(b, slope, {g[0], c.saved.at("y"), sum})};
}

}  // namespace

void register_log_softmax(Registry& registry) {
  registry.add(LayerDef{
      .name = "LogSoftmax",
      .doc = "The logarithm of Softmax along one dimension, without its overflow. Not over the "
             "batch. CrossEntropy has one of its own.",
      .formula = "y_c = x_c - m - log(sum_k exp(x_k - m)), m the largest x_k",
      .source = "torch.nn.LogSoftmax",
      .inputs = {{"input", "f32, any shape"}},
      .params = {{.name = "dim",
                  .doc = "the dimension along which exp(y) sums to 1; -1 is the last"}},
      .forward = forward,
      .gradient = gradient,
      .samples = {
          {.inputs = {{DType::f32, {N, 10}}}, .params = {{"dim", 1}}},
          {.inputs = {{DType::f32, {N, 3, 7, 5}}}, .params = {{"dim", 1}}, .note = "over channels"},
          {.inputs = {{DType::f32, {N, 1, 5}}}, .params = {{"dim", -2}}, .note = "one channel"}}});
}

}  // namespace braid
