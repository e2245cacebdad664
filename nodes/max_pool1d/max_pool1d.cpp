// MaxPool1d: that of images of one row.
#include <braid/core/registry.h>

#include "max_pool1d/line.h"
#include "ops/reshaped.h"

namespace braid {

void register_max_pool1d(Registry& registry);

namespace {

std::vector<int> forward(Builder& b, Call& call) {
  Dict attrs = checked_line_attrs(b, call);
  const bool indices = b.training() && b.needs_gradient(call.in[0]);
  set(attrs, "indices", indices);
  const int image = reshaped(b, call.in[0], as_image(b.type(call.in[0]).shape));
  const auto out = b.add("max_pool2d", {image}, attrs);
  if (indices) call.saved["index"] = out[1];
  return {reshaped(b, out[0], as_signal(b.type(out[0]).shape))};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  Dict attrs = line_grad_attrs(b, call);
  set(attrs, "indices", true);
  const int image = reshaped(b, g[0], as_image(b.type(g[0]).shape));
  const int dx = b.one("max_pool2d_grad", {image, call.saved.at("index")}, attrs);
  return {reshaped(b, dx, b.type(call.in[0]).shape)};
}

std::vector<Sample> samples() {
  auto signal = [](int64_t channels, int64_t length) {
    return std::vector<Type>{{DType::f32, {N, channels, length}}};
  };
  return {{.inputs = signal(3, 9),
           .params = {{"kernel_size", 2}},
           .note = "the stride leaves a cell over",
           .smooth = false},
          {.inputs = signal(20, 12),
           .params = {{"kernel_size", 3}, {"stride", 2}, {"padding", 1}},
           .note = "windows overlap",
           .smooth = false},
          {.inputs = signal(2, 11),
           .params = {{"kernel_size", 3}, {"stride", 3}, {"dilation", 2}, {"ceil_mode", true}},
           .note = "dilation; the last window hangs over the edge",
           .smooth = false}};
}

}  // namespace

void register_max_pool1d(Registry& registry) {
  auto params = line_params();
  params.push_back(single("dilation", "cells between two elements of a window", 1, 1));
  registry.add(LayerDef{
      .name = "MaxPool1d",
      .doc = "The largest value of each window: [N, C, L] gives [N, C, L'] with L' = floor((L + 2 "
             "padding - dilation (kernel_size - 1) - 1) / stride) + 1. The gradient goes to the "
             "maximum, the first of equals.",
      .formula = "y[n, c, i] = max of x[n, c] over window i",
      .source = "torch.nn.MaxPool1d",
      .inputs = {{"input"}},
      .params = std::move(params),
      .forward = forward,
      .gradient = gradient,
      .samples = samples()});
}

}  // namespace braid
