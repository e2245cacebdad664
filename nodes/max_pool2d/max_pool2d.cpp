// MaxPool2d: the largest value of each window.
#include "max_pool2d/ops.h"
#include "max_pool2d/window.h"

namespace braid {
namespace {

// Where no gradient will be asked for, the places of the maxima are not kept.
std::vector<int> forward(Builder& b, Call& call) {
  Dict attrs = checked_pool_attrs(b, call);
  bool indices = b.training() && b.needs_gradient(call.in[0]);
  set(attrs, "indices", indices);
  auto out = b.add("max_pool2d", {call.in[0]}, attrs);
  if (indices) call.saved["index"] = out[1];
  return {out[0]};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  Dict attrs = pool_grad_attrs(b, call);
  return {b.one("max_pool2d_grad", {g[0], call.saved.at("index")}, attrs)};
}

std::vector<Sample> samples() {
  auto images = [](int64_t channels, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, height, width}}};
  };
  return {{.inputs = images(1, 7, 5),
           .params = {{"kernel_size", 2}},
           .note = "one channel; the stride leaves cells over",
           .smooth = false},
          {.inputs = images(20, 6, 6),
           .params = {{"kernel_size", 3}, {"stride", 2}, {"padding", 1}},
           .note = "windows overlap",
           .smooth = false},
          {.inputs = images(3, 6, 7),
           .params = {{"kernel_size", Attr::List{3, 2}}, {"stride", 2}, {"ceil_mode", true}},
           .note = "the last windows hang over the edge",
           .smooth = false},
          {.inputs = images(2, 7, 7),
           .params = {{"kernel_size", 2}, {"stride", 1}, {"dilation", 2}},
           .note = "dilation",
           .smooth = false}};
}

}  // namespace

void register_max_pool2d(Registry& registry) {
  register_max_pool2d_ops(registry);
  register_max_pool2d_reference(registry);
  auto params = pool_params();
  params.push_back({.name = "dilation",
                    .kind = ParamKind::integers,
                    .doc = "cells between two elements of a window",
                    .fallback = 1,
                    .min = 1,
                    .length = 2});
  registry.add(LayerDef{
      .name = "MaxPool2d",
      .doc = "The largest value of each window: [N, C, H, W] gives [N, C, H', W'] with H' = "
             "floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1. The gradient "
             "goes to the maximum, the first of equals.",
      .formula = "y[n, c, i, j] = max of x[n, c] over window (i, j)",
      .source = "torch.nn.MaxPool2d",
      .inputs = {{"input"}},
      .params = std::move(params),
      .forward = forward,
      .gradient = gradient,
      .samples = samples()});
}

}  // namespace braid
