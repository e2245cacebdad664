// Comparisons and what reads them. A bool of the file is a Math of 1 and 0.
#include "libonnx/import/importing.h"
#include "libonnx/import/numbers.h"

namespace braid::onnx_import {
namespace {

/// An operand in an expression: a number that is known, or a name.
std::string operand(Importing& i, size_t at, const char* name, Attr::List& names,
                    std::vector<Value>& from) {
  if (auto known = i.scalar(at); known && i.known(at)->floating)
    return in_expression(decimal(*known));
  from.push_back(i.operand(at));
  names.push_back(name);
  return name;
}

Importer comparison(const char* symbol) {
  return [symbol](Importing& i) {
    Attr::List names;
    std::vector<Value> from;
    const std::string a = operand(i, 0, "a", names, from), b = operand(i, 1, "b", names, from);
    i.emit_truth("1 if " + a + " " + symbol + " " + b + " else 0", names, from);
  };
}

Importer both(const char* expression) {
  return [expression](Importing& i) {
    i.emit_truth(expression, {"a", "b"}, {i.condition(0), i.condition(1)});
  };
}

void negation(Importing& i) { i.emit_truth("1 - a", {"a"}, {i.condition(0)}); }

void where(Importing& i) {
  Attr::List names{"c"};
  std::vector<Value> from{i.condition(0)};
  const std::string a = operand(i, 1, "a", names, from), b = operand(i, 2, "b", names, from);
  i.emit("Math", {{"expr", a + " if c != 0 else " + b}, {"inputs", names}}, from);
}

}  // namespace

void add_conditions(Importers& table) {
  table["And"] = both("min(a, b)");
  table["Equal"] = comparison("==");
  table["Greater"] = comparison(">");
  table["GreaterOrEqual"] = comparison(">=");
  table["Less"] = comparison("<");
  table["LessOrEqual"] = comparison("<=");
  table["Not"] = negation;
  table["Or"] = both("max(a, b)");
  table["Where"] = where;
  table["Xor"] = both("abs(a - b)");
}

}  // namespace braid::onnx_import
