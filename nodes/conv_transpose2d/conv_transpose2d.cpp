// ConvTranspose2d: the transpose of a convolution, which enlarges images.
#include <cmath>

#include <braid/core/init.h>

#include "conv2d/channels.h"
#include "conv_transpose2d/ops.h"

namespace braid {
namespace {

// Both sizes of the result. From output_padding = stride on, the convolution that is transposed
// would make more of the result than the input has.
Attr::List result_size(Builder& b, const Call& call) {
  const Shape x = b.type(call.in[0]).shape;
  auto of = [&](const char* name) { return get_ints(call.params, name); };
  auto kernel = of("kernel_size"), stride = of("stride"), padding = of("padding");
  auto extra = of("output_padding"), dilation = of("dilation");
  Attr::List size;
  for (size_t d = 0; d < 2; ++d) {
    if (extra[d] >= stride[d])
      b.fail("E0250",
             "output_padding is " + to_string(*find(call.params, "output_padding")) +
                 ", and the stride is " + to_string(*find(call.params, "stride")),
             "output_padding chooses among the sizes that a stride cannot tell apart: it is "
             "smaller than the stride");
    int64_t length = (x[2 + d].value - 1) * stride[d] - 2 * padding[d] +
                     dilation[d] * (kernel[d] - 1) + extra[d] + 1;
    if (length < 1)
      b.fail("E0251",
             std::string("the padding of ") + std::to_string(padding[d]) +
                 " leaves nothing of the " + (d ? "width" : "height") + ": the result would have " +
                 std::to_string(length) + " cells",
             "use less padding, or a larger kernel_size");
    size.push_back(length);
  }
  return size;
}

std::vector<int> forward(Builder& b, Call& call) {
  const Dict& params = call.params;
  int64_t groups = get_int(params, "groups"), in = checked_channels(b, call);
  int64_t out = get_int(params, "out_channels");
  auto kernel = get_ints(params, "kernel_size"), padding = get_ints(params, "padding");
  Dict attrs = {{"stride", *find(params, "stride")},
                {"padding", Attr::List{padding[0], padding[1], padding[0], padding[1]}},
                {"dilation", *find(params, "dilation")},
                {"groups", groups},
                {"output_size", result_size(b, call)}};
  // PyTorch takes the fan from the weight's second dimension, as if it were a convolution's.
  int64_t fan = out / groups * kernel[0] * kernel[1];
  std::vector<int> operands = {call.in[0],
                               b.param("weight", {in, out / groups, kernel[0], kernel[1]},
                                       kaiming_uniform(fan, std::sqrt(5.0)))};
  double bound = 1 / std::sqrt(double(fan));
  if (get_bool(params, "bias", true))
    operands.push_back(b.param("bias", {out}, Init::uniform(-bound, bound)));
  call.saved["weight"] = operands[1];
  call.saved["bias"] = operands.size() > 2 ? operands[2] : -1;
  return b.add("conv_transpose2d", operands, attrs);
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0) return {-1};
  int x = call.in[0], weight = call.saved.at("weight"), bias = call.saved.at("bias");
  Dict attrs;  // of the convolution that is transposed: result and input change places
  for (auto& entry : b.graph().nodes[size_t(b.graph().values[size_t(call.out[0])].node)].attrs)
    if (entry.key != "output_size") attrs.push_back(entry);
  if (b.needs_gradient(weight)) {
    Dict of_weight = attrs;
    set(of_weight, "kernel_size", *find(call.params, "kernel_size"));
    set(of_weight, "bias", false);
    b.add_gradient(weight, b.one("conv2d_grad_weight", {g[0], x}, of_weight));
  }
  if (b.needs_gradient(bias)) b.add_gradient(bias, b.one("conv_transpose2d_grad_bias", {g[0]}));
  if (!b.needs_gradient(x)) return {-1};
  return {b.one("conv2d", {g[0], weight}, attrs)};
}

int64_t flops(const Call& call, const Builder& b) {
  const Shape x = b.type(call.in[0]).shape, y = b.type(call.out[0]).shape;
  auto kernel = get_ints(call.params, "kernel_size");
  int64_t products = y[1].value / get_int(call.params, "groups") * kernel[0] * kernel[1];
  return 2 * products * x[1].value * x[2].value * x[3].value;
}

std::vector<Sample> samples() {
  auto images = [](int64_t channels, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, height, width}}};
  };
  return {{.inputs = images(3, 4, 3),
           .params = {{"out_channels", 5}, {"kernel_size", 2}, {"stride", 2}},
           .note = "doubles the image"},
          {.inputs = images(32, 3, 5),
           .params = {{"out_channels", 16}, {"kernel_size", 2}, {"stride", 2}},
           .note = "doubles the image, whole blocks of channels"},
          {.inputs = images(20, 3, 4),
           .params = {{"in_channels", 20},
                      {"out_channels", 18},
                      {"kernel_size", Attr::List{3, 2}},
                      {"stride", Attr::List{3, 2}},
                      {"bias", false}},
           .note = "channels that are no multiple of a block"},
          {.inputs = images(4, 4, 3),
           .params = {{"out_channels", 6},
                      {"kernel_size", 4},
                      {"stride", 2},
                      {"padding", 1},
                      {"output_padding", Attr::List{1, 0}},
                      {"groups", 2}},
           .note = "windows overlap; padding on both sides; groups"},
          {.inputs = images(1, 5, 4),
           .params = {{"out_channels", 1}, {"kernel_size", 3}, {"dilation", 2}, {"padding", 1}},
           .note = "one channel, dilation"}};
}

std::vector<ParamDef> params() {
  auto pair = [](std::string name, std::string doc, Attr fallback, double min) {
    return ParamDef{.name = std::move(name),
                    .kind = ParamKind::integers,
                    .doc = std::move(doc),
                    .fallback = std::move(fallback),
                    .min = min,
                    .length = 2};
  };
  return {{.name = "in_channels",
           .doc = "channels of the input; follows from it and is checked if given",
           .optional = true,
           .min = 1},
          {.name = "out_channels", .doc = "channels of the result", .min = 1},
          pair("kernel_size", "height and width of the kernel", {}, 1),
          pair("stride", "cells of the result between two cells of the input", 1, 1),
          pair("padding", "cells cut off around the result", 0, 0),
          pair("output_padding", "cells added at the result's end; less than the stride", 0, 0),
          {.name = "groups",
           .doc = "channels are cut into this many groups that do not see each other",
           .fallback = 1,
           .min = 1},
          {.name = "bias",
           .kind = ParamKind::boolean,
           .doc = "adds a learned number per channel",
           .fallback = true},
          pair("dilation", "cells between two elements of the kernel", 1, 1)};
}

}  // namespace

void register_conv_transpose2d(Registry& registry) {
  register_conv_transpose2d_ops(registry);
  register_conv_transpose2d_kernels(registry);
  register_conv_transpose2d_reference(registry);
  registry.add(LayerDef{
      .name = "ConvTranspose2d",
      .doc = "The transpose of Conv2d, which enlarges images: [N, in, H, W] gives [N, out, H', W'] "
             "with H' = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + "
             "1. kernel_size 2 and stride 2 double an image.",
      .formula = "y[n, o, i stride + k dilation - padding] += sum over c of w[c, o, k] * x[n, c, "
                 "i], plus b[o]; weight [in, out / groups, kh, kw]; begins uniform in "
                 "±1/sqrt(out / groups kh kw)",
      .source = "torch.nn.ConvTranspose2d",
      .inputs = {{"input"}},
      .params = params(),
      .forward = forward,
      .gradient = gradient,
      .flops = flops,
      .samples = samples(),
      .channels = ChannelAxes{.weight = 1}});
}

}  // namespace braid
