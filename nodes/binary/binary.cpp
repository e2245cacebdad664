// Sub, Mul, Div and Pow: of two inputs, or of one and a number. All are the operation of Math.
#include "math/math.h"

namespace braid {

void register_binary(Registry& registry);

namespace {

struct Form {
  const char *name, *expr;
  const char* slopes[2];  ///< of each input, of x, o, the result y and its gradient g
  const char* second;     ///< the second input, and the number in its place
  const char *doc, *formula, *source;
  bool positive = false;
};

/// The number in the place of the second input.
std::vector<math::Named> numbers_of(const Form& form, const Call& c) {
  if (c.in.size() > 1) return {};
  return {{"o", find(c.params, form.second)->as_double()}};
}

std::vector<std::string> names_of(const Call& c) {
  return c.in.size() > 1 ? std::vector<std::string>{"x", "o"} : std::vector<std::string>{"x"};
}

void check_inputs(const Builder& b, const Form& form, const Call& c) {
  const bool number = !find(c.params, form.second)->is_null();
  const std::string second = form.second;
  if (number == (c.in.size() > 1))
    b.fail("E0282",
           number ? "two inputs, and `" + second + "` is a number besides"
                  : std::string(form.name) + " has one input and no `" + second + "`",
           "from: [a, b] takes two values, from: a and " + second + ": 2 a value and a number");
  math::require_fit(b, c);
}

LayerDef layer(const Form& form) {
  auto forward = [form](Builder& b, Call& c) {
    check_inputs(b, form, c);
    const int y = math::evaluate(b, math::parse(form.expr, names_of(c), numbers_of(form, c)), c.in);
    c.saved["y"] = y;
    return std::vector<int>{y};
  };
  auto gradient = [form](Builder& b, const Call& c, const std::vector<int>& g) {
    std::vector<int> gradients(c.in.size(), -1);
    if (g[0] < 0) return gradients;
    auto names = names_of(c);
    auto values = c.in;
    names.insert(names.end(), {"y", "g"});
    values.insert(values.end(), {c.saved.at("y"), g[0]});
    for (size_t i = 0; i < c.in.size(); ++i) {
      if (!b.needs_gradient(c.in[i])) continue;
      auto slope = math::parse(form.slopes[i], names, numbers_of(form, c));
      gradients[i] = math::sum_to(b, math::evaluate(b, std::move(slope), values), c.in[i]);
    }
    return gradients;
  };
  const Type image{DType::f32, {N, 3, 7, 5}}, row{DType::f32, {N, 4}};
  auto sample = [&](std::vector<Type> inputs, std::string note, Dict params = {}) {
    return Sample{.inputs = std::move(inputs),
                  .params = std::move(params),
                  .note = std::move(note),
                  .smooth = true,
                  .positive = form.positive};
  };
  return {
      .name = form.name,
      .doc = form.doc,
      .formula = form.formula,
      .source = form.source,
      .inputs = {{"input", "f32, any shape"},
                 {.name = form.second,
                  .doc = "f32; the same shape, or one that is broadcast to it or that it is "
                         "broadcast to, as in NumPy, N being dimension 0",
                  .optional = true}},
      .params = {{.name = form.second,
                  .kind = ParamKind::number,
                  .doc = "a number in the place of the second input",
                  .optional = true}},
      .forward = forward,
      .gradient = gradient,
      .samples = {sample({image, image}, ""),
                  sample({image, {DType::f32, {3, 1, 1}}},
                         "the second is broadcast over batch, rows and columns"),
                  sample({{DType::f32, {N, 1, 4}}, {DType::f32, {N, 3, 1}}}, "both are broadcast"),
                  sample({row}, "a number", {{form.second, 2.5}})}};
}

constexpr Form forms[] = {
    {.name = "Sub",
     .expr = "x - o",
     .slopes = {"g", "-g"},
     .second = "other",
     .doc = "The difference of two values, or of a value and a number, elementwise.",
     .formula = "y = input - other",
     .source = "torch.sub"},
    {.name = "Mul",
     .expr = "x * o",
     .slopes = {"g * o", "g * x"},
     .second = "other",
     .doc = "The product of two values, or of a value and a number, elementwise: gates, masks and "
            "scales. MatMul multiplies matrices.",
     .formula = "y = input * other",
     .source = "torch.mul"},
    {.name = "Div",
     .expr = "x / o",
     .slopes = {"g / o", "-g * (y / o)"},
     .second = "other",
     .doc = "The quotient of two values, or of a value and a number, elementwise.",
     .formula = "y = input / other",
     .source = "torch.div",
     .positive = true},
    {.name = "Pow",
     .expr = "x ** o",
     .slopes = {"where(o == 0, 0, g * (o * x ** (o - 1)))",
                "where(x == 0 and o >= 0, 0, g * (y * log(x)))"},
     .second = "exponent",
     .doc = "A power, elementwise: NaN of numbers below 0 where the exponent is not whole.",
     .formula = "y = input ^ exponent",
     .source = "torch.pow",
     .positive = true}};

}  // namespace

void register_binary(Registry& registry) {
  for (const Form& form : forms) registry.add(layer(form));
}

}  // namespace braid
