// Convolutions and their transposes, in one to three dimensions.
#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

// Begin of each dimension, then end, as ONNX lists them.
Ints pads(const Exporting& e, size_t n, const Ints& kernel, const Ints& dilation) {
  const Attr* padding = find(e.params(), "padding");
  Ints all(2 * n, 0);
  if (padding && padding->is<std::string>()) {
    if (padding->as_text() == "same")
      for (size_t d = 0; d < n; ++d) {
        const int64_t total = dilation[d] * (kernel[d] - 1);
        all[d] = total / 2, all[n + d] = total - total / 2;
      }
    return all;
  }
  const Ints both = e.ints("padding", n);
  for (size_t d = 0; d < n; ++d) all[d] = all[n + d] = both[d];
  return all;
}

void convolution(Exporting& e, const char* op) {
  const size_t n = e.rank() - 2;
  const Ints kernel = e.ints("kernel_size", n), dilation = e.ints("dilation", n);
  Attributes attributes{{"kernel_shape", list(kernel)},
                        {"strides", list(e.ints("stride", n))},
                        {"pads", list(pads(e, n, kernel, dilation))},
                        {"dilations", list(dilation)},
                        {"group", get_int(e.params(), "groups", 1)}};
  const Ints beyond = e.ints("output_padding", n);
  if (!beyond.empty()) attributes.push_back({"output_padding", list(beyond)});
  Names in{e.in(), e.weight("weight")};
  if (get_bool(e.params(), "bias", true)) in.push_back(e.weight("bias"));
  e.emit(op, in, attributes);
}

}  // namespace

void add_convolutions(Exporters& table) {
  for (const char* type : {"Conv1d", "Conv2d", "Conv3d"})
    table[type] = {[](Exporting& e) { convolution(e, "Conv"); }, "Conv"};
  for (const char* type : {"ConvTranspose1d", "ConvTranspose2d"})
    table[type] = {[](Exporting& e) { convolution(e, "ConvTranspose"); }, "ConvTranspose"};
}

}  // namespace braid::onnx_export
