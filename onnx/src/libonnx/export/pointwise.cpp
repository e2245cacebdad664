// Functions of one value, element by element.
#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

Exporter plain(const char* op) {
  return {[op](Exporting& e) { e.emit(op, {e.in()}); }, op};
}

void elu(Exporting& e) { e.emit("Elu", {e.in()}, {{"alpha", get_double(e.params(), "alpha", 1)}}); }

void leaky_relu(Exporting& e) {
  e.emit("LeakyRelu", {e.in()}, {{"alpha", get_double(e.params(), "negative_slope", 0.01)}});
}

void clip(Exporting& e, const char* least, const char* most) {
  const Attr* min = find(e.params(), least);
  const Attr* max = find(e.params(), most);
  Names in{e.in()};
  in.push_back(min && min->is_number() ? e.scalar(min->as_double()) : "");
  if (max && max->is_number()) in.push_back(e.scalar(max->as_double()));
  if (in.back().empty()) in.pop_back();
  e.emit("Clip", in);
}

void gelu(Exporting& e) {
  const std::string half = e.scalar(0.5), one = e.scalar(1);
  std::string inner;
  if (get_text(e.params(), "approximate") == "tanh") {
    const auto cube = e.node("Mul", {e.node("Mul", {e.in(), e.in()}), e.in()});
    const auto sum = e.node("Add", {e.in(), e.node("Mul", {cube, e.scalar(0.044715)})});
    inner = e.node("Tanh", {e.node("Mul", {sum, e.scalar(0.7978845608028654)})});
  } else {
    inner = e.node("Erf", {e.node("Mul", {e.in(), e.scalar(0.7071067811865476)})});
  }
  e.emit("Mul", {e.node("Mul", {e.in(), half}), e.node("Add", {inner, one})});
}

void hardsigmoid(Exporting& e) {
  e.emit("HardSigmoid", {e.in()}, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
}

void hardswish(Exporting& e) {
  if (e.opset() >= 14) return e.emit("HardSwish", {e.in()});
  e.emit("Mul", {e.in(), e.node("HardSigmoid", {e.in()}, {{"alpha", 1.0 / 6}, {"beta", 0.5}})});
}

void silu(Exporting& e) { e.emit("Mul", {e.in(), e.node("Sigmoid", {e.in()})}); }

// From 17 on the threshold makes no difference that f32 holds: log(1 + e^-17) < 2^-24.
void softplus(Exporting& e) {
  const double beta = get_double(e.params(), "beta", 1);
  const double threshold = get_double(e.params(), "threshold", 20);
  const bool scaled = beta != 1, bent = threshold < 17;
  if (!scaled && !bent) return e.emit("Softplus", {e.in()});
  const auto in = scaled ? e.node("Mul", {e.in(), e.scalar(beta)}) : e.in();
  const auto soft = e.node("Softplus", {in});
  if (!bent) return e.emit("Div", {soft, e.scalar(beta)});
  const auto line = e.node("Greater", {in, e.scalar(threshold)});
  e.emit("Where", {line, e.in(), scaled ? e.node("Div", {soft, e.scalar(beta)}) : soft});
}

// In eval mode it passes its input on; ONNX has no ratio of 1.
void dropout(Exporting& e) {
  const double p = get_double(e.params(), "p");
  if (p >= 1) return e.emit("Identity", {e.in()});
  e.emit("Dropout", {e.in(), e.scalar(p)});
}

void soft(Exporting& e, const char* op) { e.emit(op, {e.in()}, {{"axis", e.axis("dim")}}); }

}  // namespace

void add_pointwise(Exporters& table) {
  for (auto [type, op] : {std::pair{"Abs", "Abs"},
                          {"Exp", "Exp"},
                          {"Identity", "Identity"},
                          {"Log", "Log"},
                          {"Neg", "Neg"},
                          {"ReLU", "Relu"},
                          {"Sigmoid", "Sigmoid"},
                          {"Sqrt", "Sqrt"},
                          {"Tanh", "Tanh"}})
    table[type] = plain(op);
  table["Clamp"] = {[](Exporting& e) { clip(e, "min", "max"); }, "Clip"};
  table["Dropout"] = {dropout, "Dropout, which does nothing"};
  table["ELU"] = {elu, "Elu"};
  table["GELU"] = {gelu, "Erf or Tanh, Mul, Add"};
  table["Hardsigmoid"] = {hardsigmoid, "HardSigmoid"};
  table["Hardswish"] = {hardswish, "HardSwish; before 14 HardSigmoid, Mul"};
  table["Hardtanh"] = {[](Exporting& e) { clip(e, "min_val", "max_val"); }, "Clip"};
  table["LeakyReLU"] = {leaky_relu, "LeakyRelu"};
  table["LogSoftmax"] = {[](Exporting& e) { soft(e, "LogSoftmax"); }, "LogSoftmax"};
  table["ReLU6"] = {[](Exporting& e) {
                      e.emit("Clip", {e.in(), e.scalar(0), e.scalar(6)});
                    },
                    "Clip"};
  table["SiLU"] = {silu, "Sigmoid, Mul"};
  table["Softmax"] = {[](Exporting& e) { soft(e, "Softmax"); }, "Softmax"};
  table["Softplus"] = {softplus, "Softplus; Greater and Where for low thresholds"};
}

}  // namespace braid::onnx_export
