// MaxPool3d: the largest value of each box. That is the largest over depth of the largest of each
// plane, and both are pooling of images; the first of equals is the same.
#include <array>

#include <braid/core/registry.h>

#include "max_pool2d/window.h"
#include "ops/checks.h"
#include "ops/reshaped.h"

namespace braid {

void register_max_pool3d(Registry& registry);

namespace {

using Triple = std::array<int64_t, 3>;

Triple triple(const Dict& params, const char* name) {
  auto list = get_ints(params, name);
  return {list[0], list[1], list[2]};
}

struct Box {
  Triple kernel, stride, padding, dilation;
  bool ceil;

  explicit Box(const Call& call)
      : kernel(triple(call.params, "kernel_size")),
        stride(find(call.params, "stride")->is_null() ? kernel : triple(call.params, "stride")),
        padding(triple(call.params, "padding")),
        dilation(triple(call.params, "dilation")),
        ceil(get_bool(call.params, "ceil_mode")) {}

  /// The attributes of pooling by dimensions 1 and 2 of the box.
  Dict planes() const {
    auto two = [](const Triple& of) { return Attr::List{of[1], of[2]}; };
    return {{"kernel_size", two(kernel)},
            {"stride", two(stride)},
            {"padding", two(padding)},
            {"dilation", two(dilation)},
            {"ceil_mode", ceil}};
  }
  /// By its dimension 0, of planes whose cells stand side by side.
  Dict depth() const {
    return {{"kernel_size", Attr::List{kernel[0], 1}},
            {"stride", Attr::List{stride[0], 1}},
            {"padding", Attr::List{padding[0], 0}},
            {"dilation", Attr::List{dilation[0], 1}},
            {"ceil_mode", ceil}};
  }
};

/// One operation of images, between other views of the same cells.
struct Pass {
  Shape image, result;
  Dict attrs;
  const char* index;  ///< the name under which its places are saved
};

std::array<Pass, 2> passes_of(const Box& box, const Shape& x) {
  const PoolWindow planes = pool_window(box.planes()), depth = pool_window(box.depth());
  const int64_t height = planes.output(0, x[3].value), width = planes.output(1, x[4].value);
  const int64_t deep = depth.output(0, x[2].value), rows = x[1].value * x[2].value;
  return {Pass{{x[0], rows, x[3], x[4]}, {x[0], rows, height, width}, box.planes(), "plane"},
          Pass{{x[0], x[1], x[2], height * width},
               {x[0], x[1], deep, height * width},
               box.depth(),
               "depth"}};
}

void check_box(const Builder& b, const Box& box, const Shape& x) {
  static constexpr const char* names[] = {"depth", "height", "width"};
  for (size_t d = 0; d < 3; ++d) {
    if (box.padding[d] > box.kernel[d] / 2)
      b.fail("E0205",
             "padding is " + std::to_string(box.padding[d]) + ", more than half the kernel's " +
                 std::to_string(box.kernel[d]),
             "a window in the padding alone would see nothing");
    const int64_t cells = x[2 + d].value + 2 * box.padding[d],
                  reach = box.dilation[d] * (box.kernel[d] - 1) + 1;
    if (cells < reach)
      b.fail("E0207",
             "the window reaches over " + std::to_string(reach) +
                 " cells, and the padded input's " + names[d] + " is " + std::to_string(cells),
             "use a smaller kernel_size, or pool less before");
  }
}

std::vector<int> forward(Builder& b, Call& call) {
  require_f32(b, call, 0);
  const Shape x = b.type(call.in[0]).shape;
  if (x.size() != 5)
    b.fail("E0201",
           "MaxPool3d takes volumes [N, channels, depth, height, width], and its input is " +
               to_string(x));
  const Box box(call);
  check_box(b, box, x);
  const bool indices = b.training() && b.needs_gradient(call.in[0]);
  int value = call.in[0];
  const auto passes = passes_of(box, x);
  for (const Pass& pass : passes) {
    Dict attrs = pass.attrs;
    set(attrs, "indices", indices);
    const auto out = b.add("max_pool2d", {reshaped(b, value, pass.image)}, attrs);
    if (indices) call.saved[pass.index] = out[1];
    value = out[0];
  }
  const Shape &plane = passes[0].result, &depth = passes[1].result;
  return {reshaped(b, value, {x[0], x[1], depth[2], plane[2], plane[3]})};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  const Shape x = b.type(call.in[0]).shape;
  const auto passes = passes_of(Box(call), x);
  int value = g[0];
  for (size_t k = passes.size(); k-- > 0;) {
    const Pass& pass = passes[k];
    Dict attrs = pass.attrs;
    set(attrs, "indices", true);
    set(attrs, "input_size", Attr::List{pass.image[2].value, pass.image[3].value});
    value = b.one("max_pool2d_grad", {reshaped(b, value, pass.result), call.saved.at(pass.index)},
                  attrs);
  }
  return {reshaped(b, value, x)};
}

std::vector<ParamDef> params() {
  auto three = [](std::string name, std::string doc, Attr fallback, double min, bool optional) {
    return ParamDef{.name = std::move(name),
                    .kind = ParamKind::integers,
                    .doc = std::move(doc),
                    .fallback = std::move(fallback),
                    .optional = optional,
                    .min = min,
                    .length = 3};
  };
  return {three("kernel_size", "depth, height and width of the window", {}, 1, false),
          three("stride", "cells between two windows; kernel_size if left out", {}, 1, true),
          three("padding", "cells around the volume, at most half the kernel", 0, 0, false),
          three("dilation", "cells between two elements of a window", 1, 1, false),
          {.name = "ceil_mode",
           .kind = ParamKind::boolean,
           .doc = "a last window may hang over the edge",
           .fallback = false}};
}

}  // namespace

void register_max_pool3d(Registry& registry) {
  auto volumes = [](int64_t channels, int64_t depth, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, depth, height, width}}};
  };
  registry.add(LayerDef{
      .name = "MaxPool3d",
      .doc = "The largest value of each window: [N, C, D, H, W] gives [N, C, D', H', W'] with D' = "
             "floor((D + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1. The gradient "
             "goes to the maximum, the first of equals.",
      .formula = "y[n, c, i, j, k] = max of x[n, c] over window (i, j, k)",
      .source = "torch.nn.MaxPool3d",
      .inputs = {{"input"}},
      .params = params(),
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = volumes(3, 2, 6, 4), .params = {{"kernel_size", 2}}, .smooth = false},
                  {.inputs = volumes(2, 5, 4, 6),
                   .params = {{"kernel_size", 3}, {"stride", 2}, {"padding", 1}},
                   .note = "windows overlap",
                   .smooth = false},
                  {.inputs = volumes(2, 5, 6, 5),
                   .params = {{"kernel_size", Attr::List{2, 3, 2}},
                              {"stride", Attr::List{3, 2, 2}},
                              {"dilation", Attr::List{2, 1, 2}},
                              {"ceil_mode", true}},
                   .note = "dilation; the last windows hang over the edge",
                   .smooth = false}}});
}

}  // namespace braid
