#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "libonnx/import/importing.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

bool all(const Array& array, float value) {
  return std::ranges::all_of(array.as<float>(), [&](float v) { return v == value; });
}

// ONNX's momentum is what the old statistics keep; PyTorch's is the weight of the new batch.
void batch_norm(Importing& i) {
  if (i.integer("training_mode", 0)) cannot("it is in training mode");
  if (i.integer("spatial", 1) == 0) cannot("it normalizes each place by itself (spatial 0)");
  if (i.opset() < 7 && i.integer("is_test", 0) == 0) cannot("it is in training mode");
  const size_t rank = i.rank();
  if (rank < 2 || rank > 5) cannot("an input of " + std::to_string(rank) + " dimensions");
  Weights weights{{"weight", as_array(i.known(1, "its scale"))},
                  {"bias", as_array(i.known(2, "its bias"))},
                  {"running_mean", as_array(i.known(3, "its mean"))},
                  {"running_var", as_array(i.known(4, "its variance"))}};
  Dict params{{"eps", decimal(i.number("epsilon", 1e-5))},
              {"momentum", decimal(1 - decimal(i.number("momentum", 0.9)))}};
  const std::string type = rank == 4 ? "BatchNorm2d" : rank == 5 ? "BatchNorm3d" : "BatchNorm1d";
  i.emit(type, params, {i.operand()}, std::move(weights));
}

void instance_norm(Importing& i) {
  Weights weights{{"weight", as_array(i.known(1, "its scale"))},
                  {"bias", as_array(i.known(2, "its bias"))}};
  const bool affine = !all(weights[0].second, 1) || !all(weights[1].second, 0);
  const Shape shape = i.shape();
  if (shape.size() < 3) cannot("its input has no spatial dimensions");
  Dict params{{"eps", decimal(i.number("epsilon", 1e-5))}, {"affine", affine}};
  if (!affine) weights.clear();
  if (shape.size() == 4) return i.emit("InstanceNorm2d", params, {i.operand()}, std::move(weights));
  set(params, "num_groups", shape[1].value);
  i.emit("GroupNorm", params, {i.operand()}, std::move(weights));
}

void layer_norm(Importing& i) {
  const Shape shape = i.shape();
  const auto axis = size_t(i.axis(i.integer("axis", -1), shape.size()));
  Ints row;
  for (size_t d = axis; d < shape.size(); ++d) row.push_back(shape[d].value);
  if (axis == 0 && shape[0].batched) cannot("it normalizes over the batch");
  Weights weights{{"weight", as_array(i.known(1, "its scale"))}};
  if (i.has(2)) weights.emplace_back("bias", as_array(i.known(2, "its bias")));
  Dict params{{"eps", decimal(i.number("epsilon", 1e-5))}};
  if (row.size() > 1) set(params, "normalized_shape", list(row));
  if (weights.size() < 2) set(params, "bias", false);
  i.emit("LayerNorm", params, {i.operand()}, std::move(weights));
}

}  // namespace

double decimal(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", number);
  const double shorter = std::strtod(text, nullptr);
  return float(shorter) == float(number) ? shorter : number;
}

void add_normalization(Importers& table) {
  table["BatchNormalization"] = batch_norm;
  table["InstanceNormalization"] = instance_norm;
  table["LayerNormalization"] = layer_norm;
}

}  // namespace braid::onnx_import
