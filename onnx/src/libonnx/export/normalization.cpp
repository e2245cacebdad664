// Normalization by running statistics, by the batch's own, and within samples.
#include <algorithm>

#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

std::string full(Exporting& e, int64_t size, float value) {
  return e.floats(std::vector<float>(size_t(size), value), {size});
}

struct Affine {
  std::string weight, bias;
};

Affine affine(Exporting& e, int64_t channels) {
  if (get_bool(e.params(), "affine", true)) return {e.weight("weight"), e.weight("bias")};
  return {full(e, channels, 1), full(e, channels, 0)};
}

double eps_of(const Exporting& e) { return get_double(e.params(), "eps", 1e-5); }

void by_running_statistics(Exporting& e, int64_t channels) {
  const Affine a = affine(e, channels);
  const std::string mean = e.weight("running_mean");
  std::string var = e.weight("running_var");
  double eps = eps_of(e);
  if (get_text(e.params(), "eps_mode") == "clamp")
    var = e.node("Max", {var, e.scalar(eps)}), eps = 0;
  e.emit("BatchNormalization", {e.in(), a.weight, a.bias, mean, var}, {{"epsilon", eps}});
}

/// (x - mean) / sqrt(var + eps) over `axes`.
std::string standardized(Exporting& e, const std::string& x, const Ints& axes, double eps,
                         bool clamp = false) {
  const Attributes over{{"axes", list(axes)}, {"keepdims", 1}};
  const auto apart = e.node("Sub", {x, e.node("ReduceMean", {x}, over)});
  const auto var = e.node("ReduceMean", {e.node("Mul", {apart, apart})}, over);
  const auto safe = e.node(clamp ? "Max" : "Add", {var, e.scalar(eps)});
  return e.node("Div", {apart, e.node("Sqrt", {safe})});
}

/// A number for each channel, to stand beside [N, C, ...].
std::string per_channel(Exporting& e, const std::string& values) {
  Ints dims{-1};
  dims.resize(e.rank() - 1, 1);
  return e.node("Reshape", {values, e.integers(dims)});
}

void scale(Exporting& e, const std::string& x) {
  if (!get_bool(e.params(), "affine", true)) return e.emit("Identity", {x});
  const auto weight = per_channel(e, e.weight("weight"));
  const auto bias = per_channel(e, e.weight("bias"));
  e.emit("Add", {e.node("Mul", {x, weight}), bias});
}

void batch_norm(Exporting& e) {
  if (get_bool(e.params(), "track_running_stats", true))
    return by_running_statistics(e, e.shape()[1].value);
  if (e.inputs() > 1) cannot("its mask takes part in statistics of the batch");
  Ints axes{0};
  for (size_t d = 2; d < e.rank(); ++d) axes.push_back(int64_t(d));
  scale(e, standardized(e, e.in(), axes, eps_of(e), get_text(e.params(), "eps_mode") == "clamp"));
}

void instance_norm(Exporting& e) {
  const int64_t channels = e.shape()[1].value;
  if (get_bool(e.params(), "track_running_stats")) return by_running_statistics(e, channels);
  const Affine a = affine(e, channels);
  e.emit("InstanceNormalization", {e.in(), a.weight, a.bias}, {{"epsilon", eps_of(e)}});
}

// A group is an instance of its own: [N, groups, rest].
void group_norm(Exporting& e) {
  const int64_t groups = get_int(e.params(), "num_groups", 1);
  const auto rows = e.node("Reshape", {e.in(), e.integers({0, groups, -1})});
  const auto normal =
      e.node("InstanceNormalization", {rows, full(e, groups, 1), full(e, groups, 0)},
             {{"epsilon", eps_of(e)}});
  const auto shape = all_known(e.shape(), 1) ? std::string() : e.node("Shape", {e.in()});
  if (!shape.empty()) return scale(e, e.node("Reshape", {normal, shape}));
  scale(e, e.reshape(normal, {e.shape()[0]}, e.shape()));
}

void layer_norm(Exporting& e) {
  Ints row = e.ints("normalized_shape", 1);
  const size_t count = std::max<size_t>(1, row.size());
  if (row.empty()) row = {known(e.shape().back(), "the length of a row")};
  const bool affine = get_bool(e.params(), "elementwise_affine", true);
  const bool bias = affine && get_bool(e.params(), "bias", true);
  const auto first = int64_t(e.rank() - count);
  if (e.opset() >= 17) {
    int64_t size = 1;
    for (int64_t r : row) size *= r;
    Names in{e.in(),
             affine ? e.weight("weight") : e.floats(std::vector<float>(size_t(size), 1), row)};
    if (bias) in.push_back(e.weight("bias"));
    return e.emit("LayerNormalization", in,
                  {{"axis", first - int64_t(e.rank())}, {"epsilon", eps_of(e)}});
  }
  Ints axes;
  for (auto d = first; d < int64_t(e.rank()); ++d) axes.push_back(d);
  const auto normal = standardized(e, e.in(), axes, eps_of(e));
  if (!affine) return e.emit("Identity", {normal});
  if (!bias) return e.emit("Mul", {normal, e.weight("weight")});
  e.emit("Add", {e.node("Mul", {normal, e.weight("weight")}), e.weight("bias")});
}

}  // namespace

void add_normalization(Exporters& table) {
  for (const char* type : {"BatchNorm1d", "BatchNorm2d", "BatchNorm3d"})
    table[type] = {batch_norm,
                   "BatchNormalization; without running statistics ReduceMean, Sub, Mul, Add, "
                   "Sqrt, Div"};
  table["GroupNorm"] = {group_norm, "Reshape, InstanceNormalization, Mul, Add"};
  table["InstanceNorm2d"] = {instance_norm,
                             "InstanceNormalization; BatchNormalization with running statistics"};
  table["LayerNorm"] = {layer_norm,
                        "LayerNormalization; before 17 ReduceMean, Sub, Mul, Add, Sqrt, Div"};
}

}  // namespace braid::onnx_export
