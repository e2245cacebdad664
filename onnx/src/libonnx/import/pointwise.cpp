#include <algorithm>
#include <cmath>

#include <braid/core/attr.h>

#include "libonnx/import/importing.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

Importer plain(const char* type) {
  return [type](Importing& i) { i.emit(type); };
}

Importer expression(const char* text) {
  return [text](Importing& i) { i.emit("Math", {{"expr", text}}); };
}

std::string n(double number) { return in_expression(decimal(number)); }

void identity(Importing& i) {
  if (i.value(0).truth) return i.alias(i.value(0));
  if (i.value(0).link || !i.value(0).known) return i.alias(i.operand());
  i.knows(*i.value(0).known);
}

/// Which mode it is in, whoever runs the network says.
void dropout(Importing& i) {
  const auto ratio = i.opset() < 12 ? i.number("ratio", 0.5) : i.has(1) ? i.scalar(1) : 0.5;
  if (!ratio) cannot("its ratio is not known before the network runs");
  if (*ratio <= 0 || *ratio > 1) return i.alias(i.operand());
  i.emit("Dropout", {{"p", decimal(*ratio)}});
}

void elu(Importing& i) { i.emit("ELU", {{"alpha", decimal(i.number("alpha", 1))}}); }
void leaky(Importing& i) {
  i.emit("LeakyReLU", {{"negative_slope", decimal(i.number("alpha", 0.01))}});
}

void hard_sigmoid(Importing& i) {
  const double alpha = i.number("alpha", 0.2), beta = i.number("beta", 0.5);
  if (std::abs(alpha - 1.0 / 6) < 1e-6 && beta == 0.5) return i.emit("Hardsigmoid");
  i.emit("Math", {{"expr", "min(max(" + n(alpha) + " * x + " + n(beta) + ", 0), 1)"}});
}

void clip(Importing& i) {
  std::optional<double> least, most;
  if (i.opset() < 11) {
    if (i.has_attribute("min")) least = i.number("min", 0);
    if (i.has_attribute("max")) most = i.number("max", 0);
  } else {
    for (size_t k : {size_t(1), size_t(2)}) {
      if (!i.has(k)) continue;
      (k == 1 ? least : most) = i.scalar(k);
      if (!i.scalar(k)) cannot("its bounds are not known before the network runs");
    }
  }
  if (least && *least <= -3.4e38) least.reset();
  if (most && *most >= 3.4e38) most.reset();
  if (!least && !most) return i.alias(i.operand());
  if (least && *least == 0 && !most) return i.emit("ReLU");
  if (least && *least == 0 && *most == 6) return i.emit("ReLU6");
  Dict params;
  if (least) set(params, "min", decimal(*least));
  if (most) set(params, "max", decimal(*most));
  i.emit("Clamp", params);
}

/// Before opset 13 the dimensions from `axis` on were one.
Importer softmax(const char* type) {
  return [type](Importing& i) {
    const Shape shape = i.shape();
    const bool old = i.opset() < 13;
    const int64_t axis = i.axis(i.integer("axis", old ? 1 : -1), shape.size());
    const bool last = std::all_of(shape.begin() + axis + 1, shape.end(),
                                  [](Dim d) { return !d.batched && d.value == 1; });
    const bool end = axis + 1 == int64_t(shape.size());
    if (!old || last) return i.emit(type, {{"dim", end ? -1 : axis}});
    if (axis == 0 && shape[0].batched) cannot("it goes over the batch");
    const Value flat = i.layer("Flatten", {{"start_dim", axis}}, {i.operand()});
    const Value y = i.layer(type, {{"dim", -1}}, {flat});
    Attr::List sizes;
    for (auto& dim : shape) sizes.push_back(size_text(dim));
    i.emit("Reshape", {{"shape", sizes}}, {y});
  };
}

void selu(Importing& i) {
  const double alpha = i.number("alpha", 1.67326319217681884765625);
  const double gamma = i.number("gamma", 1.05070102214813232421875);
  i.emit("Math",
         {{"expr", n(gamma) + " * (x if x > 0 else " + n(alpha) + " * (exp(min(x, 0)) - 1))"}});
}

void celu(Importing& i) {
  const std::string a = n(i.number("alpha", 1));
  i.emit("Math", {{"expr", "max(x, 0) + min(0, " + a + " * (exp(x / " + a + ") - 1))"}});
}

// Before opset 7 a list of slopes was that of the channels.
Value slopes(Importing& i) {
  const Known* known = i.known(1);
  if (!known || i.opset() >= 7 || known->dims.size() != 1 || i.rank() < 2) return i.operand(1);
  Known column = *known;
  column.dims.resize(i.rank() - 1, 1);
  return i.constant(column, i.node().input(1));
}

void prelu(Importing& i) {
  if (auto slope = i.scalar(1)) return i.emit("LeakyReLU", {{"negative_slope", decimal(*slope)}});
  i.emit("Math", {{"expr", "x if x > 0 else slope * x"}, {"inputs", Attr::List{"x", "slope"}}},
         {i.operand(0), slopes(i)});
}

void shrink(Importing& i) {
  const double bend = i.number("lambd", 0.5);
  const std::string less = n(-bend), more = n(bend), bias = n(i.number("bias", 0));
  i.emit("Math", {{"expr", "x + " + bias + " if x < " + less + " else (x - " + bias + " if x > " +
                               more + " else 0)"}});
}

void thresholded(Importing& i) {
  i.emit("Math", {{"expr", "x if x > " + n(i.number("alpha", 1)) + " else 0"}});
}

void cast(Importing& i) {
  const int64_t to = i.integer("to", 0);
  if (i.value(0).truth && (to == onnx::TensorProto::FLOAT || to == onnx::TensorProto::BOOL)) {
    Value numbers = i.condition();
    numbers.truth = to == onnx::TensorProto::BOOL;
    return i.alias(numbers);
  }
  if (to == onnx::TensorProto::BOOL && i.type().dtype == DType::f32)
    return i.emit_truth("1 if x != 0 else 0", {"x"}, {i.operand()});
  if (i.type().dtype != DType::f32 || to != onnx::TensorProto::FLOAT)
    cannot("it converts types while the network runs");
  i.alias(i.operand());
}

}  // namespace

std::string in_expression(double number) {
  if (!std::isfinite(number)) cannot("it computes with a number that is not finite");
  const std::string text = shortest(number);
  return number < 0 ? "(" + text + ")" : text;
}

void add_pointwise(Importers& table) {
  table["Abs"] = plain("Abs");
  table["Cast"] = cast;
  table["Celu"] = celu;
  table["Clip"] = clip;
  table["Cosh"] = expression("(exp(x) + exp(-x)) / 2");
  table["Cos"] = expression("cos(x)");
  table["Dropout"] = dropout;
  table["Elu"] = elu;
  table["Erf"] = expression("erf(x)");
  table["Exp"] = plain("Exp");
  table["HardSigmoid"] = hard_sigmoid;
  table["HardSwish"] = plain("Hardswish");
  table["Identity"] = identity;
  table["LeakyRelu"] = leaky;
  table["Log"] = plain("Log");
  table["LogSoftmax"] = softmax("LogSoftmax");
  table["Neg"] = plain("Neg");
  table["PRelu"] = prelu;
  table["Reciprocal"] = expression("1 / x");
  table["Relu"] = plain("ReLU");
  table["Selu"] = selu;
  table["Shrink"] = shrink;
  table["Sign"] = expression("1 if x > 0 else (-1 if x < 0 else 0)");
  table["Sinh"] = expression("tanh(x) * (exp(x) + exp(-x)) / 2");
  table["Sigmoid"] = plain("Sigmoid");
  table["Sin"] = expression("sin(x)");
  table["Softmax"] = softmax("Softmax");
  table["Softplus"] = plain("Softplus");
  table["Softsign"] = expression("x / (1 + abs(x))");
  table["Sqrt"] = plain("Sqrt");
  table["Tan"] = expression("sin(x) / cos(x)");
  table["Tanh"] = plain("Tanh");
  table["ThresholdedRelu"] = thresholded;
}

}  // namespace braid::onnx_import
