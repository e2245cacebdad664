#include "math/math.h"

#include <algorithm>

#include "ops/checks.h"
#include "ops/shape_attr.h"

namespace braid {
namespace math {

std::optional<Shape> broadcast(std::span<const Type> types) {
  size_t rank = 0;
  for (const Type& t : types) rank = std::max(rank, t.rank());
  Shape shape(rank, Dim(1));
  for (const Type& t : types) {
    if (t.batched() && t.rank() < rank) return {};
    for (size_t d = 0; d < t.rank(); ++d) {
      Dim& all = shape[rank - t.rank() + d];
      const Dim own = t.shape[d];
      if (all == Dim(1))
        all = own;
      else if (own != all && own != Dim(1))
        return {};
    }
  }
  return shape;
}

void require_fit(const Builder& b, const Call& c) {
  std::vector<Type> types;
  std::string shapes;
  for (size_t i = 0; i < c.in.size(); ++i) {
    require_f32(b, c, i);
    types.push_back(b.type(c.in[i]));
    shapes += (shapes.empty() ? "" : " and ") + to_string(types.back().shape);
  }
  if (!broadcast(types))
    b.fail("E0203", c.def->name + "'s inputs do not fit each other: " + shapes,
           "sizes under each other, counted from the last, are equal or 1, and N is dimension 0");
}

int evaluate(Builder& b, Program program, const std::vector<int>& values) {
  std::vector<int> in;
  for (size_t k : compact(program)) in.push_back(values[k]);
  return program.size() == 1 ? in[0] : b.one("math", in, {{"program", to_attr(program)}});
}

int sum_to(Builder& b, int whole, int value) {
  const Type type = b.type(value);
  if (b.type(whole) == type) return whole;
  return b.one("sum_to", {whole}, {{"shape", to_attr(type.shape)}});
}

namespace {

/// Where byte `at` of the expression stands, as far as the typed text is the expression.
Mark place_of(const Attr& expr, const Mistake& fault) {
  Mark mark = expr.mark;
  const auto typed = size_t(std::max(0, mark.length)), size = expr.as_text().size();
  if (typed != size && typed != size + 2) return mark;
  mark.column += int(fault.at + (typed - size) / 2);
  mark.length = int(std::max<size_t>(1, fault.length));
  return mark;
}

[[noreturn]] void refuse(const Builder&, const Call& c, const Mistake& fault) {
  const Attr& expr = *find(c.params, "expr");
  Mark mark = expr.mark ? place_of(expr, fault) : c.mark;
  throw Error(braid::Fault::model, "E0150",
              "layer '" + c.path + "': `" + expr.as_text() + "` " + fault.message, mark)
      .help(fault.help);
}

bool is_name(const std::string& text) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::vector<std::string> names_of(const Builder& b, const Call& c) {
  const Attr& given = *find(c.params, "inputs");
  std::vector<std::string> names;
  if (given.is_null()) names = {"x"};
  if (given.is<Attr::List>())
    for (auto& name : given.as_list())
      names.push_back(name.is<std::string>() ? name.as_text() : to_string(name));
  if (names.size() != c.in.size() || names.size() > most_inputs)
    b.fail("E0150",
           "Math has " + std::to_string(c.in.size()) + " inputs and " +
               std::to_string(names.size()) + (names.size() == 1 ? " name" : " names"),
           "name each input, at most " + std::to_string(most_inputs) +
               ": from: {a: LAYER, b: LAYER}, expr: a * b");
  for (auto& name : names)
    if (!is_name(name) || std::ranges::count(names, name) > 1)
      b.fail("E0150", "'" + name + "' is no name for an input of Math, or is there twice",
             "a letter, then letters, digits and _");
  return names;
}

Program program_of(const Builder& b, const Call& c) {
  try {
    return parse(find(c.params, "expr")->as_text(), names_of(b, c));
  } catch (const Mistake& fault) {
    refuse(b, c, fault);
  }
}

Program derivative_of(const Builder& b, const Call& c, size_t input) {
  try {
    return derivative(program_of(b, c), input, c.in.size());
  } catch (const Mistake& fault) {
    refuse(b, c, fault);
  }
}

std::vector<int> forward(Builder& b, Call& c) {
  require_fit(b, c);
  return b.add("math", c.in, {{"program", to_attr(program_of(b, c))}});
}

/// The gradient of one input, of that input's shape.
int gradient(Builder& b, const Call& c, size_t input, int g) {
  Program program = derivative_of(b, c, input);
  if (program.empty()) return -1;
  std::vector<int> values = c.in;
  values.push_back(g);
  return sum_to(b, evaluate(b, std::move(program), values), c.in[input]);
}

std::vector<int> backward(Builder& b, const Call& c, const std::vector<int>& g) {
  std::vector<int> gradients;
  for (size_t i = 0; i < c.in.size(); ++i)
    gradients.push_back(b.needs_gradient(c.in[i]) ? gradient(b, c, i, g[0]) : -1);
  return gradients;
}

Attr names(std::initializer_list<const char*> list) { return Attr::List(list.begin(), list.end()); }

LayerDef layer() {
  const Type image{DType::f32, {N, 3, 7, 5}}, channels{DType::f32, {3, 1, 1}},
      vector{DType::f32, {N, 4}};
  auto one = [](const char* expr) { return Dict{{"expr", expr}}; };
  auto with = [](const char* expr, Attr inputs) {
    return Dict{{"expr", expr}, {"inputs", std::move(inputs)}};
  };
  return {
      .name = "Math",
      .doc =
          "An expression, elementwise: + - * / **, comparisons, `and or not`, `a if c else b`, "
          "exp log sqrt abs sin cos tanh erf sigmoid min max where. Inputs are broadcast as in "
          "NumPy.",
      .formula = "y = expr",
      .source = "Harris et al., Array programming with NumPy, 2020 (broadcasting)",
      .inputs = {{"input",
                  "values that `expr` names: from: {a: LAYER, b: LAYER}; a single one is x", true}},
      .params = {{.name = "expr",
                  .kind = ParamKind::text,
                  .doc = "the expression, such as n * (1 + g)"},
                 {.name = "inputs",
                  .kind = ParamKind::any,
                  .doc = "names of the inputs, where `from` is a list",
                  .optional = true}},
      .forward = forward,
      .gradient = backward,
      .samples = {
          {.inputs = {image}, .params = one("x / 0.1")},
          {.inputs = {image, image}, .params = with("a * (1 + b) - b", names({"a", "b"}))},
          {.inputs = {image, channels},
           .params = with("(a - b) ** 2", names({"a", "b"})),
           .note = "one input is broadcast over batch, rows and columns"},
          {.inputs = {{DType::f32, {N, 1, 7, 1}}, {DType::f32, {N, 3, 1, 5}}},
           .params = with("sin(a) * cos(b) + sigmoid(a - b)", names({"a", "b"})),
           .note = "both are broadcast"},
          {.inputs = {vector, {DType::f32, {1}}},
           .params = with("exp(-0.5 * a / 2.5) + tanh(a) * b", names({"a", "b"})),
           .note = "a single number"},
          {.inputs = {vector, vector},
           .params = with("log(1 + a ** 2) / sqrt(abs(b) + 1) + (abs(a) + 1) ** (b / 4)",
                          names({"a", "b"})),
           .smooth = false},
          {.inputs = {vector, vector},
           .params = with("where(a < b and not a == 0, min(a, b, 0.5), max(a, -b)) if a != 1 else "
                          "(2 if a >= b or a <= 0 else b)",
                          names({"a", "b"})),
           .note = "conditions",
           .smooth = false},
          {.inputs = {vector}, .params = one("0.5 * x * (1 + erf(x / 1.4142135623730951))")},
          {.inputs = {{DType::f32, {N}}}, .params = one("-x"), .note = "the batch alone"}}};
}

}  // namespace
}  // namespace math

void register_math(Registry& registry) {
  registry.add(OpDef{.name = "math", .infer = [](const Dict&, std::span<const Type> in) {
                       auto shape = math::broadcast(in);
                       ensure(shape.has_value(), "inputs of math do not fit each other");
                       return std::vector<Type>{{in[0].dtype, *shape}};
                     }});
  registry.add(OpDef{.name = "sum_to",
                     .infer =
                         [](const Dict& attrs, std::span<const Type> in) {
                           return std::vector<Type>{{in[0].dtype, shape_of(*find(attrs, "shape"))}};
                         },
                     .merge = "sum"});
  register_math_operations(registry);
  register_math_references(registry);
  registry.add(math::layer());
}

}  // namespace braid
