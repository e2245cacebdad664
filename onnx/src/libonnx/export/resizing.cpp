// Images resized, and looked at from the positions of a grid.
#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

/// [N, C] of the value, and the spatial sizes behind them.
std::string sizes(Exporting& e) {
  const Shape& to = e.result();
  const auto front = e.node("Slice", {e.node("Shape", {e.in()}), e.integers({0}), e.integers({2})});
  if (all_known(to, 2)) {
    Ints spatial;
    for (size_t d = 2; d < to.size(); ++d) spatial.push_back(to[d].value);
    return e.node("Concat", {front, e.integers(spatial)}, {{"axis", 0}});
  }
  if (e.inputs() < 2) cannot("its size follows from a free one");
  const auto like = e.node(
      "Slice", {e.node("Shape", {e.in(1)}), e.integers({2}), e.integers({int64_t(to.size())})});
  return e.node("Concat", {front, like}, {{"axis", 0}});
}

void resize(Exporting& e) {
  const bool nearest = get_text(e.params(), "mode", "nearest") == "nearest";
  const bool corners = !nearest && get_bool(e.params(), "align_corners");
  Attributes attributes{{"mode", nearest ? "nearest" : "linear"},
                        {"coordinate_transformation_mode", nearest   ? "asymmetric"
                                                           : corners ? "align_corners"
                                                                     : "half_pixel"}};
  if (nearest) attributes.push_back({"nearest_mode", "floor"});
  const Attr* factor = find(e.params(), "scale_factor");
  if (!factor || factor->is_null()) return e.emit("Resize", {e.in(), "", "", sizes(e)}, attributes);
  std::vector<float> scales(e.rank(), 1);
  for (size_t d = 2; d < e.rank(); ++d)
    scales[d] =
        float(factor->is_number() ? factor->as_double() : factor->as_list().at(d - 2).as_double());
  e.emit("Resize", {e.in(), "", e.floats(scales, {int64_t(e.rank())})}, attributes);
}

void grid_sample(Exporting& e) {
  if (e.opset() < 16) cannot("ONNX has GridSample from opset 16 on");
  if (e.rank() != 4) cannot("ONNX's GridSample is for images, not for volumes");
  e.emit("GridSample", {e.in(0), e.in(1)},
         {{"mode", get_text(e.params(), "mode", "bilinear")},
          {"padding_mode", get_text(e.params(), "padding_mode", "zeros")},
          {"align_corners", get_bool(e.params(), "align_corners")}});
}

}  // namespace

void add_resizing(Exporters& table) {
  table["Upsample"] = table["Interpolate"] = {resize, "Resize; Shape, Slice and Concat for sizes"};
  table["GridSample"] = {grid_sample, "GridSample, from opset 16 on"};
}

}  // namespace braid::onnx_export
