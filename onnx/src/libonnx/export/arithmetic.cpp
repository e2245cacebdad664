// Functions of two values or of a value and a number, distances, and Math's expressions.
#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

void binary(Exporting& e, const char* op, const char* number) {
  const Attr* other = find(e.params(), number);
  const bool two = e.inputs() > 1;
  e.emit(op, {e.in(), two ? e.in(1) : e.scalar(other->as_double())});
}

void add(Exporting& e) {
  Names all;
  for (size_t i = 0; i < e.inputs(); ++i) all.push_back(e.in(i));
  if (e.dtype() == DType::boolean || e.dtype() == DType::u8) cannot("it adds no floats");
  if (all.size() == 1) return e.emit("Identity", all);
  std::string sum = all[0];
  for (size_t i = 1; i + 1 < all.size(); ++i) sum = e.node("Add", {sum, all[i]});
  e.emit("Add", {sum, all.back()});
}

// The p-norm along one dimension.
std::string norm(Exporting& e, const std::string& value, double p, int64_t axis, bool keep,
                 bool last) {
  const Attributes along{{"axes", list({axis})}, {"keepdims", keep}};
  auto make = [&](const char* op, const Names& in, const Attributes& attributes) {
    if (!last) return e.node(op, in, attributes);
    e.emit(op, in, attributes);
    return std::string();
  };
  if (p == 1) return make("ReduceL1", {value}, along);
  if (p == 2) return make("ReduceL2", {value}, along);
  const auto powers = e.node("Pow", {e.node("Abs", {value}), e.scalar(p)});
  const auto sum = e.node("ReduceSum", {powers, e.integers({axis})}, {{"keepdims", keep}});
  return make("Pow", {sum, e.scalar(1 / p)}, {});
}

void normalize(Exporting& e) {
  const double p = get_double(e.params(), "p", 2), eps = get_double(e.params(), "eps", 1e-12);
  const auto length = norm(e, e.in(), p, e.axis("dim"), true, false);
  e.emit("Div", {e.in(), e.node("Max", {length, e.scalar(eps)})});
}

void pairwise_distance(Exporting& e) {
  const double p = get_double(e.params(), "p", 2), eps = get_double(e.params(), "eps", 1e-6);
  const auto apart = e.node("Add", {e.node("Sub", {e.in(0), e.in(1)}), e.scalar(eps)});
  norm(e, apart, p, int64_t(e.rank()) - 1, get_bool(e.params(), "keepdim"), true);
}

// ---- Math: its steps stand in the operation that the layer made
// -----------------------------------

const Node* math_node(const Exporting& e) {
  for (auto& node : e.graph().nodes)
    if (node.op->name == "math" && !node.out.empty() && node.out[0] == e.call().out[0])
      return &node;
  return nullptr;
}

struct Steps {
  Exporting& e;
  const Attr::List& program;
  const Names& inputs;
  Names made = {};

  std::string operand(const Attr::List& step, size_t i) {
    return made.at(size_t(step.at(i).as_int()));
  }

  static const char* plain(const std::string& op) {
    static const std::map<std::string, const char*> names = {
        {"add", "Add"},        {"subtract", "Sub"}, {"multiply", "Mul"}, {"divide", "Div"},
        {"power", "Pow"},      {"min", "Min"},      {"max", "Max"},      {"negate", "Neg"},
        {"abs", "Abs"},        {"exp", "Exp"},      {"log", "Log"},      {"sqrt", "Sqrt"},
        {"sin", "Sin"},        {"cos", "Cos"},      {"tanh", "Tanh"},    {"erf", "Erf"},
        {"sigmoid", "Sigmoid"}};
    auto found = names.find(op);
    return found == names.end() ? nullptr : found->second;
  }

  static const char* comparison(const std::string& op) {
    if (op == "less") return "Less";
    if (op == "less_equal") return "LessOrEqual";
    return op == "equal" || op == "not_equal" ? "Equal" : nullptr;
  }

  void step(const Attr::List& step, bool last) {
    const auto& op = step.at(0).as_text();
    if (op == "input") return made.push_back(inputs.at(size_t(step.at(1).as_int())));
    if (op == "constant") return made.push_back(e.scalar(step.at(1).as_double()));
    Names in;
    for (size_t i = 1; i < step.size(); ++i) in.push_back(operand(step, i));
    if (const char* name = plain(op)) return add(name, in, {}, last);
    if (const char* name = comparison(op)) {
      auto truth = e.node(name, in);
      if (op == "not_equal") truth = e.node("Not", {truth});
      return add("Cast", {truth}, {{"to", 1}}, last);
    }
    const auto truth = e.node("Not", {e.node("Equal", {in.at(0), e.scalar(0)})});
    add("Where", {truth, in.at(1), in.at(2)}, {}, last);
  }

  void add(const char* op, const Names& in, const Attributes& attributes, bool last) {
    if (last)
      e.emit(op, in, attributes);
    else
      made.push_back(e.node(op, in, attributes));
  }
};

void math(Exporting& e) {
  const Node* node = math_node(e);
  if (!node) {  // the expression is an input
    for (size_t i = 0; i < e.inputs(); ++i)
      if (e.call().in[i] == e.call().out[0]) return e.emit("Identity", {e.in(i)});
    cannot("its expression is none of its inputs");
  }
  Names inputs;
  for (int v : node->in) {
    size_t i = 0;
    while (e.call().in.at(i) != v) ++i;
    inputs.push_back(e.in(i));
  }
  const auto& program = find(node->attrs, "program")->as_list();
  Steps steps{e, program, inputs};
  for (size_t i = 0; i < program.size(); ++i)
    steps.step(program[i].as_list(), i + 1 == program.size());
}

}  // namespace

void add_arithmetic(Exporters& table) {
  table["Add"] = {add, "Add"};
  table["Div"] = {[](Exporting& e) { binary(e, "Div", "other"); }, "Div"};
  table["Mul"] = {[](Exporting& e) { binary(e, "Mul", "other"); }, "Mul"};
  table["Sub"] = {[](Exporting& e) { binary(e, "Sub", "other"); }, "Sub"};
  table["Pow"] = {[](Exporting& e) { binary(e, "Pow", "exponent"); }, "Pow"};
  table["Normalize"] = {normalize, "ReduceL2, ReduceL1 or Pow and ReduceSum; Max, Div"};
  table["PairwiseDistance"] = {pairwise_distance,
                               "Sub, Add, then ReduceL2, ReduceL1 or Pow and ReduceSum"};
  table["Math"] = {
      math,
      "Abs, Add, Cast, Cos, Div, Equal, Erf, Exp, Less, LessOrEqual, Log, Max, Min, Mul, "
      "Neg, Not, Pow, Sigmoid, Sin, Sqrt, Sub, Tanh, Where"};
}

}  // namespace braid::onnx_export
