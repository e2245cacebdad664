// Layers of one input that are an expression, and its slope as PyTorch takes it: each is a row, and
// all are the operation of Math.
#include <limits>

#include "math/math.h"

namespace braid {

void register_pointwise(Registry& registry);

namespace {

using math::Named;

struct Form {
  const char *name, *expr;
  const char* slope;  ///< times g; of x, y and g
  const char *doc, *formula, *source;
  /// The parameters as numbers of both; refuses what they may not be.
  std::vector<Named> (*numbers)(const Builder&, const Call&) = nullptr;
  std::vector<ParamDef> params = {};
  Dict example = {};
  bool smooth = true, positive = false;

  std::vector<Named> numbers_of(const Builder& b, const Call& c) const {
    return numbers ? numbers(b, c) : std::vector<Named>{};
  }
};

double bound(const Call& c, const char* name, double otherwise) {
  const Attr& typed = *find(c.params, name);
  return typed.is_null() ? otherwise : typed.as_double();
}

std::vector<Named> bounds(const Builder& b, const Call& c, const char* low, const char* high) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const double least = bound(c, low, -inf), most = bound(c, high, inf);
  if (least > most)
    b.fail("E0281",
           std::string(low) + " is " + to_string(*find(c.params, low)) + ", more than the " + high +
               " of " + to_string(*find(c.params, high)),
           "everything would become " + to_string(*find(c.params, high)));
  return {{"low", least}, {"high", most}};
}

std::vector<Named> clamp_bounds(const Builder& b, const Call& c) {
  if (find(c.params, "min")->is_null() && find(c.params, "max")->is_null())
    b.fail("E0281", "Clamp has neither min nor max", "give one of them, or both");
  return bounds(b, c, "min", "max");
}

std::vector<Named> hardtanh_bounds(const Builder& b, const Call& c) {
  return bounds(b, c, "min_val", "max_val");
}

ParamDef number(std::string name, std::string doc, Attr fallback = {}) {
  const bool optional = fallback.is_null();
  return {.name = std::move(name),
          .kind = ParamKind::number,
          .doc = std::move(doc),
          .fallback = std::move(fallback),
          .optional = optional};
}

LayerDef layer(const Form& form) {
  const Type image{DType::f32, {N, 3, 7, 5}}, row{DType::f32, {N, 1}};
  auto forward = [form](Builder& b, Call& c) {
    math::require_fit(b, c);
    const int y = math::evaluate(b, math::parse(form.expr, {"x"}, form.numbers_of(b, c)), c.in);
    c.saved["y"] = y;
    return std::vector<int>{y};
  };
  auto gradient = [form](Builder& b, const Call& c, const std::vector<int>& g) {
    if (g[0] < 0 || !b.needs_gradient(c.in[0])) return std::vector<int>{-1};
    auto slope = math::parse(form.slope, {"x", "y", "g"}, form.numbers_of(b, c));
    return std::vector<int>{math::evaluate(b, slope, {c.in[0], c.saved.at("y"), g[0]})};
  };
  return {.name = form.name,
          .doc = form.doc,
          .formula = form.formula,
          .source = form.source,
          .inputs = {{"input", "f32, any shape"}},
          .params = form.params,
          .forward = forward,
          .gradient = gradient,
          .samples = {{.inputs = {image},
                       .params = form.example,
                       .smooth = form.smooth,
                       .positive = form.positive},
                      {.inputs = {row},
                       .params = form.example,
                       .note = "one number a sample",
                       .smooth = form.smooth,
                       .positive = form.positive}}};
}

std::vector<Form> forms() {
  return {
      {.name = "Neg",
       .expr = "-x",
       .slope = "-g",
       .doc = "The other sign, elementwise.",
       .formula = "y = -x",
       .source = "torch.neg"},
      {.name = "Exp",
       .expr = "exp(x)",
       .slope = "g * y",
       .doc = "The exponential, elementwise.",
       .formula = "y = e^x",
       .source = "torch.exp"},
      {.name = "Log",
       .expr = "log(x)",
       .slope = "g / x",
       .doc = "The natural logarithm, elementwise: -inf of 0, and NaN below it.",
       .formula = "y = ln x",
       .source = "torch.log",
       .positive = true},
      {.name = "Sqrt",
       .expr = "sqrt(x)",
       .slope = "g / (2 * y)",
       .doc = "The square root, elementwise: NaN below 0, and a gradient of inf at 0.",
       .formula = "y = x^(1/2)",
       .source = "torch.sqrt",
       .positive = true},
      {.name = "Abs",
       .expr = "abs(x)",
       .slope = "where(x > 0, g, where(x < 0, -g, 0))",
       .doc = "The size without the sign, elementwise. The gradient at 0 is 0.",
       .formula = "y = |x|",
       .source = "torch.abs",
       .smooth = false},
      {.name = "Clamp",
       .expr = "min(max(x, low), high)",
       .slope = "where(x >= low and x <= high, g, 0)",
       .doc = "What is below min becomes min, what is above max becomes max, elementwise. The "
              "bounds themselves let the gradient through.",
       .formula = "y = min(max(x, min), max)",
       .source = "torch.clamp",
       .numbers = clamp_bounds,
       .params = {number("min", "the least result; none if left out"),
                  number("max", "the largest result; none if left out")},
       .example = {{"min", -0.5}, {"max", 1.0}},
       .smooth = false},
      {.name = "Hardtanh",
       .expr = "min(max(x, low), high)",
       .slope = "where(x <= low or x >= high, 0, g)",
       .doc = "A line between min_val and max_val, flat outside, elementwise. The gradient at both "
              "bends is 0.",
       .formula = "y = min(max(x, min_val), max_val)",
       .source = "torch.nn.Hardtanh",
       .numbers = hardtanh_bounds,
       .params = {number("min_val", "the least result", -1.0),
                  number("max_val", "the largest result", 1.0)},
       .example = {},
       .smooth = false},
      {.name = "Hardsigmoid",
       .expr = "min(max(x + 3, 0), 6) / 6",
       .slope = "where(x > -3 and x < 3, g / 6, 0)",
       .doc = "Sigmoid made of three lines, elementwise.",
       .formula = "y = min(max(x + 3, 0), 6) / 6",
       .source = "Howard et al., Searching for MobileNetV3, 2019; torch.nn.Hardsigmoid",
       .smooth = false}};
}

}  // namespace

void register_pointwise(Registry& registry) {
  for (const Form& form : forms()) {
    LayerDef def = layer(form);
    if (def.name == "Clamp")
      def.samples.push_back({.inputs = {{DType::f32, {N, 9}}},
                             .params = {{"min", 0.25}},
                             .note = "one bound",
                             .smooth = false});
    registry.add(std::move(def));
  }
}

}  // namespace braid
