// AvgPool1d: that of images of one row.
#include <braid/core/registry.h>

#include "max_pool1d/line.h"
#include "ops/reshaped.h"

namespace braid {

void register_avg_pool1d(Registry& registry);

namespace {

std::vector<int> forward(Builder& b, Call& call) {
  const Dict attrs = checked_line_attrs(b, call);
  const int image = reshaped(b, call.in[0], as_image(b.type(call.in[0]).shape));
  const int y = b.one("avg_pool2d", {image}, attrs);
  return {reshaped(b, y, as_signal(b.type(y).shape))};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  const int image = reshaped(b, g[0], as_image(b.type(g[0]).shape));
  const int dx = b.one("avg_pool2d_grad", {image}, line_grad_attrs(b, call));
  return {reshaped(b, dx, b.type(call.in[0]).shape)};
}

std::vector<Sample> samples() {
  auto signal = [](int64_t channels, int64_t length) {
    return std::vector<Type>{{DType::f32, {N, channels, length}}};
  };
  return {{.inputs = signal(3, 9),
           .params = {{"kernel_size", 2}},
           .note = "the stride leaves a cell over"},
          {.inputs = signal(20, 12),
           .params = {{"kernel_size", 3}, {"stride", 2}, {"padding", 1}},
           .note = "windows overlap"},
          {.inputs = signal(2, 11),
           .params = {{"kernel_size", 4},
                      {"stride", 3},
                      {"padding", 1},
                      {"ceil_mode", true},
                      {"count_include_pad", false}},
           .note = "the padding does not count; the last window hangs over it"}};
}

}  // namespace

void register_avg_pool1d(Registry& registry) {
  auto params = line_params();
  params.push_back({.name = "count_include_pad",
                    .kind = ParamKind::boolean,
                    .doc = "the zeros of the padding count in the mean",
                    .fallback = true});
  registry.add(LayerDef{.name = "AvgPool1d",
                        .doc = "The mean of each window: [N, C, L] gives [N, C, L'] with L' = "
                               "floor((L + 2 padding - kernel_size) / stride) + 1.",
                        .formula = "y[n, c, i] = mean of x[n, c] over window i",
                        .source = "torch.nn.AvgPool1d",
                        .inputs = {{"input"}},
                        .params = std::move(params),
                        .forward = forward,
                        .gradient = gradient,
                        .samples = samples()});
}

}  // namespace braid
