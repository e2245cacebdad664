#include <algorithm>
#include <cmath>

#include "libonnx/import/importing.h"
#include "libonnx/import/numbers.h"
#include "libonnx/import/resampling.h"

namespace braid::onnx_import {
namespace {

std::string mode_of(const std::string& mode, size_t spatial) {
  if (mode == "nearest") return mode;
  return spatial == 1 ? "linear" : spatial == 2 ? "bilinear" : "trilinear";
}

bool whole(const Floats& scales) {
  return std::ranges::all_of(scales, [](double s) { return s >= 1 && s == std::floor(s); });
}

std::string positions(Importing& i) {
  return i.text("coordinate_transformation_mode", i.opset() < 11 ? "asymmetric" : "half_pixel");
}

std::string rounding(Importing& i) {
  return i.opset() < 11 ? "floor" : i.text("nearest_mode", "round_prefer_floor");
}

/// Where ONNX looks at its input must be where PyTorch does. Returns align_corners, or nothing.
std::optional<bool> aligned(Importing& i, const std::string& mode, const Floats& scales) {
  const std::string at = positions(i);
  if (mode == "nearest") {
    const std::string round = rounding(i);
    if (at == "asymmetric" && (round == "floor" || (whole(scales) && scales.empty()))) return false;
    if (at == "half_pixel" && round == "round_prefer_floor" && !scales.empty() && whole(scales))
      return false;
    return {};
  }
  if (mode != "linear" || scales.empty() || scales.size() > 3) return {};
  if (at == "align_corners") return true;
  if (at != "half_pixel" && at != "pytorch_half_pixel") return {};
  return false;
}

Floats scales_of(Importing& i, const Shape& shape) {
  const size_t at = i.opset() < 11 ? 1 : 2;
  Floats scales;
  if (i.has_attribute("scales")) {
    auto& given = i.attribute("scales")->floats();
    scales.assign(given.begin(), given.end());
  } else if (i.has(at)) {
    auto& known = i.known(at, "its scales");
    scales.assign(known.floats.begin(), known.floats.end());
  }
  if (scales.empty()) return {};
  if (scales.size() != shape.size() || shape.size() < 3 || scales[0] != 1 || scales[1] != 1)
    cannot("it scales the batch or the channels");
  for (double scale : scales)
    if (!(scale > 0 && scale < 1e6)) cannot("it scales by " + shortest(scale));
  scales.erase(scales.begin(), scales.begin() + 2);
  return scales;
}

/// Where PyTorch and ONNX differ: the last cell of a size that is rounded, and a single cell.
bool same_ends(Importing& i, const Shape& shape, const Floats& ratios) {
  const std::string at = positions(i);
  for (size_t d = 0; d < ratios.size(); ++d) {
    const double cells = double(shape[d + 2].value) * ratios[d];
    if (at == "align_corners" && cells != std::floor(cells)) return false;
    if (at == "pytorch_half_pixel" && cells < 2 && shape[d + 2].value > 1) return false;
  }
  return true;
}

void resize(Importing& i) {
  const Shape shape = i.shape();
  Floats scales = scales_of(i, shape);
  const std::string mode = i.text("mode", "nearest");
  Dict params;
  Ints sizes;
  if (scales.empty() && i.has(3)) {
    auto& all = i.known(3, "its sizes").integers;
    if (all.size() != shape.size() || shape.size() < 3) cannot("its sizes do not fit its input");
    for (size_t d = 2; d < all.size(); ++d) sizes.push_back(all[d].value);
    const bool same = all[0] == shape[0] || all[0].value == i.network().batch * shape[0].value;
    if (!same || !(all[1] == shape[1])) cannot("it resizes the batch or the channels");
  }
  Floats ratios = scales;
  for (size_t d = 0; d < sizes.size(); ++d)
    ratios.push_back(double(sizes[d]) / double(shape[d + 2].value));
  if (ratios.empty()) cannot("it has neither scales nor sizes");
  const auto corners = aligned(i, mode, ratios);
  if (!corners || !same_ends(i, shape, ratios)) {
    if (i.has(1) && positions(i) == "tf_crop_and_resize") cannot("it cuts a region");
    return emit_resampling(i, {mode, positions(i), rounding(i)}, ratios, sizes);
  }
  const std::string how = mode_of(mode, shape.size() - 2);
  if (sizes.empty()) {
    Attr::List factors;
    for (double scale : scales) factors.push_back(decimal(scale));
    const bool equal = std::ranges::all_of(scales, [&](double s) { return s == scales[0]; });
    set(params, "scale_factor", equal ? factors[0] : Attr(factors));
  } else {
    set(params, "size", list(sizes));
  }
  if (how != "nearest") set(params, "mode", how);
  if (*corners) set(params, "align_corners", true);
  i.emit("Upsample", params);
}

void grid_sample(Importing& i) {
  const std::string mode = i.text("mode", "bilinear"), padding = i.text("padding_mode", "zeros");
  Dict params{{"mode", mode}, {"padding_mode", padding}};
  if (i.integer("align_corners", 0)) set(params, "align_corners", true);
  i.emit("GridSample", params, {i.operand(0), i.operand(1)});
}

}  // namespace

void add_resizing(Importers& table) {
  table["GridSample"] = grid_sample;
  table["Resize"] = resize;
  table["Upsample"] = resize;
}

}  // namespace braid::onnx_import
