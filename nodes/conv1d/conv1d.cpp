// Conv1d and ConvTranspose1d: those of images of one row. The weight's keys and three dimensions
// are PyTorch's.
#include <cmath>

#include <braid/core/init.h>
#include <braid/core/registry.h>

#include "conv2d/channels.h"
#include "conv2d/size.h"
#include "max_pool1d/line.h"
#include "ops/reshaped.h"

namespace braid {

void register_conv1d(Registry& registry);

namespace {

/// Before and behind the signal. With "same" an odd amount puts the larger half at the end.
std::array<int64_t, 2> padding_of(const Builder& b, const Dict& params) {
  const Attr& given = *find(params, "padding");
  const std::string text = given.is<std::string>() ? given.as_text() : "";
  if (text == "valid") return {0, 0};
  if (text == "same") {
    const int64_t stride = get_single(params, "stride");
    if (stride != 1)
      b.fail("E0205", "padding 'same' needs stride 1, and the stride is " + std::to_string(stride),
             "give the padding as a number");
    const int64_t cells = get_single(params, "dilation") * (get_single(params, "kernel_size") - 1);
    return {cells / 2, cells - cells / 2};
  }
  Attr number = given;
  if (given.is<Attr::List>() && given.as_list().size() == 1) number = given.as_list()[0];
  if (!number.is<int64_t>() || number.as_int() < 0)
    b.fail("E0205", "padding is " + to_string(given),
           "padding is an integer of at least 0, 'same' or 'valid'");
  return {number.as_int(), number.as_int()};
}

Dict attrs_of(const Dict& params, const std::array<int64_t, 2>& padding) {
  return {{"stride", Attr::List{1, get_single(params, "stride")}},
          {"padding", Attr::List{0, padding[0], 0, padding[1]}},
          {"dilation", Attr::List{1, get_single(params, "dilation")}},
          {"groups", get_int(params, "groups")}};
}

/// The operands as images; their gradients are taken of these.
int image(Builder& b, int signal) { return reshaped(b, signal, as_image(b.type(signal).shape)); }

void add_params(Builder& b, Call& call, const Shape& weight, int64_t fan) {
  auto& saved = call.saved;
  saved["weight"] = b.param("weight", weight, kaiming_uniform(fan, std::sqrt(5.0)));
  const double bound = 1 / std::sqrt(double(fan));
  saved["bias"] =
      get_bool(call.params, "bias", true)
          ? b.param("bias", {get_int(call.params, "out_channels")}, Init::uniform(-bound, bound))
          : -1;
  saved["x"] = image(b, call.in[0]);
  saved["w"] = image(b, saved["weight"]);
}

std::vector<int> operands_of(const Call& call) {
  std::vector<int> operands = {call.saved.at("x"), call.saved.at("w")};
  if (call.saved.at("bias") >= 0) operands.push_back(call.saved.at("bias"));
  return operands;
}

void add_weight_gradient(Builder& b, int weight, int gradient) {
  b.add_gradient(weight, reshaped(b, gradient, b.type(weight).shape));
}

Dict weight_attrs(const Call& call, Dict attrs, bool bias) {
  set(attrs, "kernel_size", Attr::List{1, get_single(call.params, "kernel_size")});
  set(attrs, "bias", bias);
  return attrs;
}

std::vector<int> forward(Builder& b, Call& call) {
  const Dict& params = call.params;
  const int64_t in = checked_channels(b, call, checked_signal(b, call)) / get_int(params, "groups"),
                kernel = get_single(params, "kernel_size");
  const Dict attrs = attrs_of(params, padding_of(b, params));
  const int64_t length = b.type(call.in[0]).shape[2].value;
  const ConvWindow window = conv_window(attrs);
  if (window.output(1, length, kernel) < 1)
    b.fail("E0207",
           "the kernel reaches over " + std::to_string(window.dilation[1] * (kernel - 1) + 1) +
               " cells, and the padded input's length is " +
               std::to_string(length + window.begin[1] + window.end[1]),
           "use a smaller kernel_size or dilation, or more padding");
  add_params(b, call, {get_int(params, "out_channels"), in, kernel}, in * kernel);
  const int y = b.one("conv2d", operands_of(call), attrs);
  return {reshaped(b, y, as_signal(b.type(y).shape))};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0) return {-1};
  const int weight = call.saved.at("weight"), bias = call.saved.at("bias"), dy = image(b, g[0]);
  Dict attrs = attrs_of(call.params, padding_of(b, call.params));
  const bool weighs = b.needs_gradient(weight), biases = b.needs_gradient(bias);
  if (weighs || biases) {
    auto made =
        b.add("conv2d_grad_weight", {call.saved.at("x"), dy}, weight_attrs(call, attrs, biases));
    add_weight_gradient(b, weight, made[0]);
    if (biases) b.add_gradient(bias, made[1]);
  }
  if (!b.needs_gradient(call.in[0])) return {-1};
  const Shape x = b.type(call.in[0]).shape;
  set(attrs, "input_size", Attr::List{1, x[2].value});
  return {reshaped(b, b.one("conv2d_grad_input", {dy, call.saved.at("w")}, attrs), x)};
}

int64_t result_length(const Builder& b, const Call& call, const Shape& x) {
  auto of = [&](const char* name) { return get_single(call.params, name); };
  const int64_t stride = of("stride"), padding = of("padding"), extra = of("output_padding");
  if (extra >= stride)
    b.fail("E0250",
           "output_padding is " + std::to_string(extra) + ", and the stride is " +
               std::to_string(stride),
           "output_padding chooses among the sizes that a stride cannot tell apart: it is smaller "
           "than the stride");
  const int64_t length = (x[2].value - 1) * stride - 2 * padding +
                         of("dilation") * (of("kernel_size") - 1) + extra + 1;
  if (length < 1)
    b.fail("E0251",
           "the padding of " + std::to_string(padding) +
               " leaves nothing of the length: the result would have " + std::to_string(length) +
               " cells",
           "use less padding, or a larger kernel_size");
  return length;
}

Dict transposed_attrs(const Call& call) {
  const int64_t padding = get_single(call.params, "padding");
  return attrs_of(call.params, {padding, padding});
}

std::vector<int> transposed_forward(Builder& b, Call& call) {
  const Dict& params = call.params;
  const int64_t in = checked_channels(b, call, checked_signal(b, call)),
                kernel = get_single(params, "kernel_size"),
                out = get_int(params, "out_channels") / get_int(params, "groups");
  Dict attrs = transposed_attrs(call);
  set(attrs, "output_size", Attr::List{1, result_length(b, call, b.type(call.in[0]).shape)});
  // PyTorch takes the fan from the weight's second dimension, as if it were a convolution's.
  add_params(b, call, {in, out, kernel}, out * kernel);
  const int y = b.one("conv_transpose2d", operands_of(call), attrs);
  return {reshaped(b, y, as_signal(b.type(y).shape))};
}

// Of the convolution that is transposed: result and input change places.
std::vector<int> transposed_gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0) return {-1};
  const int weight = call.saved.at("weight"), bias = call.saved.at("bias"), dy = image(b, g[0]);
  const Dict attrs = transposed_attrs(call);
  if (b.needs_gradient(weight))
    add_weight_gradient(
        b, weight,
        b.one("conv2d_grad_weight", {dy, call.saved.at("x")}, weight_attrs(call, attrs, false)));
  if (b.needs_gradient(bias)) b.add_gradient(bias, b.one("conv_transpose2d_grad_bias", {dy}));
  if (!b.needs_gradient(call.in[0])) return {-1};
  const int dx = b.one("conv2d", {dy, call.saved.at("w")}, attrs);
  return {reshaped(b, dx, b.type(call.in[0]).shape)};
}

/// Multiply-adds for each cell of the larger side, times two.
int64_t flops(const Call& call, const Shape& few, int64_t cells) {
  return 2 * few[1].value / get_int(call.params, "groups") *
         get_single(call.params, "kernel_size") * cells;
}

std::vector<ParamDef> params(bool transposed) {
  std::vector<ParamDef> list = {
      {.name = "in_channels",
       .doc = "channels of the input; follows from it and is checked if given",
       .optional = true,
       .min = 1},
      {.name = "out_channels", .doc = "channels of the result", .min = 1},
      single("kernel_size", "cells of the kernel", {}, 1),
      single("stride",
             transposed ? "cells of the result between two cells of the input"
                        : "cells between two applications of the kernel",
             1, 1)};
  if (transposed) {
    list.push_back(single("padding", "cells cut off at both ends of the result", 0, 0));
    list.push_back(
        single("output_padding", "cells added at the result's end; less than the stride", 0, 0));
  } else {
    list.push_back({.name = "padding",
                    .kind = ParamKind::any,
                    .doc = "zeros at both ends: an integer, 'valid' (none) or 'same' (the result "
                           "has the input's length; stride 1)",
                    .fallback = 0});
  }
  list.push_back(single("dilation", "cells between two elements of the kernel", 1, 1));
  list.push_back({.name = "groups",
                  .doc = "channels are cut into this many groups that do not see each other",
                  .fallback = 1,
                  .min = 1});
  list.push_back({.name = "bias",
                  .kind = ParamKind::boolean,
                  .doc = "adds a learned number per channel",
                  .fallback = true});
  return list;
}

std::vector<Type> signal(int64_t channels, int64_t length) {
  return {{DType::f32, {N, channels, length}}};
}

LayerDef conv_layer() {
  return {.name = "Conv1d",
          .doc =
              "A 1-d convolution (cross-correlation): [N, in, L] gives [N, out, L'] with L' = "
              "floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.",
          .formula =
              "y[n, o] = b[o] + sum over c of w[o, c] * x[n, c]; weight [out, in / groups, "
              "k]; begins uniform in ±1/sqrt(fan_in)",
          .source = "torch.nn.Conv1d",
          .inputs = {{"input"}},
          .params = params(false),
          .forward = forward,
          .gradient = gradient,
          .flops =
              [](const Call& call, const Builder& b) {
                const Shape y = b.type(call.out[0]).shape;
                return flops(call, b.type(call.in[0]).shape, y[1].value * y[2].value);
              },
          .samples = {{.inputs = signal(3, 9),
                       .params = {{"out_channels", 4}, {"kernel_size", 3}, {"padding", 1}}},
                      {.inputs = signal(4, 12),
                       .params = {{"out_channels", 6},
                                  {"kernel_size", 3},
                                  {"stride", 2},
                                  {"dilation", 2},
                                  {"groups", 2},
                                  {"bias", false}},
                       .note = "groups and dilation; the stride leaves cells over"},
                      {.inputs = signal(20, 7),
                       .params = {{"out_channels", 18}, {"kernel_size", 4}, {"padding", "same"}},
                       .note = "channels that are no multiple of a block; an odd padding"}},
          .channels = ChannelAxes{}};
}

LayerDef transposed_layer() {
  return {
      .name = "ConvTranspose1d",
      .doc =
          "The transpose of Conv1d, which lengthens signals: [N, in, L] gives [N, out, L'] with "
          "L' = (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.",
      .formula =
          "y[n, o, i stride + k dilation - padding] += sum over c of w[c, o, k] * x[n, c, "
          "i], plus b[o]; weight [in, out / groups, k]; begins uniform in ±1/sqrt(out / "
          "groups k)",
      .source = "torch.nn.ConvTranspose1d",
      .inputs = {{"input"}},
      .params = params(true),
      .forward = transposed_forward,
      .gradient = transposed_gradient,
      .flops =
          [](const Call& call, const Builder& b) {
            const Shape x = b.type(call.in[0]).shape;
            return flops(call, b.type(call.out[0]).shape, x[1].value * x[2].value);
          },
      .samples =
          {{.inputs = signal(3, 5),
            .params = {{"out_channels", 4}, {"kernel_size", 2}, {"stride", 2}},
            .note = "twice as long"},
           {.inputs = signal(4, 6),
            .params = {{"out_channels", 6},
                       {"kernel_size", 4},
                       {"stride", 3},
                       {"padding", 1},
                       {"output_padding", 2},
                       {"groups", 2}},
            .note = "windows overlap; groups"},
           {.inputs = signal(20, 4),
            .params = {{"out_channels", 18}, {"kernel_size", 3}, {"dilation", 2}, {"bias", false}},
            .note = "channels that are no multiple of a block; dilation"}},
      .channels = ChannelAxes{.weight = 1}};
}

}  // namespace

void register_conv1d(Registry& registry) {
  registry.add(conv_layer());
  registry.add(transposed_layer());
}

}  // namespace braid
