// AvgPool3d: the mean of each box. A mean over a box is a mean over depth of means over planes, and
// both are pooling of images.
#include <array>

#include "avg_pool2d/ops.h"
#include "ops/checks.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

using Triple = std::array<int64_t, 3>;

struct Box {
  Triple kernel, stride, padding;
  bool ceil, count_padding;

  Dict attrs(const std::array<int64_t, 2>& kernel_size, const std::array<int64_t, 2>& step,
             const std::array<int64_t, 2>& around) const {
    auto list = [](auto& pair) { return Attr::List{pair[0], pair[1]}; };
    return {{"kernel_size", list(kernel_size)},
            {"stride", list(step)},
            {"padding", list(around)},
            {"ceil_mode", ceil},
            {"count_include_pad", count_padding}};
  }
};

Triple triple(const Dict& params, const char* name) {
  auto list = get_ints(params, name);
  return {list[0], list[1], list[2]};
}

Box box_of(const Call& call) {
  const Triple kernel = triple(call.params, "kernel_size");
  const bool own = !find(call.params, "stride")->is_null();
  return {kernel, own ? triple(call.params, "stride") : kernel, triple(call.params, "padding"),
          get_bool(call.params, "ceil_mode"), get_bool(call.params, "count_include_pad", true)};
}

/// One operation of images, between other views of the same cells.
struct Pass {
  Shape image, result;
  Dict attrs;
};

std::vector<Pass> passes_of(const Box& box, const Shape& x) {
  const auto& [kernel, stride, padding, ceil, count] = box;
  const Dict plane =
      box.attrs({kernel[1], kernel[2]}, {stride[1], stride[2]}, {padding[1], padding[2]});
  const Dict depth = box.attrs({kernel[0], 1}, {stride[0], 1}, {padding[0], 0});
  const PoolWindow planes = pool_window(plane), depths = pool_window(depth);
  const int64_t height = planes.output(0, x[3].value), width = planes.output(1, x[4].value);
  const int64_t deep = depths.output(0, x[2].value), rows = x[1].value * x[2].value;
  std::vector<Pass> passes = {{{x[0], rows, x[3], x[4]}, {x[0], rows, height, width}, plane}};
  if (kernel[0] > 1 || stride[0] > 1)
    passes.push_back(
        {{x[0], x[1], x[2], height * width}, {x[0], x[1], deep, height * width}, depth});
  return passes;
}

int view(Builder& b, int value, const Shape& shape) {
  if (b.type(value).shape == shape) return value;
  return b.one("reshape", {value}, {{"shape", to_attr(shape)}});
}

void check_box(Builder& b, const Box& box, const Shape& x) {
  static constexpr const char* names[] = {"depth", "height", "width"};
  for (size_t d = 0; d < 3; ++d) {
    if (box.padding[d] > box.kernel[d] / 2)
      b.fail("E0205",
             "padding is " + std::to_string(box.padding[d]) + ", more than half the kernel's " +
                 std::to_string(box.kernel[d]),
             "a window in the padding alone would see nothing");
    const int64_t cells = x[2 + d].value + 2 * box.padding[d];
    if (cells < box.kernel[d])
      b.fail("E0207",
             "the window reaches over " + std::to_string(box.kernel[d]) +
                 " cells, and the padded input's " + names[d] + " is " + std::to_string(cells),
             "use a smaller kernel_size, or pool less before");
  }
}

std::vector<int> forward(Builder& b, Call& call) {
  require_f32(b, call, 0);
  const Shape x = b.type(call.in[0]).shape;
  if (x.size() != 5)
    b.fail("E0201",
           "AvgPool3d takes volumes [N, channels, depth, height, width], and its input is " +
               to_string(x));
  const Box box = box_of(call);
  check_box(b, box, x);
  int value = call.in[0];
  Shape shape = {x[0], x[1]};
  const auto passes = passes_of(box, x);
  for (const Pass& pass : passes)
    value = b.one("avg_pool2d", {view(b, value, pass.image)}, pass.attrs);
  shape.push_back(passes.size() > 1 ? passes[1].result[2] : x[2]);
  shape.push_back(passes[0].result[2]);
  shape.push_back(passes[0].result[3]);
  return {view(b, value, shape)};
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  const Shape x = b.type(call.in[0]).shape;
  const auto passes = passes_of(box_of(call), x);
  int value = g[0];
  for (size_t k = passes.size(); k-- > 0;) {
    Dict attrs = passes[k].attrs;
    set(attrs, "input_size", Attr::List{passes[k].image[2].value, passes[k].image[3].value});
    value = b.one("avg_pool2d_grad", {view(b, value, passes[k].result)}, attrs);
  }
  return {view(b, value, x)};
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
          {.name = "ceil_mode",
           .kind = ParamKind::boolean,
           .doc = "a last window may hang over the edge",
           .fallback = false},
          {.name = "count_include_pad",
           .kind = ParamKind::boolean,
           .doc = "the zeros of the padding count in the mean",
           .fallback = true}};
}

}  // namespace

void register_avg_pool3d(Registry& registry) {
  auto volumes = [](int64_t channels, int64_t depth, int64_t height, int64_t width) {
    return std::vector<Type>{{DType::f32, {N, channels, depth, height, width}}};
  };
  registry.add(
      LayerDef{.name = "AvgPool3d",
               .doc = "The mean of each window: [N, C, D, H, W] gives [N, C, D', H', W'] with D' = "
                      "floor((D + 2 padding - kernel_size) / stride) + 1.",
               .formula = "y[n, c, i, j, k] = mean of x[n, c] over window (i, j, k)",
               .source = "torch.nn.AvgPool3d",
               .inputs = {{"input"}},
               .params = params(),
               .forward = forward,
               .gradient = gradient,
               .samples = {{.inputs = volumes(3, 2, 6, 4),
                            .params = {{"kernel_size", Attr::List{1, 2, 2}}},
                            .note = "the planes alone"},
                           {.inputs = volumes(2, 5, 4, 6),
                            .params = {{"kernel_size", 3}, {"stride", 2}, {"padding", 1}},
                            .note = "windows overlap"},
                           {.inputs = volumes(2, 4, 5, 5),
                            .params = {{"kernel_size", Attr::List{2, 3, 2}},
                                       {"stride", Attr::List{3, 2, 2}},
                                       {"padding", Attr::List{1, 1, 0}},
                                       {"ceil_mode", true},
                                       {"count_include_pad", false}},
                            .note = "the padding does not count; the last windows hang over it"}}});
}

}  // namespace braid
