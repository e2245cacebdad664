// Max and Min over dimensions.
#include "amax/ops.h"
#include "einsum/ops.h"
#include "math/math.h"
#include "ops/checks.h"
#include "ops/reshaped.h"

namespace braid {
namespace {

LayerDef layer(const char* name, const char* op, std::string doc) {
  auto forward = [op](Builder& b, Call& c) {
    require_f32(b, c, 0);
    const auto dims = resolve_dims(b, c);
    const int y = extreme(b, op, c.in[0], dims);
    c.saved["y"] = y;
    const Shape shape = reduced(b.type(c.in[0]).shape, dims, get_bool(c.params, "keepdim"));
    return std::vector<int>{reshaped(b, y, shape)};
  };
  auto gradient = [](Builder& b, const Call& c, const std::vector<int>& g) {
    if (g[0] < 0 || !b.needs_gradient(c.in[0])) return std::vector<int>{-1};
    const int x = c.in[0], y = c.saved.at("y");
    const auto one = math::parse("where(x == y, 1, 0)", {"x", "y"}, {});
    const auto share = math::parse("where(x == y, g / n, 0)", {"x", "y", "g", "n"}, {});
    const int equals = sum_over(b, math::evaluate(b, one, {x, y}), resolve_dims(b, c));
    const int kept = reshaped(b, g[0], b.type(y).shape);
    return std::vector<int>{math::evaluate(b, share, {x, y, kept, equals})};
  };
  const Type image{DType::f32, {N, 3, 7, 5}};
  return {
      .name = name,
      .doc = std::move(doc),
      .formula = "y = " + std::string(op).substr(1) + " of x over dim",
      .source = "torch." + std::string(op),
      .inputs = {{"input", "f32, any shape"}},
      .params = {{.name = "dim",
                  .kind = ParamKind::integers,
                  .doc = "dimensions to go over; negative ones count from the end"},
                 {.name = "keepdim",
                  .kind = ParamKind::boolean,
                  .doc = "keeps them with size 1",
                  .fallback = false}},
      .forward = forward,
      .gradient = gradient,
      .samples = {
          {.inputs = {image}, .params = {{"dim", Attr::List{2, 3}}}},
          {.inputs = {image},
           .params = {{"dim", Attr::List{1, -1}}, {"keepdim", true}},
           .note = "dimensions that are not neighbours"},
          {.inputs = {{DType::f32, {4, 3}}}, .params = {{"dim", 0}}, .note = "without a batch"}}};
}

}  // namespace

void register_amax(Registry& registry) {
  register_amax_ops(registry);
  register_amax_kernels(registry);
  register_amax_reference(registry);
  const std::string rest =
      " over one or more dimensions, not over the batch. Cells that are equally ";
  registry.add(layer("Max", "amax", "The largest" + rest + "large share the gradient."));
  registry.add(layer("Min", "amin", "The smallest" + rest + "small share the gradient."));
}

}  // namespace braid
