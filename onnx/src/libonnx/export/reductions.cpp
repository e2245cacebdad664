// Sums, means, extremes and variances over dimensions.
#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

bool keepdim(const Exporting& e) { return get_bool(e.params(), "keepdim"); }

void reduce(Exporting& e, const char* op) {
  e.emit(op, {e.in()}, {{"axes", list(e.axes("dim"))}, {"keepdims", keepdim(e)}});
}

void sum(Exporting& e) {
  e.emit("ReduceSum", {e.in(), e.integers(e.axes("dim"))}, {{"keepdims", keepdim(e)}});
}

void variance(Exporting& e, bool root) {
  const Ints axes = e.axes("dim");
  const int64_t correction = get_int(e.params(), "correction", 1);
  const auto mean = e.node("ReduceMean", {e.in()}, {{"axes", list(axes)}, {"keepdims", 1}});
  const auto apart = e.node("Sub", {e.in(), mean});
  const auto squares = e.node("Mul", {apart, apart});
  const Attributes over{{"axes", list(axes)}, {"keepdims", keepdim(e)}};
  auto last = [&](const char* op, const Names& in, const Attributes& attributes = {}) {
    if (!root) return e.emit(op, in, attributes);
    e.emit("Sqrt", {e.node(op, in, attributes)});
  };
  if (correction == 0) return last("ReduceMean", {squares}, over);
  int64_t cells = 1;
  for (int64_t d : axes) cells *= known(e.shape()[size_t(d)], "the number of cells");
  const auto total = e.node("ReduceSum", {squares, e.integers(axes)}, {{"keepdims", keepdim(e)}});
  last("Div", {total, e.scalar(double(cells - correction))});
}

}  // namespace

void add_reductions(Exporters& table) {
  table["Max"] = {[](Exporting& e) { reduce(e, "ReduceMax"); }, "ReduceMax"};
  table["Mean"] = {[](Exporting& e) { reduce(e, "ReduceMean"); }, "ReduceMean"};
  table["Min"] = {[](Exporting& e) { reduce(e, "ReduceMin"); }, "ReduceMin"};
  table["Sum"] = {sum, "ReduceSum"};
  table["Std"] = {[](Exporting& e) { variance(e, true); },
                  "ReduceMean, Sub, Mul, ReduceSum, Div, Sqrt"};
  table["Var"] = {[](Exporting& e) { variance(e, false); }, "ReduceMean, Sub, Mul, ReduceSum, Div"};
}

}  // namespace braid::onnx_export
