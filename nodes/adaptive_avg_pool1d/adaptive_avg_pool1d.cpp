// AdaptiveAvgPool1d: that of images of one row.
#include <braid/core/registry.h>

#include "max_pool1d/line.h"
#include "ops/reshaped.h"

namespace braid {

void register_adaptive_avg_pool1d(Registry& registry);

namespace {

std::vector<int> forward(Builder& b, Call& call) {
  const int image = reshaped(b, call.in[0], as_image(checked_signal(b, call)));
  const int y = b.one("adaptive_avg_pool2d", {image},
                      {{"output_size", Attr::List{1, get_single(call.params, "output_size")}}});
  return {reshaped(b, y, as_signal(b.type(y).shape))};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  const Shape x = b.type(call.in[0]).shape;
  const int image = reshaped(b, g[0], as_image(b.type(g[0]).shape));
  const int dx =
      b.one("adaptive_avg_pool2d_grad", {image}, {{"input_size", Attr::List{1, x[2].value}}});
  return {reshaped(b, dx, x)};
}

}  // namespace

void register_adaptive_avg_pool1d(Registry& registry) {
  registry.add(LayerDef{
      .name = "AdaptiveAvgPool1d",
      .doc = "Means over output_size windows that cover the signal: [N, C, L] gives [N, C, l], "
             "whatever L is. output_size 1 is the mean of each channel.",
      .formula =
          "y[n, c, i] = mean of x[n, c] over cells floor(i L / l) to ceil((i + 1) L / l) - 1",
      .source = "torch.nn.AdaptiveAvgPool1d",
      .inputs = {{"input"}},
      .params = {single("output_size", "length of the result", {}, 1)},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {{DType::f32, {N, 20, 7}}},
                   .params = {{"output_size", 1}},
                   .note = "mean of each channel"},
                  {.inputs = {{DType::f32, {N, 2, 7}}},
                   .params = {{"output_size", 3}},
                   .note = "windows overlap"}}});
}

}  // namespace braid
