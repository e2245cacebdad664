// Interpolate: images resized, also to the sizes of another tensor.
#include <braid/core/registry.h>

#include "upsample/resize.h"

namespace braid {
namespace {

Resizing resizing(Builder& b, const Call& call) {
  if (call.in.size() < 2) return resizing_of(b, call);
  return resizing_of(b, call, call.in[1]);
}

std::vector<int> forward(Builder& b, Call& call) {
  return {resize(b, call.in[0], resizing(b, call))};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  return {resize_gradient(b, g[0], resizing(b, call), b.type(call.in[0]).shape)};
}

}  // namespace

void register_interpolate(Registry& registry) {
  const Type image{DType::f32, {N, 3, 4, 5}};
  registry.add(LayerDef{
      .name = "Interpolate",
      .doc = "As Upsample, and also to the spatial sizes of another tensor: from: {input: small, "
             "like: image}.",
      .formula = "Upsample's",
      .source = "torch.nn.functional.interpolate",
      .inputs = {{"input", "[N, C, H, W], [N, C, L] or [N, C, D, H, W]"},
                 {.name = "like",
                  .doc = "whose spatial sizes the result gets; its values do not count",
                  .optional = true}},
      .params = resize_params(),
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {image},
                   .params = {{"size", Attr::List{7, 3}}, {"mode", "bilinear"}},
                   .note = "to a size"},
                  {.inputs = {image, {DType::f32, {N, 1, 8, 10}}},
                   .params = {{"mode", "bilinear"}},
                   .note = "to the size of another image"},
                  {.inputs = {image, {DType::u8, {N, 6, 2, 5}}},
                   .classes = 2,
                   .note = "of another dtype; cells are repeated or left out"}}});
}

}  // namespace braid
