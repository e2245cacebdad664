#include "max_pool2d/window.h"

#include <braid/core/error.h>

#include "ops/checks.h"

namespace braid {
namespace {

std::array<int64_t, 2> pair(const Dict& attrs, const char* name, int64_t otherwise) {
  auto list = get_ints(attrs, name, {otherwise, otherwise});
  ensure(list.size() == 2, "a pooling window's parameters are lists of two");
  return {list[0], list[1]};
}

void check_image(Builder& b, const Call& call) {
  require_f32(b, call, 0);
  const Shape& x = b.type(call.in[0]).shape;
  if (x.size() != 4)
    b.fail("E0201", call.def->name +
                        " takes images [N, channels, height, width], and its input is " +
                        to_string(x));
}

void check_window(Builder& b, const PoolWindow& window, const Shape& x) {
  const char* names[] = {"height", "width"};
  for (int d = 0; d < 2; ++d) {
    int64_t cells = x[2 + d].value;
    if (window.padding[d] > window.kernel[d] / 2)
      b.fail("E0205",
             "padding is " + std::to_string(window.padding[d]) + ", more than half the kernel's " +
                 std::to_string(window.kernel[d]),
             "a window in the padding alone would see nothing");
    if (window.output(d, cells) < 1)
      b.fail("E0207",
             "the window reaches over " + std::to_string(window.reach(d)) +
                 " cells, and the padded input's " + names[d] + " is " +
                 std::to_string(cells + 2 * window.padding[d]),
             "use a smaller kernel_size, or pool less before");
  }
}

}  // namespace

PoolWindow pool_window(const Dict& attrs) {
  return {pair(attrs, "kernel_size", 1), pair(attrs, "stride", 1), pair(attrs, "padding", 0),
          pair(attrs, "dilation", 1), get_bool(attrs, "ceil_mode")};
}

Type pooled_type(const Dict& attrs, const Type& image) {
  auto window = pool_window(attrs);
  const Shape& x = image.shape;
  return {image.dtype, {x[0], x[1], window.output(0, x[2].value), window.output(1, x[3].value)}};
}

Type image_type(const Dict& attrs, const Type& pooled) {
  auto size = get_ints(attrs, "input_size");
  ensure(size.size() == 2, "a pooling gradient's input_size is a list of two");
  return {pooled.dtype, {pooled.shape[0], pooled.shape[1], size[0], size[1]}};
}

Dict checked_pool_attrs(Builder& b, const Call& call) {
  check_image(b, call);
  Dict attrs;
  for (auto& entry : call.params) set(attrs, entry.key, entry.value);
  if (find(attrs, "stride")->is_null()) set(attrs, "stride", *find(attrs, "kernel_size"));
  check_window(b, pool_window(attrs), b.type(call.in[0]).shape);
  return attrs;
}

Dict pool_grad_attrs(const Builder& b, const Call& call) {
  Dict attrs = b.graph().nodes[size_t(b.graph().values[size_t(call.out[0])].node)].attrs;
  const Shape& x = b.type(call.in[0]).shape;
  set(attrs, "input_size", Attr::List{x[2].value, x[3].value});
  return attrs;
}

std::vector<ParamDef> pool_params() {
  auto pair = [](std::string name, std::string doc, Attr fallback, double min, bool optional) {
    return ParamDef{.name = std::move(name),
                    .kind = ParamKind::integers,
                    .doc = std::move(doc),
                    .fallback = std::move(fallback),
                    .optional = optional,
                    .min = min,
                    .length = 2};
  };
  return {pair("kernel_size", "height and width of the window", {}, 1, false),
          pair("stride", "cells between two windows; kernel_size if left out", {}, 1, true),
          pair("padding", "cells around the image, at most half the kernel", 0, 0, false),
          {.name = "ceil_mode",
           .kind = ParamKind::boolean,
           .doc = "a last window may hang over the edge",
           .fallback = false}};
}

}  // namespace braid
