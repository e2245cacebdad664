#include <algorithm>

#include "libonnx/import/importing.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

/// A matrix as Linear keeps it, times `factor`.
Array linear_weight(const Known& matrix, bool transposed, double factor) {
  if (matrix.dims.size() != 2 || !matrix.floating) cannot("its weight is no matrix of floats");
  Array weight = as_array(matrix);
  const int64_t rows = matrix.dims[0], columns = matrix.dims[1];
  if (!transposed) {
    weight.dims = {columns, rows};
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        weight.as<float>()[size_t(c * rows + r)] = matrix.floats[size_t(r * columns + c)];
  }
  if (factor != 1)
    for (float& w : weight.as<float>()) w = float(w * factor);
  return weight;
}

/// What a weight is made of: two layers of equal sources share it.
std::string source(const std::string& name, const Known& tensor, bool kept, double factor) {
  const std::string origin = tensor.origin.empty() ? name : tensor.origin;
  return (kept ? origin : turned_origin(origin)) + (factor == 1 ? "" : " * " + shortest(factor));
}

/// A bias of `features`, of what may be one number or have dimensions of 1 in front.
std::optional<Array> linear_bias(const Known& known, int64_t features, double factor) {
  if (!known.floating || (known.size() != 1 && known.size() != size_t(features))) return {};
  if (known.size() > 1 && known.dims.back() != features) return {};
  Array bias = Array::zeros(DType::f32, {features});
  for (size_t k = 0; k < size_t(features); ++k)
    bias.as<float>()[k] = float(known.floats[known.size() == 1 ? 0 : k] * factor);
  return bias;
}

Value transposed(Importing& i, const Value& from) {
  return i.layer("Permute", {{"dims", Attr::List{1, 0}}}, {from});
}

void general_gemm(Importing& i) {
  if (i.integer("transA", 0) && !fixed(i.shape(0))) cannot("it transposes the batch");
  Value a = i.operand(0), b = i.operand(1);
  if (i.integer("transA", 0)) a = transposed(i, a);
  if (i.integer("transB", 0)) b = transposed(i, b);
  const double alpha = decimal(i.number("alpha", 1)), beta = decimal(i.number("beta", 1));
  if (!i.has(2)) {
    if (alpha == 1) return i.emit("MatMul", {}, {a, b});
    return i.emit("Mul", {{"other", alpha}}, {i.layer("MatMul", {}, {a, b})});
  }
  const Value y = i.layer("MatMul", {}, {a, b});
  const std::string text = in_expression(alpha) + " * y + " + in_expression(beta) + " * c";
  i.emit("Math", {{"expr", text}, {"inputs", Attr::List{"y", "c"}}}, {y, i.operand(2)});
}

void gemm(Importing& i) {
  const Known* matrix = i.known(1);
  const Known* added = i.known(2);
  if (!matrix || (i.has(2) && !added)) return general_gemm(i);
  const bool kept = i.integer("transB", 0) != 0;
  const double alpha = decimal(i.number("alpha", 1)), beta = decimal(i.number("beta", 1));
  Weights weights{{"weight", linear_weight(*matrix, kept, alpha),
                   source(i.node().input(1), *matrix, kept, alpha)}};
  const int64_t features = weights[0].array.dims[0];
  if (added) {
    auto bias = linear_bias(*added, features, beta);
    if (!bias) return general_gemm(i);
    weights.push_back({"bias", std::move(*bias), source(i.node().input(2), *added, true, beta)});
  }
  Value from = i.operand();
  if (i.integer("transA", 0)) from = transposed(i, from);
  i.emit("Linear", {{"out_features", features}, {"bias", added != nullptr}}, {from},
         std::move(weights));
}

/// The bias that an Add right behind brings, with the Add.
std::optional<Weight> following_bias(Importing& i, int64_t features) {
  const auto* add = i.next("Add");
  if (!add || add->input_size() != 2) return {};
  for (auto& name : add->input()) {
    auto found = i.network().values.find(name);
    if (name == i.node().output(0) || found == i.network().values.end() || !found->second.known)
      continue;
    auto& known = *found->second.known;
    if (known.dims.size() > i.rank()) return {};
    auto bias = linear_bias(known, features, 1);
    if (!bias) return {};
    i.take_in(*add);
    return Weight{"bias", std::move(*bias), source(name, known, true, 1)};
  }
  return {};
}

void matmul(Importing& i) {
  const Known* matrix = i.known(1);
  if (!matrix || matrix->dims.size() != 2 || i.known(0)) {
    if (i.rank(0) < 2 || i.rank(1) < 2) cannot("an operand is no matrix");
    return i.emit("MatMul", {}, {i.operand(0), i.operand(1)});
  }
  const int64_t features = matrix->dims[1];
  Weights weights{
      {"weight", linear_weight(*matrix, false, 1), source(i.node().input(1), *matrix, false, 1)}};
  if (auto bias = following_bias(i, features)) weights.push_back(std::move(*bias));
  const Dict params{{"out_features", features}, {"bias", weights.size() > 1}};
  i.emit("Linear", params, {i.operand()}, std::move(weights));
}

void einsum(Importing& i) {
  std::vector<Value> from;
  for (size_t k = 0; k < i.inputs(); ++k) from.push_back(i.operand(k));
  std::string equation = i.text("equation", "");
  std::erase(equation, ' ');
  i.emit("Einsum", {{"equation", equation}}, from);
}

}  // namespace

void add_products(Importers& table) {
  table["Einsum"] = einsum;
  table["Gemm"] = gemm;
  table["MatMul"] = matmul;
}

}  // namespace braid::onnx_import
