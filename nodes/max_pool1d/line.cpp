#include "max_pool1d/line.h"

#include "max_pool2d/window.h"
#include "ops/checks.h"

namespace braid {

Shape as_image(const Shape& signal) { return {signal[0], signal[1], 1, signal[2]}; }

Shape as_signal(const Shape& image) { return {image[0], image[1], image[3]}; }

Shape checked_signal(const Builder& b, const Call& call) {
  require_f32(b, call, 0);
  const Shape x = b.type(call.in[0]).shape;
  if (x.size() != 3)
    b.fail("E0201", call.def->name + " takes signals [N, channels, length], and its input is " +
                        to_string(x));
  return x;
}

int64_t get_single(const Dict& params, const char* name) { return get_ints(params, name).at(0); }

ParamDef single(std::string name, std::string doc, Attr fallback, double min, bool optional) {
  return {.name = std::move(name),
          .kind = ParamKind::integers,
          .doc = std::move(doc),
          .fallback = std::move(fallback),
          .optional = optional,
          .min = min,
          .length = 1};
}

Dict checked_line_attrs(Builder& b, const Call& call) {
  const Shape x = checked_signal(b, call);
  const Dict& params = call.params;
  const int64_t kernel = get_single(params, "kernel_size");
  const bool own = !find(params, "stride")->is_null();
  auto row = [](int64_t high, int64_t wide) { return Attr::List{high, wide}; };
  Dict attrs = {{"kernel_size", row(1, kernel)},
                {"stride", row(1, own ? get_single(params, "stride") : kernel)},
                {"padding", row(0, get_single(params, "padding"))},
                {"ceil_mode", get_bool(params, "ceil_mode")}};
  if (find(params, "dilation")) set(attrs, "dilation", row(1, get_single(params, "dilation")));
  if (auto* counts = find(params, "count_include_pad")) set(attrs, "count_include_pad", *counts);
  const PoolWindow window = pool_window(attrs);
  if (window.padding[1] > kernel / 2)
    b.fail("E0205",
           "padding is " + std::to_string(window.padding[1]) + ", more than half the kernel's " +
               std::to_string(kernel),
           "a window in the padding alone would see nothing");
  if (window.output(1, x[2].value) < 1)
    b.fail("E0207",
           "the window reaches over " + std::to_string(window.reach(1)) +
               " cells, and the padded input's length is " +
               std::to_string(x[2].value + 2 * window.padding[1]),
           "use a smaller kernel_size, or pool less before");
  return attrs;
}

Dict line_grad_attrs(Builder& b, const Call& call) {
  Dict attrs = checked_line_attrs(b, call);
  set(attrs, "input_size", Attr::List{1, b.type(call.in[0]).shape[2].value});
  return attrs;
}

std::vector<ParamDef> line_params() {
  return {single("kernel_size", "cells of the window", {}, 1),
          single("stride", "cells between two windows; kernel_size if left out", {}, 1, true),
          single("padding", "cells around the signal, at most half the kernel", 0, 0),
          {.name = "ceil_mode",
           .kind = ParamKind::boolean,
           .doc = "a last window may hang over the edge",
           .fallback = false}};
}

}  // namespace braid
