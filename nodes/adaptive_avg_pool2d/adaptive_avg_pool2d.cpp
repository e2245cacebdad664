// AdaptiveAvgPool2d: means over a grid of windows that covers the image, of any size.
#include "adaptive_avg_pool2d/ops.h"
#include "ops/checks.h"

namespace braid {
namespace {

std::vector<int> forward(Builder& b, Call& call) {
  require_f32(b, call, 0);
  const Shape& x = b.type(call.in[0]).shape;
  if (x.size() != 4)
    b.fail("E0201",
           "AdaptiveAvgPool2d takes images [N, channels, height, width], and its input is " +
               to_string(x));
  return b.add("adaptive_avg_pool2d", {call.in[0]},
               {{"output_size", *find(call.params, "output_size")}});
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  const Shape& x = b.type(call.in[0]).shape;
  return b.add("adaptive_avg_pool2d_grad", {g[0]},
               {{"input_size", Attr::List{x[2].value, x[3].value}}});
}

std::vector<Sample> samples() {
  auto images = [](int64_t channels, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, height, width}}};
  };
  return {{.inputs = images(20, 7, 5), .params = {{"output_size", 1}}, .note = "global mean"},
          {.inputs = images(1, 7, 5),
           .params = {{"output_size", Attr::List{3, 2}}},
           .note = "windows overlap"},
          {.inputs = images(16, 6, 4), .params = {{"output_size", 1}}},
          {.inputs = images(2, 2, 3),
           .params = {{"output_size", Attr::List{4, 3}}},
           .note = "more outputs than rows"}};
}

}  // namespace

void register_adaptive_avg_pool2d(Registry& registry) {
  register_adaptive_avg_pool2d_ops(registry);
  register_adaptive_avg_pool2d_kernels(registry);
  register_adaptive_avg_pool2d_reference(registry);
  registry.add(LayerDef{
      .name = "AdaptiveAvgPool2d",
      .doc = "Means over output_size windows that cover the image: [N, C, H, W] gives [N, C, h, "
             "w], whatever H and W are. output_size 1 is the mean of each channel.",
      .formula = "y[n, c, i, j] = mean of x[n, c] over rows floor(i H / h) to ceil((i + 1) H / h) "
                 "- 1, and columns likewise",
      .source = "torch.nn.AdaptiveAvgPool2d",
      .inputs = {{"input"}},
      .params = {{.name = "output_size",
                  .kind = ParamKind::integers,
                  .doc = "height and width of the result",
                  .min = 1,
                  .length = 2}},
      .forward = forward,
      .gradient = gradient,
      .samples = samples()});
}

}  // namespace braid
