// Conv2d: cross-correlation over images.
#include <algorithm>
#include <cmath>

#include <braid/core/init.h>

#include "conv2d/channels.h"
#include "conv2d/ops.h"
#include "conv2d/size.h"

namespace braid {
namespace {

// [top, left, bottom, right] from an integer, a list of two, "valid" or "same". With "same" an odd
// amount puts the larger half at the end, as PyTorch does.
Attr::List padding_of(Builder& b, const Dict& params) {
  const Attr& given = *find(params, "padding");
  if (given.is<int64_t>()) return {given, given, given, given};
  if (given.is<Attr::List>()) {
    auto& list = given.as_list();
    bool fits = list.size() == 2;
    for (auto& entry : list) fits &= entry.is<int64_t>();
    if (fits) return {list[0], list[1], list[0], list[1]};
  } else if (given.is<std::string>() && given.as_text() == "valid") {
    return {0, 0, 0, 0};
  } else if (given.is<std::string>() && given.as_text() == "same") {
    auto kernel = get_ints(params, "kernel_size"), dilation = get_ints(params, "dilation");
    for (int64_t stride : get_ints(params, "stride"))
      if (stride != 1)
        b.fail("E0205",
               "padding 'same' needs stride 1, and the stride is " +
                   to_string(*find(params, "stride")),
               "give the padding as a number");
    int64_t height = dilation[0] * (kernel[0] - 1), width = dilation[1] * (kernel[1] - 1);
    return {height / 2, width / 2, height - height / 2, width - width / 2};
  }
  b.fail("E0205", "padding is " + to_string(given),
         "padding is an integer, a list of two, 'same' or 'valid'");
}

void check_padding(Builder& b, const Attr::List& padding) {
  for (auto& p : padding)
    if (p.as_int() < 0) b.fail("E0205", "padding is " + to_string(p), "padding is at least 0");
}

void check_fit(Builder& b, const Dict& attrs, const Shape& x, const std::vector<int64_t>& kernel) {
  auto window = conv_window(attrs);
  const char* names[] = {"height", "width"};
  for (int d = 0; d < 2; ++d)
    if (window.output(d, x[2 + d].value, kernel[d]) < 1)
      b.fail("E0207",
             "the kernel reaches over " + std::to_string(window.dilation[d] * (kernel[d] - 1) + 1) +
                 " cells, and the padded input's " + names[d] + " is " +
                 std::to_string(x[2 + d].value + window.begin[d] + window.end[d]),
             "use a smaller kernel_size or dilation, or more padding");
}

std::vector<int> forward(Builder& b, Call& call) {
  const Dict& params = call.params;
  int64_t groups = get_int(params, "groups"), in = checked_channels(b, call) / groups;
  int64_t out = get_int(params, "out_channels");
  auto kernel = get_ints(params, "kernel_size");
  auto padding = padding_of(b, params);
  check_padding(b, padding);
  Dict attrs = {{"stride", *find(params, "stride")},
                {"padding", padding},
                {"dilation", *find(params, "dilation")},
                {"groups", groups}};
  check_fit(b, attrs, b.type(call.in[0]).shape, kernel);
  int64_t fan = in * kernel[0] * kernel[1];
  std::vector<int> operands = {call.in[0], b.param("weight", {out, in, kernel[0], kernel[1]},
                                                   kaiming_uniform(fan, std::sqrt(5.0)))};
  double bound = 1 / std::sqrt(double(fan));
  if (get_bool(params, "bias", true))
    operands.push_back(b.param("bias", {out}, Init::uniform(-bound, bound)));
  call.saved["weight"] = operands[1];
  call.saved["bias"] = operands.size() > 2 ? operands[2] : -1;
  return b.add("conv2d", operands, attrs);
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0) return {-1};
  int x = call.in[0], weight = call.saved.at("weight"), bias = call.saved.at("bias");
  const Shape& image = b.type(x).shape;
  Dict attrs = b.graph().nodes[b.graph().values[call.out[0]].node].attrs;
  bool weighs = b.needs_gradient(weight), biases = b.needs_gradient(bias);
  if (weighs || biases) {
    Dict of_weight = attrs;
    set(of_weight, "kernel_size", *find(call.params, "kernel_size"));
    set(of_weight, "bias", biases);
    auto gradients = b.add("conv2d_grad_weight", {x, g[0]}, of_weight);
    b.add_gradient(weight, gradients[0]);
    if (biases) b.add_gradient(bias, gradients[1]);
  }
  if (!b.needs_gradient(x)) return {-1};
  set(attrs, "input_size", Attr::List{image[2].value, image[3].value});
  return {b.one("conv2d_grad_input", {g[0], weight}, attrs)};
}

int64_t flops(const Call& call, const Builder& b) {
  const Shape &x = b.type(call.in[0]).shape, &y = b.type(call.out[0]).shape;
  auto kernel = get_ints(call.params, "kernel_size");
  int64_t products = x[1].value / get_int(call.params, "groups") * kernel[0] * kernel[1];
  return 2 * products * y[1].value * y[2].value * y[3].value;
}

std::vector<Sample> samples() {
  auto images = [](int64_t channels, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, height, width}}};
  };
  return {{.inputs = images(1, 7, 5),
           .params = {{"out_channels", 3}, {"kernel_size", 3}, {"padding", 1}},
           .note = "one channel"},
          {.inputs = images(3, 8, 8),
           .params = {{"out_channels", 5},
                      {"kernel_size", Attr::List{3, 2}},
                      {"stride", Attr::List{3, 2}},
                      {"bias", false}},
           .note = "the stride leaves cells over at the edge"},
          {.inputs = images(4, 6, 5),
           .params = {{"out_channels", 6},
                      {"kernel_size", 3},
                      {"padding", 2},
                      {"groups", 2},
                      {"dilation", 2}},
           .note = "groups and dilation"},
          {.inputs = images(20, 5, 7),
           .params =
               {{"in_channels", 20}, {"out_channels", 18}, {"kernel_size", 3}, {"padding", "same"}},
           .note = "channels that are no multiple of a block"},
          {.inputs = images(4, 5, 5),
           .params = {{"out_channels", 4}, {"kernel_size", 3}, {"groups", 4}, {"padding", 1}},
           .note = "depthwise"}};
}

std::vector<ParamDef> params() {
  auto pair = [](std::string name, std::string doc, Attr fallback) {
    return ParamDef{.name = std::move(name),
                    .kind = ParamKind::integers,
                    .doc = std::move(doc),
                    .fallback = std::move(fallback),
                    .min = 1,
                    .length = 2};
  };
  return {
      {.name = "in_channels",
       .doc = "channels of the input; follows from it and is checked if given",
       .optional = true,
       .min = 1},
      {.name = "out_channels", .doc = "channels of the result", .min = 1},
      pair("kernel_size", "height and width of the kernel", {}),
      pair("stride", "cells between two applications of the kernel", 1),
      {.name = "padding",
       .kind = ParamKind::any,
       .doc = "zeros around the image: an integer, a list of two, 'valid' (none) or 'same' (the "
              "result has the input's size; stride 1)",
       .fallback = 0},
      pair("dilation", "cells between two elements of the kernel", 1),
      {.name = "groups",
       .doc = "channels are cut into this many groups that do not see each other",
       .fallback = 1,
       .min = 1},
      {.name = "bias",
       .kind = ParamKind::boolean,
       .doc = "adds a learned number per channel",
       .fallback = true}};
}

}  // namespace

void register_conv2d(Registry& registry) {
  register_conv2d_ops(registry);
  register_conv2d_kernels(registry);
  register_conv2d_reference(registry);
  registry.add(LayerDef{
      .name = "Conv2d",
      .doc = "A 2-d convolution (cross-correlation): [N, in, H, W] gives [N, out, H', W'] with "
             "H' = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.",
      .formula = "y[n, o] = b[o] + sum over c of w[o, c] * x[n, c]; weight "
                 "[out, in / groups, kh, kw]; begins uniform in ±1/sqrt(fan_in)",
      .source = "torch.nn.Conv2d",
      .inputs = {{"input"}},
      .params = params(),
      .forward = forward,
      .gradient = gradient,
      .flops = flops,
      .samples = samples(),
      .channels = ChannelAxes{}});
}

}  // namespace braid
