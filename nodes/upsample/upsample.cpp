// Upsample: images resized, by repeating cells or by mixing neighbours.
#include "upsample/ops.h"
#include "upsample/resize.h"

namespace braid {
namespace {

std::vector<int> forward(Builder& b, Call& call) {
  return {resize(b, call.in[0], resizing_of(b, call))};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  return {resize_gradient(b, g[0], resizing_of(b, call), b.type(call.in[0]).shape)};
}

std::vector<Sample> samples() {
  auto images = [](int64_t channels, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, height, width}}};
  };
  return {{.inputs = images(3, 4, 5), .params = {{"scale_factor", 2}}, .note = "cells repeated"},
          {.inputs = images(20, 3, 4),
           .params = {{"size", Attr::List{7, 3}}},
           .note = "taller and narrower; some cells are seen by none"},
          {.inputs = images(16, 4, 3),
           .params = {{"scale_factor", 2}, {"mode", "bilinear"}},
           .note = "neighbours mixed"},
          {.inputs = images(5, 5, 4),
           .params = {{"scale_factor", Attr::List{1.5, 2.3}}, {"mode", "bilinear"}},
           .note = "factors that do not come out even"},
          {.inputs = images(20, 3, 5),
           .params = {{"size", Attr::List{7, 4}}, {"mode", "bilinear"}, {"align_corners", true}},
           .note = "corners stay where they are"},
          {.inputs = {{DType::f32, {N, 3, 2, 3, 4}}},
           .params = {{"scale_factor", Attr::List{1, 2, 2}}},
           .note = "the planes of a volume"},
          {.inputs = {{DType::f32, {N, 2, 3, 2, 4}}},
           .params = {{"size", Attr::List{5, 3, 4}}, {"mode", "trilinear"}},
           .note = "a volume, deeper and higher"},
          {.inputs = {{DType::f32, {N, 3, 5}}},
           .params = {{"scale_factor", 1.5}, {"mode", "linear"}},
           .note = "a signal"}};
}

}  // namespace

void register_upsample(Registry& registry) {
  register_upsample_ops(registry);
  register_upsample_kernels(registry);
  register_upsample_reference(registry);
  registry.add(LayerDef{
      .name = "Upsample",
      .doc = "Images resized to `size`, or by `scale_factor`: [N, C, H, W] gives [N, C, H', W'] "
             "with H' = floor(H scale_factor). Signals [N, C, L] and volumes [N, C, D, H, W] too.",
      .formula = "nearest: y[i] = x[floor(i s)]; linear: y[i] = (1 - t) x[k] + t x[k + 1], k + t "
                 "= max(0, (i + 1/2) s - 1/2), or i (H - 1) / (H' - 1) with align_corners; along "
                 "all axes, s = 1 / scale_factor or H / H'",
      .source = "torch.nn.Upsample",
      .inputs = {{"input"}},
      .params = resize_params(),
      .forward = forward,
      .gradient = gradient,
      .samples = samples()});
}

}  // namespace braid
