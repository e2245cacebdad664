// Var and Std over dimensions, in two passes: the mean first, then the squares of what differs.
#include "einsum/ops.h"
#include "math/math.h"
#include "ops/checks.h"
#include "ops/reshaped.h"

namespace braid {

void register_variance(Registry& registry);

namespace {

/// What is divided by, for the mean and for the sum of squares.
std::vector<math::Named> counts(const Builder& b, const Call& c) {
  const Shape x = b.type(c.in[0]).shape;
  int64_t count = 1;
  for (size_t dim : resolve_dims(b, c)) count *= x[dim].value;
  const int64_t correction = get_int(c.params, "correction");
  if (count <= correction)
    b.fail("E0283",
           "dim " + to_string(*find(c.params, "dim")) + " of " + to_string(x) + " has " +
               std::to_string(count) + (count == 1 ? " cell" : " cells") +
               ", and the correction is " + std::to_string(correction),
           "correction: 0 divides by the number of cells");
  return {{"n", double(count)}, {"k", double(count - correction)}};
}

LayerDef layer(const char* name, bool root) {
  auto forward = [root](Builder& b, Call& c) {
    require_f32(b, c, 0);
    const auto dims = resolve_dims(b, c);
    const auto numbers = counts(b, c);
    const int x = c.in[0];
    auto made = [&](const char* expr, std::vector<std::string> names, const std::vector<int>& in) {
      return math::evaluate(b, math::parse(expr, names, numbers), in);
    };
    const int mean = made("s / n", {"s"}, {sum_over(b, x, dims)});
    const int squares = sum_over(b, made("(x - m) ** 2", {"x", "m"}, {x, mean}), dims);
    const int y = made(root ? "sqrt(s / k)" : "s / k", {"s"}, {squares});
    c.saved = {{"mean", mean}, {"y", y}};
    const Shape shape = reduced(b.type(x).shape, dims, get_bool(c.params, "keepdim"));
    return std::vector<int>{reshaped(b, y, shape)};
  };
  auto gradient = [root](Builder& b, const Call& c, const std::vector<int>& g) {
    if (g[0] < 0 || !b.needs_gradient(c.in[0])) return std::vector<int>{-1};
    const int y = c.saved.at("y"), kept = reshaped(b, g[0], b.type(y).shape);
    const auto slope =
        math::parse(root ? "where(y == 0, 0, g / (k * y) * (x - m))" : "2 / k * g * (x - m)",
                    {"x", "m", "y", "g"}, counts(b, c));
    return std::vector<int>{math::evaluate(b, slope, {c.in[0], c.saved.at("mean"), y, kept})};
  };
  const Type image{DType::f32, {N, 3, 7, 5}};
  const std::string over =
      " over one or more dimensions, not over the batch. With correction 1, Bessel's, it is that "
      "of "
      "what the cells are a sample of.";
  return {
      .name = name,
      .doc = (root ? "The standard deviation" : "The variance") + over +
             (root ? " The gradient where it is 0 is 0." : ""),
      .formula = std::string("y = ") + (root ? "sqrt of " : "") +
                 "sum((x - mean)^2) / (number of cells - correction)",
      .source = root ? "torch.std" : "torch.var",
      .inputs = {{"input", "f32, any shape"}},
      .params = {{.name = "dim",
                  .kind = ParamKind::integers,
                  .doc = "dimensions to go over; negative ones count from the end"},
                 {.name = "correction",
                  .doc = "taken off the number of cells that is divided by",
                  .fallback = 1,
                  .min = 0},
                 {.name = "keepdim",
                  .kind = ParamKind::boolean,
                  .doc = "keeps them with size 1",
                  .fallback = false}},
      .forward = forward,
      .gradient = gradient,
      .samples = {
          {.inputs = {image}, .params = {{"dim", Attr::List{2, 3}}}},
          {.inputs = {image},
           .params = {{"dim", Attr::List{1, -1}}, {"correction", 0}, {"keepdim", true}},
           .note = "dimensions that are not neighbours; all cells there are"},
          {.inputs = {{DType::f32, {4, 3}}}, .params = {{"dim", 0}}, .note = "without a batch"}}};
}

}  // namespace

void register_variance(Registry& registry) {
  registry.add(layer("Var", false));
  registry.add(layer("Std", true));
}

}  // namespace braid
