#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "libonnx/import/importing.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

// ONNX's momentum is what the old statistics keep; PyTorch's is the weight of the new batch.
void batch_norm(Importing& i) {
  emit_batch_norm(i, i.node().input(4), {{"eps", decimal(i.number("epsilon", 1e-5))}});
}

/// Made up where the network that was exported has none.
bool made_up(Importing& i, size_t at, float value) {
  const Known* known = i.known(at);
  return known && known->floating && known->origin.empty() &&
         std::ranges::all_of(known->floats, [&](float f) { return f == value; });
}

}  // namespace

void emit_batch_norm(Importing& i, const std::string& variance, Dict params) {
  if (i.integer("spatial", 1) == 0) cannot("it normalizes each place by itself (spatial 0)");
  if (i.opset() < 7 && i.integer("is_test", 0) == 0) cannot("it is in training mode");
  const size_t rank = i.rank();
  if (rank < 2 || rank > 5) cannot("an input of " + std::to_string(rank) + " dimensions");
  Weights weights{i.weight("weight", 1, "its scale"), i.weight("bias", 2, "its bias"),
                  i.weight("running_mean", 3, "its mean")};
  const auto known = i.network().values.at(variance).known;
  if (!known) cannot("its variance is not known before the network runs");
  weights.push_back({"running_var", as_array(*known), variance});
  set(params, "momentum", decimal(1 - decimal(i.number("momentum", 0.9))));
  if (made_up(i, 1, 1) && made_up(i, 2, 0)) {
    set(params, "affine", false);
    weights.erase(weights.begin(), weights.begin() + 2);
  }
  const std::string type = rank == 4 ? "BatchNorm2d" : rank == 5 ? "BatchNorm3d" : "BatchNorm1d";
  i.emit(type, params, {i.operand()}, std::move(weights));
}

namespace {

void instance_norm(Importing& i) {
  Weights weights{i.weight("weight", 1, "its scale"), i.weight("bias", 2, "its bias")};
  const bool affine = !made_up(i, 1, 1) || !made_up(i, 2, 0);
  const Shape shape = i.shape();
  if (shape.size() < 3) cannot("its input has no spatial dimensions");
  Dict params{{"eps", decimal(i.number("epsilon", 1e-5))}, {"affine", affine}};
  if (!affine) weights.clear();
  if (shape.size() == 4) return i.emit("InstanceNorm2d", params, {i.operand()}, std::move(weights));
  set(params, "num_groups", shape[1].value);
  i.emit("GroupNorm", params, {i.operand()}, std::move(weights));
}

/// LayerNormalization's further outputs, where somebody reads them.
void statistics(Importing& i, size_t axis, size_t rank) {
  Ints dims;
  for (size_t d = axis; d < rank; ++d) dims.push_back(int64_t(d));
  if (i.reads(1))
    i.becomes(1, i.layer("Mean", {{"dim", list(dims)}, {"keepdim", true}}, {i.operand()}));
  if (!i.reads(2)) return;
  const Value variance =
      i.layer("Var", {{"dim", list(dims)}, {"correction", 0}, {"keepdim", true}}, {i.operand()});
  const std::string eps = in_expression(decimal(i.number("epsilon", 1e-5)));
  i.becomes(2, i.layer("Math", {{"expr", "1 / sqrt(x + " + eps + ")"}}, {variance}));
}

void layer_norm(Importing& i) {
  const Shape shape = i.shape();
  const auto axis = size_t(i.axis(i.integer("axis", -1), shape.size()));
  Ints row;
  for (size_t d = axis; d < shape.size(); ++d) row.push_back(shape[d].value);
  if (axis == 0 && shape[0].batched) cannot("it normalizes over the batch");
  Weights weights{i.weight("weight", 1, "its scale")};
  if (i.has(2)) weights.push_back(i.weight("bias", 2, "its bias"));
  Dict params{{"eps", decimal(i.number("epsilon", 1e-5))}};
  if (row.size() > 1) set(params, "normalized_shape", list(row));
  if (weights.size() < 2 && made_up(i, 1, 1)) {
    set(params, "elementwise_affine", false);
    weights.clear();
  } else if (weights.size() < 2) {
    set(params, "bias", false);
  }
  statistics(i, axis, shape.size());
  i.emit("LayerNorm", params, {i.operand()}, std::move(weights));
}

/// (x - mean) / sqrt(variance) over all but the channels.
void mean_variance(Importing& i) {
  const size_t rank = i.rank();
  Ints dims;
  for (int64_t axis : i.integers("axes", {0, 2, 3})) dims.push_back(i.axis(axis, rank));
  const Dict params{{"dim", list(dims)}, {"keepdim", true}};
  const Value mean = i.layer("Mean", params, {i.operand()});
  Dict biased = params;
  set(biased, "correction", 0);
  const Value variance = i.layer("Var", biased, {i.operand()});
  i.emit("Math", {{"expr", "(x - m) / (sqrt(v) + 1e-9)"}, {"inputs", Attr::List{"x", "m", "v"}}},
         {i.operand(), mean, variance});
}

/// Squares are averaged over windows of channels, which stand in rows for that.
void local_response(Importing& i) {
  const Shape shape = i.shape();
  const int64_t size = i.integer("size", 1);
  if (shape.size() < 3 || size < 1 || size > 1024) cannot("its windows do not fit its input");
  int64_t cells = 1;
  for (size_t d = 2; d < shape.size(); ++d) cells *= shape[d].value;
  const Value squares = i.layer("Mul", {}, {i.operand(), i.operand()});
  const Shape rows{shape[0], Dim(1), shape[1], Dim(cells)};
  Value at = i.layer("Reshape", {{"shape", sizes_of(rows)}}, {squares});
  const int64_t before = (size - 1) / 2, after = size - 1 - before;
  if (size > 1) at = i.layer("Pad", {{"pad", list({0, 0, before, after})}}, {at});
  at = i.layer("AvgPool2d", {{"kernel_size", list({size, 1})}, {"stride", 1}}, {at});
  at = i.layer("Reshape", {{"shape", sizes_of(shape)}}, {at});
  auto number = [&](const char* name, double otherwise) {
    return in_expression(decimal(i.number(name, otherwise)));
  };
  i.emit("Math",
         {{"expr", "x / (" + number("bias", 1) + " + " + number("alpha", 1e-4) + " * s) ** " +
                       number("beta", 0.75)},
          {"inputs", Attr::List{"x", "s"}}},
         {i.operand(), at});
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
  table["LRN"] = local_response;
  table["LayerNormalization"] = layer_norm;
  table["MeanVarianceNormalization"] = mean_variance;
}

}  // namespace braid::onnx_import
