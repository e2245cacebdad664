#include <algorithm>
#include <cfloat>

#include "libonnx/import/importing.h"
#include "libonnx/import/windows.h"

namespace braid::onnx_import {
namespace {

std::string type_of(const std::string& name, size_t spatial) {
  if (spatial < 1 || spatial > 3)
    cannot("a pool of " + std::to_string(spatial) + " spatial dimensions");
  return name + std::to_string(spatial) + "d";
}

/// Braid pads by at most half a kernel.
bool small(const Window& window, const Ints& kernel) {
  for (size_t d = 0; d < kernel.size(); ++d)
    if (2 * window.before[d] > kernel[d]) return false;
  return true;
}

Dict params_of(Importing& i, const Ints& kernel, const Window& window) {
  Dict params{{"kernel_size", list(kernel)}};
  if (window.strides != kernel) set(params, "stride", list(window.strides));
  set(params, "ceil_mode", i.integer("ceil_mode", 0) != 0);
  return params;
}

void max_pool(Importing& i) {
  const Ints kernel = i.integers("kernel_shape");
  const Window window = window_of(i, kernel);
  Dict params = params_of(i, kernel, window);
  set(params, "dilation", list(window.dilations));
  Value from = i.operand();
  if (window.even() && small(window, kernel))
    set(params, "padding", list(window.before));
  else
    from = padded(i, from, window, -double(FLT_MAX));
  i.emit(type_of("MaxPool", kernel.size()), params, {from});
}

void average_pool(Importing& i) {
  const Ints kernel = i.integers("kernel_shape");
  const Window window = window_of(i, kernel);
  if (!std::ranges::all_of(window.dilations, [](int64_t d) { return d == 1; }))
    cannot("it has dilations");
  Dict params = params_of(i, kernel, window);
  const bool include = i.integer("count_include_pad", 0) != 0;
  Value from = i.operand();
  const bool none = std::ranges::all_of(window.before, [](int64_t p) { return p == 0; });
  if (window.even() && small(window, kernel)) {
    set(params, "padding", list(window.before));
    if (!none) set(params, "count_include_pad", include);
  } else {
    if (!include) cannot("its padding does not count, and is uneven or more than half a window");
    from = padded(i, from, window, 0);
  }
  i.emit(type_of("AvgPool", kernel.size()), params, {from});
}

Ints spatial(Importing& i) {
  Ints dims;
  for (size_t d = 2; d < i.rank(); ++d) dims.push_back(int64_t(d));
  if (dims.empty()) cannot("its input has no spatial dimensions");
  return dims;
}

void global_average(Importing& i) {
  const Ints dims = spatial(i);
  if (dims.size() < 3) return i.emit(type_of("AdaptiveAvgPool", dims.size()), {{"output_size", 1}});
  i.emit("Mean", {{"dim", list(dims)}, {"keepdim", true}});
}

void global_max(Importing& i) { i.emit("Max", {{"dim", list(spatial(i))}, {"keepdim", true}}); }

}  // namespace

void add_pooling(Importers& table) {
  table["MaxPool"] = max_pool;
  table["AveragePool"] = average_pool;
  table["GlobalAveragePool"] = global_average;
  table["GlobalMaxPool"] = global_max;
}

}  // namespace braid::onnx_import
