#include "libonnx/import/windows.h"

#include <algorithm>

namespace braid::onnx_import {

Window window_of(Importing& i, const Ints& kernel, bool automatic) {
  const size_t n = kernel.size();
  Window w{.strides = i.integers("strides", Ints(n, 1)),
           .dilations = i.integers("dilations", Ints(n, 1))};
  Ints pads = i.integers("pads", Ints(2 * n, 0));
  if (w.strides.size() != n || w.dilations.size() != n || pads.size() != 2 * n)
    cannot("its strides, dilations or pads are not as many as its kernel's dimensions");
  const auto sane = [](int64_t v) { return v >= 0 && v < (int64_t{1} << 31); };
  for (auto* all : {&w.strides, &w.dilations, &pads})
    if (!std::ranges::all_of(*all, sane)) cannot("its strides, dilations or pads cannot be");
  w.before = Ints(pads.begin(), pads.begin() + ptrdiff_t(n));
  w.after = Ints(pads.begin() + ptrdiff_t(n), pads.end());
  const std::string mode = i.text("auto_pad", "NOTSET");
  if (!automatic || mode == "NOTSET" || mode.empty()) return w;
  w.before = w.after = Ints(n, 0);
  if (mode == "VALID") return w;
  const Shape shape = i.shape();
  for (size_t d = 0; d < n; ++d) {
    const int64_t size = shape.at(d + 2).value, stride = std::max<int64_t>(w.strides[d], 1);
    const int64_t reach = (kernel[d] - 1) * w.dilations[d] + 1;
    const int64_t all =
        std::max<int64_t>(0, ((size + stride - 1) / stride - 1) * stride + reach - size);
    w.before[d] = mode == "SAME_LOWER" ? all - all / 2 : all / 2;
    w.after[d] = all - w.before[d];
  }
  return w;
}

Attr pad_list(const Window& window) {
  Ints all;
  for (size_t d = window.before.size(); d-- > 0;) {
    all.push_back(window.before[d]);
    all.push_back(window.after[d]);
  }
  return list(all);
}

Value padded(Importing& i, const Value& from, const Window& window, double value) {
  Dict params{{"pad", pad_list(window)}};
  if (value != 0) set(params, "value", value);
  return i.layer("Pad", params, {from});
}

}  // namespace braid::onnx_import
