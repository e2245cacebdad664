// Conv3d: cross-correlation over volumes.
#include <cmath>

#include <braid/core/init.h>

#include "conv2d/channels.h"
#include "conv3d/ops.h"
#include "ops/checks.h"

namespace braid {
namespace {

int64_t channels_of_volume(Builder& b, const Call& call) {
  require_f32(b, call, 0);
  const Shape x = b.type(call.in[0]).shape;
  if (x.size() != 5)
    b.fail("E0201", "Conv3d takes volumes [N, channels, depth, height, width], and its input is " +
                        to_string(x));
  return checked_channels(b, call, x);
}

// Numbers around the volume, the same on both sides of a dimension.
Attr::List padding_of(Builder& b, const Dict& params) {
  const Attr& given = *find(params, "padding");
  const auto refuse = [&](const std::string& help) {
    b.fail("E0205", "padding is " + to_string(given), help);
  };
  if (given.is<std::string>() && given.as_text() == "valid") return {0, 0, 0};
  if (given.is<std::string>() && given.as_text() == "same") {
    Attr::List around;
    const auto kernel = get_ints(params, "kernel_size"), dilation = get_ints(params, "dilation"),
               stride = get_ints(params, "stride");
    for (size_t d = 0; d < 3; ++d) {
      const int64_t cells = dilation[d] * (kernel[d] - 1);
      if (stride[d] != 1 || cells % 2)
        refuse("'same' needs stride 1 and an odd kernel_size: give the padding as a number");
      around.push_back(cells / 2);
    }
    return around;
  }
  auto list = given.is<Attr::List>() ? given.as_list() : Attr::List(3, given);
  for (auto& entry : list)
    if (list.size() != 3 || !entry.is<int64_t>() || entry.as_int() < 0)
      refuse("padding is an integer of at least 0, a list of three, 'same' or 'valid'");
  return list;
}

Dict checked_attrs(Builder& b, const Call& call) {
  Dict attrs = {{"stride", *find(call.params, "stride")},
                {"padding", padding_of(b, call.params)},
                {"dilation", *find(call.params, "dilation")},
                {"groups", get_int(call.params, "groups")}};
  static constexpr const char* names[] = {"depth", "height", "width"};
  auto size = conv3d_size(attrs);
  const auto kernel = get_ints(call.params, "kernel_size");
  for (size_t d = 0; d < 3; ++d) {
    size.input[d] = b.type(call.in[0]).shape[2 + d].value;
    size.kernel[d] = kernel[d];
    if (size.output(d) < 1)
      b.fail("E0207",
             "the kernel reaches over " + std::to_string(size.reach(d)) +
                 " cells, and the padded input's " + names[d] + " is " +
                 std::to_string(size.input[d] + 2 * size.padding[d]),
             "use a smaller kernel_size or dilation, or more padding");
  }
  return attrs;
}

std::vector<int> forward(Builder& b, Call& call) {
  const int64_t in = channels_of_volume(b, call) / get_int(call.params, "groups");
  const int64_t out = get_int(call.params, "out_channels");
  const Dict attrs = checked_attrs(b, call);
  const auto kernel = get_ints(call.params, "kernel_size");
  const int64_t fan = in * kernel[0] * kernel[1] * kernel[2];
  std::vector<int> operands = {call.in[0],
                               b.param("weight", {out, in, kernel[0], kernel[1], kernel[2]},
                                       kaiming_uniform(fan, std::sqrt(5.0)))};
  const double bound = 1 / std::sqrt(double(fan));
  if (get_bool(call.params, "bias", true))
    operands.push_back(b.param("bias", {out}, Init::uniform(-bound, bound)));
  call.saved["weight"] = operands[1];
  call.saved["bias"] = operands.size() > 2 ? operands[2] : -1;
  return b.add("conv3d", operands, attrs);
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0) return {-1};
  const int x = call.in[0], weight = call.saved.at("weight"), bias = call.saved.at("bias");
  Dict attrs = checked_attrs(b, call);
  const bool weighs = b.needs_gradient(weight), biases = b.needs_gradient(bias);
  if (weighs || biases) {
    Dict of_weight = attrs;
    set(of_weight, "kernel_size", *find(call.params, "kernel_size"));
    set(of_weight, "bias", biases);
    auto gradients = b.add("conv3d_grad_weight", {x, g[0]}, of_weight);
    b.add_gradient(weight, gradients[0]);
    if (biases) b.add_gradient(bias, gradients[1]);
  }
  if (!b.needs_gradient(x)) return {-1};
  const Shape volume = b.type(x).shape;
  set(attrs, "input_size", Attr::List{volume[2].value, volume[3].value, volume[4].value});
  return {b.one("conv3d_grad_input", {g[0], weight}, attrs)};
}

int64_t flops(const Call& call, const Builder& b) {
  const Shape x = b.type(call.in[0]).shape, y = b.type(call.out[0]).shape;
  int64_t products = x[1].value / get_int(call.params, "groups");
  for (int64_t cells : get_ints(call.params, "kernel_size")) products *= cells;
  return 2 * products * y[1].value * y[2].value * y[3].value * y[4].value;
}

std::vector<Sample> samples() {
  auto volumes = [](int64_t channels, int64_t depth, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, depth, height, width}}};
  };
  return {{.inputs = volumes(2, 3, 4, 5),
           .params = {{"out_channels", 3}, {"kernel_size", 3}, {"padding", 1}}},
          {.inputs = volumes(4, 5, 4, 6),
           .params = {{"out_channels", 6},
                      {"kernel_size", Attr::List{2, 3, 1}},
                      {"stride", Attr::List{2, 1, 2}},
                      {"groups", 2},
                      {"bias", false}},
           .note = "groups; the stride leaves cells over"},
          {.inputs = volumes(17, 3, 5, 5),
           .params = {{"out_channels", 18},
                      {"kernel_size", Attr::List{1, 3, 3}},
                      {"dilation", Attr::List{1, 2, 1}},
                      {"padding", "same"}},
           .note = "channels that are no multiple of a block; dilation"}};
}

std::vector<ParamDef> params() {
  auto three = [](std::string name, std::string doc, Attr fallback) {
    return ParamDef{.name = std::move(name),
                    .kind = ParamKind::integers,
                    .doc = std::move(doc),
                    .fallback = std::move(fallback),
                    .min = 1,
                    .length = 3};
  };
  return {{.name = "in_channels",
           .doc = "channels of the input; follows from it and is checked if given",
           .optional = true,
           .min = 1},
          {.name = "out_channels", .doc = "channels of the result", .min = 1},
          three("kernel_size", "depth, height and width of the kernel", {}),
          three("stride", "cells between two applications of the kernel", 1),
          {.name = "padding",
           .kind = ParamKind::any,
           .doc = "zeros around the volume: an integer, a list of three, 'valid' (none) or 'same' "
                  "(the result has the input's size; stride 1, odd kernels)",
           .fallback = 0},
          three("dilation", "cells between two elements of the kernel", 1),
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

void register_conv3d(Registry& registry) {
  register_conv3d_ops(registry);
  register_conv3d_kernels(registry);
  register_conv3d_reference(registry);
  registry.add(LayerDef{
      .name = "Conv3d",
      .doc = "A 3-d convolution (cross-correlation): [N, in, D, H, W] gives [N, out, D', H', W'] "
             "with D' = floor((D + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.",
      .formula = "y[n, o] = b[o] + sum over c of w[o, c] * x[n, c]; weight "
                 "[out, in / groups, kd, kh, kw]; begins uniform in ±1/sqrt(fan_in)",
      .source = "torch.nn.Conv3d",
      .inputs = {{"input"}},
      .params = params(),
      .forward = forward,
      .gradient = gradient,
      .flops = flops,
      .samples = samples(),
      .channels = ChannelAxes{}});
}

}  // namespace braid
