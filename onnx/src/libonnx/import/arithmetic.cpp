#include <algorithm>

#include "libonnx/import/importing.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

/// Before opset 7 the second operand could stand at an axis of the first.
void check_broadcast(Importing& i) {
  if (i.opset() < 7 && i.has_attribute("axis"))
    cannot("it broadcasts from an axis, as before opset 7");
}

/// One number, which does not add dimensions to the other operand.
std::optional<double> number(Importing& i, size_t at) {
  if (!i.scalar(at) || !i.known(at)->floating) return {};
  if (i.known(at)->dims.size() > i.rank(1 - at)) return {};
  return decimal(*i.scalar(at));
}

void math(Importing& i, const std::string& symbol) {
  if (i.type(0).dtype != i.type(1).dtype) cannot("its operands have different types");
  i.emit("Math", {{"expr", "a " + symbol + " b"}, {"inputs", Attr::List{"a", "b"}}},
         {i.operand(0), i.operand(1)});
}

/// Powers may be of floats by integers, which Braid has where they are known.
Value exponent(Importing& i) {
  const Known* known = i.known(1);
  if (!known || known->floating) return i.operand(1);
  const Array whole = as_array(*known);
  Known floats{.dims = known->dims, .floating = true};
  for (int64_t v : whole.as<int64_t>()) floats.floats.push_back(float(v));
  return i.constant(floats, i.node().input(1));
}

void power(Importing& i) {
  check_broadcast(i);
  const bool one = i.scalar(1) && i.known(1)->dims.size() <= i.rank();
  if (one) return i.emit("Pow", {{"exponent", decimal(*i.scalar(1))}});
  const auto base = number(i, 0);
  if (base) return i.emit("Math", {{"expr", in_expression(*base) + " ** x"}}, {i.operand(1)});
  const Value a = i.operand(0), b = exponent(i);
  if (i.network().type(a) == i.network().type(b)) return i.emit("Pow", {}, {a, b});
  i.emit("Math", {{"expr", "a ** b"}, {"inputs", Attr::List{"a", "b"}}}, {a, b});
}

/// [1, ...] beside [N, ...], which Add repeats for all samples.
bool beside(const Type& one, const Type& all) {
  return one.dtype == all.dtype && all.batched() && one.rank() == all.rank() &&
         one.shape[0] == Dim(1) &&
         std::equal(one.shape.begin() + 1, one.shape.end(), all.shape.begin() + 1);
}

Importer binary(const char* type, const char* symbol, const char* param) {
  return [=](Importing& i) {
    check_broadcast(i);
    const std::string op = std::string(" ") + symbol + " ";
    if (auto b = number(i, 1)) {
      if (*param) return i.emit(type, {{param, *b}}, {i.operand(0)});
      return i.emit("Math", {{"expr", "x" + op + in_expression(*b)}}, {i.operand(0)});
    }
    if (auto a = number(i, 0)) {
      if (std::string(type) == "Mul") return i.emit(type, {{param, *a}}, {i.operand(1)});
      return i.emit("Math", {{"expr", in_expression(*a) + op + "x"}}, {i.operand(1)});
    }
    const Type a = i.type(0), b = i.type(1);
    const bool sum = std::string(type) == "Add" && (beside(a, b) || beside(b, a));
    if (a == b || sum) return i.emit(type, {}, {i.operand(0), i.operand(1)});
    math(i, symbol);
  };
}

/// Of any number of operands: a call of two, or a sign between them.
void several(Importing& i, const std::string& type,
             const std::function<std::string(Attr::List)>& text) {
  if (i.inputs() == 1) return i.alias(i.operand());
  std::vector<Value> from;
  Attr::List names;
  bool equal = true;
  for (size_t k = 0; k < i.inputs(); ++k) {
    from.push_back(i.operand(k));
    names.push_back(Attr("x" + std::to_string(k)));
    equal = equal && i.type(k) == i.type(0);
  }
  if (equal && !type.empty()) return i.emit(type, {}, from);
  i.emit("Math", {{"expr", text(names)}, {"inputs", names}}, from);
}

std::string joined(const Attr::List& names) {
  std::string all;
  for (auto& name : names) all += (all.empty() ? "" : " + ") + name.as_text();
  return all;
}

void sum(Importing& i) { several(i, "Add", joined); }

void mean(Importing& i) {
  several(i, "", [](const Attr::List& names) {
    return "(" + joined(names) + ") / " + std::to_string(names.size());
  });
}

Importer nested(const char* function) {
  return [function](Importing& i) {
    several(i, "", [&](const Attr::List& names) {
      std::string text = names[0].as_text();
      for (size_t k = 1; k < names.size(); ++k)
        text = std::string(function) + "(" + text + ", " + names[k].as_text() + ")";
      return text;
    });
  };
}

}  // namespace

void add_arithmetic(Importers& table) {
  table["Add"] = binary("Add", "+", "");
  table["Sub"] = binary("Sub", "-", "other");
  table["Mul"] = binary("Mul", "*", "other");
  table["Div"] = binary("Div", "/", "other");
  table["Pow"] = power;
  table["Sum"] = sum;
  table["Mean"] = mean;
  table["Max"] = nested("max");
  table["Min"] = nested("min");
}

}  // namespace braid::onnx_import
