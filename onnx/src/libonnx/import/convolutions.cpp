#include <algorithm>

#include "libonnx/import/importing.h"
#include "libonnx/import/windows.h"

namespace braid::onnx_import {
namespace {

std::string sized(const std::string& type, size_t spatial, size_t most) {
  if (spatial < 1 || spatial > most)
    cannot(type + " has no form for " + std::to_string(spatial) + " spatial dimensions");
  return type + std::to_string(spatial) + "d";
}

Weights weights_of(Importing& i, size_t first) {
  Weights weights{i.weight("weight", first, "its weight")};
  if (i.has(first + 1)) weights.push_back(i.weight("bias", first + 1, "its bias"));
  return weights;
}

/// An even kernel that makes as much as it is given: the larger half stands at the end.
bool is_same(const Window& w, const Ints& kernel) {
  for (size_t d = 0; d < kernel.size(); ++d) {
    const int64_t all = w.dilations[d] * (kernel[d] - 1);
    if (w.strides[d] != 1 || w.before[d] != all / 2 || w.after[d] != all - all / 2) return false;
  }
  return kernel.size() < 3;
}

void conv(Importing& i) {
  Weights weights = weights_of(i, 1);
  const Ints dims = weights[0].array.dims;
  if (dims.size() < 3) cannot("its weight has " + std::to_string(dims.size()) + " dimensions");
  const size_t spatial = dims.size() - 2;
  const std::string type = sized("Conv", spatial, 3);
  const Ints kernel(dims.begin() + 2, dims.end());
  const Window window = window_of(i, kernel);
  Dict params{{"out_channels", dims[0]}, {"kernel_size", list(kernel)}};
  set(params, "stride", list(window.strides));
  Value from = i.operand();
  if (window.even())
    set(params, "padding", short_list(window.before));
  else if (is_same(window, kernel))
    set(params, "padding", "same");
  else
    from = padded(i, from, window, 0);
  set(params, "dilation", list(window.dilations));
  set(params, "groups", i.integer("group", 1));
  set(params, "bias", weights.size() > 1);
  i.emit(type, params, {from}, std::move(weights));
}

/// What ONNX derives from the size of the result that is asked for.
void fit(Importing& i, Window& window, const Ints& kernel, Ints& more) {
  const Ints wanted = i.integers("output_shape");
  const std::string mode = i.text("auto_pad", "NOTSET");
  if (wanted.empty() && !mode.starts_with("SAME")) return;
  const Shape shape = i.shape();
  if (!fixed(shape, 1)) cannot("its padding follows from the input");
  for (size_t d = 0; d < kernel.size(); ++d) {
    const int64_t in = shape[d + 2].value;
    const int64_t out =
        wanted.empty() ? in * window.strides[d] : wanted[wanted.size() - kernel.size() + d];
    const int64_t cut =
        window.strides[d] * (in - 1) + more[d] + (kernel[d] - 1) * window.dilations[d] + 1 - out;
    if (cut < 0) {
      more[d] -= cut;
      window.before[d] = window.after[d] = 0;
      continue;
    }
    const int64_t less = cut / 2;
    window.before[d] = mode == "SAME_UPPER" ? less : cut - less;
    window.after[d] = cut - window.before[d];
  }
}

void conv_transpose(Importing& i) {
  Weights weights = weights_of(i, 1);
  const Ints dims = weights[0].array.dims;
  if (dims.size() < 3) cannot("its weight has " + std::to_string(dims.size()) + " dimensions");
  const size_t spatial = dims.size() - 2;
  const std::string type = sized("ConvTranspose", spatial, 2);
  const Ints kernel(dims.begin() + 2, dims.end());
  const int64_t groups = i.integer("group", 1);
  Window window = window_of(i, kernel, false);
  Ints more = i.integers("output_padding", Ints(spatial, 0));
  if (more.size() != spatial) cannot("its output_padding has another length");
  fit(i, window, kernel, more);
  Dict params{{"out_channels", dims[1] * groups}, {"kernel_size", list(kernel)}};
  set(params, "stride", list(window.strides));
  if (window.even()) set(params, "padding", short_list(window.before));
  set(params, "output_padding", list(more));
  set(params, "dilation", list(window.dilations));
  set(params, "groups", groups);
  set(params, "bias", weights.size() > 1);
  if (window.even()) return i.emit(type, params, {i.operand()}, std::move(weights));
  const Value whole = i.layer(type, params, {i.operand()}, std::move(weights));
  for (auto* side : {&window.before, &window.after})
    for (auto& cells : *side) cells = -cells;
  i.emit("Pad", {{"pad", pad_list(window)}}, {whole});
}

}  // namespace

void add_convolutions(Importers& table) {
  table["Conv"] = conv;
  table["ConvTranspose"] = conv_transpose;
}

}  // namespace braid::onnx_import
