// Sum over dimensions.
#include <algorithm>

#include "einsum/ops.h"
#include "ops/checks.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

/// The input's shape with 1 for what is summed over.
Shape kept_shape(const Builder& b, const Call& call) {
  return reduced(b.type(call.in[0]).shape, resolve_dims(b, call), true);
}

std::vector<int> forward(Builder& b, Call& call) {
  require_f32(b, call, 0);
  const auto gone = resolve_dims(b, call);
  std::string all, kept;
  for (size_t d = 0; d < b.type(call.in[0]).rank(); ++d) {
    all += char('a' + d);
    if (std::ranges::count(gone, d) == 0) kept += all.back();
  }
  const int sum = einsum(b, all + "->" + kept, {call.in[0]});
  if (!get_bool(call.params, "keepdim")) return {sum};
  return b.add("reshape", {sum}, {{"shape", to_attr(kept_shape(b, call))}});
}

std::vector<int> gradient(Builder& b, const Call& call, const std::vector<int>& g) {
  if (g[0] < 0 || !b.needs_gradient(call.in[0])) return {-1};
  const int kept = b.one("reshape", {g[0]}, {{"shape", to_attr(kept_shape(b, call))}});
  return b.add("expand", {kept}, {{"shape", to_attr(b.type(call.in[0]).shape)}});
}

}  // namespace

void register_sum(Registry& registry) {
  const Type image{DType::f32, {N, 3, 7, 5}};
  registry.add(
      LayerDef{.name = "Sum",
               .doc = "The sum over one or more dimensions, not over the batch.",
               .formula = "y = sum(x over dim)",
               .source = "torch.sum",
               .inputs = {{"input", "f32, any shape"}},
               .params = {{.name = "dim",
                           .kind = ParamKind::integers,
                           .doc = "dimensions to sum over; negative ones count from the end"},
                          {.name = "keepdim",
                           .kind = ParamKind::boolean,
                           .doc = "keeps them with size 1",
                           .fallback = false}},
               .forward = forward,
               .gradient = gradient,
               .samples = {{.inputs = {image}, .params = {{"dim", -1}}},
                           {.inputs = {image},
                            .params = {{"dim", Attr::List{1, 3}}, {"keepdim", true}},
                            .note = "dimensions that are not neighbours"},
                           {.inputs = {{DType::f32, {4, 3}}},
                            .params = {{"dim", Attr::List{0, 1}}},
                            .note = "all of it, without a batch"}}});
}

}  // namespace braid
