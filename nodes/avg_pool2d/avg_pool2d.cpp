// AvgPool2d: the mean of each window.
#include "avg_pool2d/ops.h"

namespace braid {
namespace {

std::vector<int> forward(Builder& b, Call& call) {
  return b.add("avg_pool2d", {call.in[0]}, checked_pool_attrs(b, call));
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  return {b.one("avg_pool2d_grad", {g[0]}, pool_grad_attrs(b, call))};
}

std::vector<Sample> samples() {
  auto images = [](int64_t channels, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, height, width}}};
  };
  return {
      {.inputs = images(1, 7, 5),
       .params = {{"kernel_size", 2}},
       .note = "one channel; the stride leaves cells over"},
      {.inputs = images(20, 6, 6),
       .params = {{"kernel_size", 3}, {"stride", 2}, {"padding", 1}},
       .note = "windows overlap"},
      {.inputs = images(3, 6, 6),
       .params = {{"kernel_size", 3}, {"stride", 2}, {"padding", 1}, {"count_include_pad", false}},
       .note = "the padding does not count"},
      {.inputs = images(2, 7, 6),
       .params = {{"kernel_size", Attr::List{3, 2}},
                  {"stride", Attr::List{3, 3}},
                  {"padding", 1},
                  {"ceil_mode", true}},
       .note = "the last windows hang over the padding"}};
}

}  // namespace

void register_avg_pool2d(Registry& registry) {
  register_avg_pool2d_plain(registry);
  register_avg_pool2d_ops(registry);
  register_avg_pool2d_reference(registry);
  auto params = pool_params();
  params.push_back({.name = "count_include_pad",
                    .kind = ParamKind::boolean,
                    .doc = "the zeros of the padding count in the mean",
                    .fallback = true});
  registry.add(LayerDef{.name = "AvgPool2d",
                        .doc =
                            "The mean of each window: [N, C, H, W] gives [N, C, H', W'] with H' = "
                            "floor((H + 2 padding - kernel_size) / stride) + 1.",
                        .formula = "y[n, c, i, j] = mean of x[n, c] over window (i, j)",
                        .source = "torch.nn.AvgPool2d",
                        .inputs = {{"input"}},
                        .params = std::move(params),
                        .forward = forward,
                        .gradient = gradient,
                        .samples = samples()});
}

}  // namespace braid
